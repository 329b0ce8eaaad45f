"""The job that measures a window: begun once for all who mean the same window and data, followed, and its results.

A job's name is made of what it measures. So a command that was killed finds its job when it is run again, two
commands at once share one, and what has been measured is not measured twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Job, PipelineJob
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import say, step_board
from mlops.core.errors import Interrupted, JobFailed, ProjectError
from mlops.core.layout import MONITOR_PIPELINE_FILE
from mlops.monitoring.measures import Measurements, read_measures
from mlops.monitoring.request import MonitoringRequest
from mlops.settings.monitoring import MonitorFile
from mlops.settings.project import Project
from mlops.training.following import CANCELED, COMPLETED, FAILED, FinishedJob, follow, job_failure

OUTPUT: Final = "monitoring"
STEP: Final = "monitor_model"
_FINGERPRINT_CHARACTERS: Final = 16
_ATTEMPTS: Final = 50
_SECONDS_AN_HOUR: Final = 3600


@dataclass(frozen=True)
class MonitorJob:
    """A job that measures a window."""

    name: str
    steps: tuple[str, ...] = (STEP,)


@dataclass(frozen=True)
class Results:
    """What a job measured, and its pictures by name, as SVG text."""

    job: str
    measurements: Measurements
    pictures: dict[str, str]
    studio_url: str | None = None


def measure(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile) -> Results:
    """Run the pipeline on a window, or wait for the job that does already. Raises JobFailed."""
    job = _begin(client, project, request, rules)
    say(f"job {job.name}")
    try:
        with step_board() as board:
            finished = follow(client, job, board)
    except KeyboardInterrupt:
        message = f"job {job.name} goes on in the workspace; nothing was noted"
        raise Interrupted(message, "Run the command again; it goes on with the same job.") from None
    if finished.status != COMPLETED:
        raise job_failure(client, project, finished, None)
    return _results(client, finished)


def _begin(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile) -> MonitorJob:
    """Find the job of an request, or submit it; one that failed before is left, and the next one has a number."""
    base = f"monitor-{request.stage_name}-{request.fingerprint[:_FINGERPRINT_CHARACTERS]}"
    for attempt in range(1, _ATTEMPTS + 1):
        name = base if attempt == 1 else f"{base}-{attempt}"
        known = _known(client, name)
        if known is None:
            known = _submit(client, project, request, rules, name)
        if known.status not in {FAILED, CANCELED}:
            return MonitorJob(name)
    raise JobFailed(f"{_ATTEMPTS} jobs for this window have failed, the last one is {base}-{_ATTEMPTS}")


def _known(client: MLClient, name: str) -> Job | None:
    try:
        return client.jobs.get(name)
    except ResourceNotFoundError:
        return None


def _submit(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile, name: str) -> Job:
    overrides = [{key: value} for key, value in _inputs(project, request, rules, name).items()]
    job = load_job(project.required_file(MONITOR_PIPELINE_FILE), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{MONITOR_PIPELINE_FILE} is no pipeline job", "It needs `type: pipeline`.")
    job.tags = {**(job.tags or {}), "stage": request.stage_name, "window": str(request.window)}
    try:
        with suppress_output():
            return client.jobs.create_or_update(job)
    except HttpResponseError:
        # Another command may have begun the same job at the same moment; that it is there can be seen.
        known = _known(client, name)
        if known is None:
            raise
        return known


def _inputs(project: Project, request: MonitoringRequest, rules: MonitorFile, name: str) -> dict[str, object]:
    window, live = request.window, request.live
    hours = (window.until - window.since).total_seconds() / _SECONDS_AN_HOUR
    inputs: dict[str, object] = {
        "name": name,
        "experiment_name": f"{project.settings.name}-monitor",
        "settings.default_compute": f"azureml:{request.stage.compute}",
        "inputs.collected": {"type": AssetTypes.URI_FOLDER, "path": request.folder},
        "inputs.model_package": {"type": AssetTypes.CUSTOM_MODEL, "path": request.model},
        "inputs.until": window.until.isoformat(),
        "inputs.hours": hours,
        "inputs.deployments": ",".join(request.deployments),
        "inputs.model_version": live.version,
        **{f"inputs.{key}": value for key, value in rules.measuring.model_dump().items()},
    }
    if request.labels is not None:
        inputs[f"jobs.{STEP}.inputs.labels"] = {"type": AssetTypes.URI_FILE, "path": request.labels.reference}
    return inputs


def _results(client: MLClient, job: FinishedJob) -> Results:
    with _downloaded(client, job.name) as folder:
        measurements = read_measures(folder)
        pictures = {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.rglob("figures/*.svg"))}
    return Results(job.name, measurements, pictures, job.studio_url)


@contextmanager
def _downloaded(client: MLClient, job: str) -> Generator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        with suppress_output():
            client.jobs.download(job, download_path=folder, output_name=OUTPUT)
        yield Path(folder)
