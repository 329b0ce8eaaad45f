"""A training job from pipelines/train.yml, with the inputs that say where data and code come from.

Waiting for it is left to following.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import PipelineJob

from mlops.errors import ProjectError
from mlops.layout import PIPELINE_FILE
from mlops.project import Project, Stage
from mlops.quiet import quiet
from mlops.training.data_asset import DataVersion

_TIME_FORMAT = "%Y%m%d-%H%M%S"
_SUFFIX_BYTES = 2


@dataclass(frozen=True)
class SubmittedJob:
    """A job that the workspace has accepted; `steps` in the order of the pipeline file."""

    name: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """What a job is to run on, under which name; `parameters` are inputs that differ from their defaults."""

    job_name: str
    data: DataVersion
    git_commit: str
    parameters: Mapping[str, float]


def new_job_name(project_name: str) -> str:
    """A name for a new job, chosen here so that a job can be cancelled even while it is being submitted."""
    now = datetime.now(UTC).strftime(_TIME_FORMAT)
    return f"{project_name}-{now}-{secrets.token_hex(_SUFFIX_BYTES)}"


def submit(client: MLClient, project: Project, stage: Stage, order: Order) -> SubmittedJob:
    """Load the pipeline, set its inputs, and hand it to the workspace."""
    settings, data = project.settings, order.data
    overrides = [
        *({f"inputs.{name}": value} for name, value in order.parameters.items()),
        {"name": order.job_name},
        {"experiment_name": settings.name},
        {"settings.default_compute": f"azureml:{stage.compute}"},
        {"inputs.data": {"type": AssetTypes.URI_FILE, "path": data.reference}},
        {"inputs.data_name": data.name},
        {"inputs.data_version": data.version},
        {"inputs.data_sha256": data.sha256},
        {"inputs.git_commit": order.git_commit},
    ]
    job = load_job(project.required_file(PIPELINE_FILE), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{PIPELINE_FILE} is no pipeline job", "It needs `type: pipeline`.")
    steps = tuple(job.jobs)
    with quiet():
        client.jobs.create_or_update(job)
    return SubmittedJob(order.job_name, steps)
