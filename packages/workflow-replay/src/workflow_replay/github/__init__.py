"""GitHub Actions: workflow files read, planned and run by GitHub's rules."""

from workflow_replay.github.replaying import replay as replay
from workflow_replay.github.replaying import replay_all as replay_all
