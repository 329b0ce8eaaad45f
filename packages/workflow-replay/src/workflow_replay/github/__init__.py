"""GitHub Actions: workflow files are read, planned and run by GitHub's rules."""

from workflow_replay.github.replay_workflow import replay as replay
from workflow_replay.github.replay_workflow import replay_all as replay_all
