"""What is rolled out, and where: the value that the parts of a rollout share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from azure.ai.ml import MLClient

from mlops.project import Project, Stage, StageName
from mlops.rollout.metrics import Monitor
from mlops.rollout.plan import Plan
from mlops.rollout.verdict import Objective


@dataclass(frozen=True)
class Target:
    """A stage, the plan for it, and the model package on this machine.

    `model` is the reference that a deployment names; `requests_per_second` that of the synthetic callers.
    `monitor` is None where Azure Monitor measures nothing: on Kubernetes, synthetic callers judge alone.
    """

    client: MLClient
    project: Project
    stage_name: StageName
    stage: Stage
    plan: Plan
    objective: Objective
    requests_per_second: float
    model: str
    package: Path
    monitor: Callable[[str], Monitor] | None
