"""Azure Pipelines: pipeline files are read, planned and run by the service's rules."""

from __future__ import annotations

from workflow_replay.azure.builtin_tasks import BUILTIN_TASKS, service_connections
from workflow_replay.azure.pipeline.triggers import BuildValidation
from workflow_replay.azure.replay_pipeline import read, replay, replay_all

__all__ = ["BUILTIN_TASKS", "BuildValidation", "read", "replay", "replay_all", "service_connections"]
