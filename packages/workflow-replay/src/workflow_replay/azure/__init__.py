"""Azure Pipelines: pipeline files read, planned and run by its rules."""

from __future__ import annotations

from workflow_replay.azure.effects import EFFECTS, connections
from workflow_replay.azure.pipeline.triggers import BuildValidation
from workflow_replay.azure.replay import read, replay, replay_all

__all__ = ["EFFECTS", "BuildValidation", "connections", "read", "replay", "replay_all"]
