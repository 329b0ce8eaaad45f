"""Measures a window of a stage: a job on what was collected, started once per window and data, and Azure Monitor.

The job's name is derived from what it measures. So a command that was killed finds its job when it is run again, two
commands at once share one, and nothing is measured twice.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Job, PipelineJob
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from mlops.azure.collected_data import BlobCollection, find_collections
from mlops.azure.errors import explain
from mlops.azure.sdk_output import suppress_output
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect_management
from mlops.checks.fingerprints import content_digest
from mlops.cli.progress import say, step_board
from mlops.core.documents import require_yaml
from mlops.core.errors import InputError, Interrupted, JobFailed, ProjectError, WorkspaceError
from mlops.core.layout import COMPONENT_FOLDER, MONITOR_PIPELINE_FILE
from mlops.endpoint.view import Live, live_model, observe
from mlops.models.data_asset import DataVersion
from mlops.settings.monitoring import MonitorFile
from mlops.settings.project import MANAGED, Project, Stage
from mlops.settings.stages import StageName
from mlops.training.following import CANCELED, COMPLETED, FAILED, follow, job_failure
from model_package.collected.window import Window
from model_package.documents import Fields, read_json
from model_package.errors import MeasurementError, NoData, PackageError
from model_package.measures import Measure
from model_package.monitoring.findings import MEASURES_FILE, Findings
from model_package.rows.collected_columns import INPUTS, OUTPUTS

OUTPUT: Final = "monitoring"
STEP: Final = "monitor_model"
FAILURES: Final = "failure_share"
LATENCY: Final = "latency_p99_milliseconds"
_FINGERPRINT_CHARACTERS: Final = 16
_ATTEMPTS: Final = 50
_SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True)
class MonitoringRequest:
    """What is to be measured: `folder` is where the endpoint collects, None where it has nothing of the window.

    `deployments` are those of the endpoint, the live one first. Equal requests have equal fingerprints.
    """

    stage_name: StageName
    stage: Stage
    window: Window
    live: Live
    deployments: tuple[str, ...]
    folder: str | None
    files: tuple[str, ...]
    labels: DataVersion | None
    model: str
    fingerprint: str


@dataclass(frozen=True)
class MonitorJob:
    """A job that measures a window."""

    name: str
    steps: tuple[str, ...] = (STEP,)


@dataclass(frozen=True)
class Results:
    """What a job measured, and its figures by name, as SVG text."""

    job: str
    findings: Findings
    figures: dict[str, str]
    studio_url: str | None = None


def find_monitoring_request(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    window: Window,
    rules: MonitorFile,
    labels: DataVersion | None,
) -> MonitoringRequest:
    """Read what a stage runs and collected; changes nothing.

    Raises InputError where it runs nothing, WorkspaceError where it collects nothing.
    """
    stage = project.settings.stage(stage_name)
    live = live_model(client, stage)
    if live is None:
        raise InputError(
            f"{stage_name} runs nothing yet, so there is nothing to monitor",
            f"Deploy first: `mlops deploy --stage {stage_name}`.",
        )
    view = observe(client, stage.online_endpoint)
    deployments = tuple(sorted(view.deployments, key=lambda name: (name != live.deployment, name)))
    folder, files = _collected(client, stage.online_endpoint, deployments, window)
    model = _model_reference(project, stage_name, live.version)
    facts = {
        "window": [window.since.isoformat(), window.until.isoformat()],
        "live": [live.deployment, live.version, live.digest],
        "deployments": deployments,
        "files": files,
        "labels": labels.sha256 if labels else None,
        "measuring": rules.measuring.model_dump(),
        "code": content_digest(
            [(name.as_posix(), project.path(name)) for name in (COMPONENT_FOLDER, MONITOR_PIPELINE_FILE)]
        ),
    }
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return MonitoringRequest(stage_name, stage, window, live, deployments, folder, files, labels, model, fingerprint)


def measure(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile) -> Results:
    """Run the pipeline on a window, or wait for the job that already does. Raises JobFailed."""
    say(f"measuring the requests to {request.stage_name}: submitting a job …")
    job = _begin(client, project, request, rules)
    say(f"job {job.name}")
    try:
        with step_board() as board:
            finished = follow(client, job, board)
    except KeyboardInterrupt:
        message = f"job {job.name} keeps running in the workspace; no verdict was recorded"
        raise Interrupted(message, "Run the command again; it continues with the same job.") from None
    if finished.status != COMPLETED:
        raise job_failure(client, project, finished, None)
    with _downloaded(client, finished.name) as folder:
        figures = {file.stem: file.read_text(encoding="utf-8") for file in sorted(folder.rglob("figures/*.svg"))}
        return Results(finished.name, read_findings(folder), figures, finished.studio_url)


def nothing_collected() -> Findings:
    """Return what stands for a window of which nothing was collected: zero rows, and no other measure."""
    notes = ["nothing was collected in the window"]
    return Findings(rows=0, files=0, versions={}, measures={"rows": Measure(0.0)}, notes=notes)


def measure_service(stage: Stage, live: Live, window: Window, min_requests: int) -> dict[str, Measure]:
    """Ask Azure Monitor for failures and latency of the live deployment; the measures say why they have no value."""
    if stage.serving != MANAGED:
        return _no_service(NoData("Azure Monitor has no metrics of a Kubernetes endpoint"))
    monitor = Monitor(connect_management(), live.identifier)
    until = min(window.until, datetime.now(UTC))
    if until <= window.since:
        return _no_service(NoData("the window has not begun"))
    try:
        counts = monitor.counts(live.deployment, window.since, until)
        if counts.requests < min_requests:
            return _no_service(NoData(f"{counts.requests} requests; at least {min_requests} are needed"))
        _, p99 = monitor.latencies(live.deployment, window.since, until)
    except AzureError as error:
        explained = explain(error)
        message = f"Azure Monitor does not answer: {explained.message if explained else error}"
        return _no_service(MeasurementError(message))
    share = counts.failures / counts.requests
    return {
        FAILURES: Measure(share, details=(f"{counts.failures:,} of {counts.requests:,} requests",)),
        LATENCY: Measure(p99),
    }


def read_findings(folder: Path) -> Findings:
    """Read the one measures.json at or below a folder. Raises JobFailed where there is none that can be read."""
    found = sorted(folder.rglob(MEASURES_FILE))
    if len(found) != 1:
        raise JobFailed(
            f"expected one {MEASURES_FILE} below {folder}, found {len(found)}",
            f"The step {STEP} must be the one of this commit: run `mlops monitor` again.",
        )
    try:
        return Findings.parse(Fields(read_json(found[0]), MEASURES_FILE))
    except PackageError as error:
        raise JobFailed(
            f"{MEASURES_FILE} of the job cannot be read: {error}",
            "Run `mlops monitor` again from the commit that the job ran on, or run the job again.",
        ) from error


def _collected(
    client: MLClient, endpoint: str, deployments: tuple[str, ...], window: Window
) -> tuple[str | None, tuple[str, ...]]:
    """Return the endpoint's folder, as a job refers to it, and the files of the window with their sizes."""
    folders: dict[str, list[str]] = {}
    collections = 0
    for deployment in deployments:
        for name in (INPUTS, OUTPUTS):
            for collection in find_collections(client, endpoint, deployment, name):
                collections += 1
                found = [f"{file.name}:{file.size}" for hour in collection.hours(window) for file in hour]
                if found:
                    folders.setdefault(_endpoint_folder(collection, deployment, name), []).extend(found)
    if not collections:
        raise WorkspaceError(
            f"the deployments of {endpoint} collect nothing",
            "Restore `data_collector` in endpoints/online/deployment.yml and deploy again.",
        )
    if len(folders) > 1:
        raise WorkspaceError(
            f"what {endpoint} collected in this window is in {len(folders)} folders: {', '.join(sorted(folders))}",
            "Choose a window that begins after the change of `collected_datastore`.",
        )
    folder, files = next(iter(folders.items()), (None, []))
    return folder, tuple(sorted(files))


def _endpoint_folder(collection: BlobCollection, deployment: str, name: str) -> str:
    end = f"/{deployment}/{name}"
    if not collection.folder.endswith(end):
        raise WorkspaceError(
            f"the collection {name} of {deployment} is in {collection.folder}, not in a folder …{end}",
            "Remove the path of the collection from endpoints/online/deployment.yml and deploy again.",
        )
    return f"azureml://datastores/{collection.datastore}/paths/{collection.folder.removesuffix(end)}/"


def _model_reference(project: Project, stage: StageName, version: str) -> str:
    """Return how a job of the stage refers to the model that the stage runs."""
    name = project.settings.model
    if stage == project.order.training:
        return f"azureml:{name}:{version}"
    return f"azureml://registries/{project.settings.registry}/models/{name}/versions/{version}"


def _begin(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile) -> MonitorJob:
    """Find the job of a request, or submit it; after one that failed, the next has a number in its name."""
    base = f"monitor-{request.stage_name}-{request.fingerprint[:_FINGERPRINT_CHARACTERS]}"
    for attempt in range(1, _ATTEMPTS + 1):
        name = base if attempt == 1 else f"{base}-{attempt}"
        job = _find_job(client, name)
        if job is None:
            job = _submit(client, project, request, rules, name)
        if job.status not in {FAILED, CANCELED}:
            return MonitorJob(name)
    raise JobFailed(
        f"{_ATTEMPTS} jobs for this window have failed, the last one is {base}-{_ATTEMPTS}",
        "Read the log of the last one in the studio, and fix what fails.",
    )


def _find_job(client: MLClient, name: str) -> Job | None:
    try:
        return client.jobs.get(name)
    except ResourceNotFoundError:
        return None


def _submit(client: MLClient, project: Project, request: MonitoringRequest, rules: MonitorFile, name: str) -> Job:
    job = monitoring_job(project, request, rules, name)
    try:
        with suppress_output():
            return client.jobs.create_or_update(job)
    except HttpResponseError:
        # Another command may have submitted the same job at the same moment; then it exists now.
        submitted = _find_job(client, name)
        if submitted is None:
            raise
        return submitted


def monitoring_job(project: Project, request: MonitoringRequest, rules: MonitorFile, name: str) -> PipelineJob:
    """pipelines/monitor.yml with its inputs set. Raises ProjectError for a file that is not a pipeline."""
    overrides = [{key: value} for key, value in _inputs(project, request, rules, name).items()]
    job = load_job(require_yaml(project.required_file(MONITOR_PIPELINE_FILE)), params_override=overrides)
    if not isinstance(job, PipelineJob):
        raise ProjectError(f"{MONITOR_PIPELINE_FILE} does not define a pipeline job", "It needs `type: pipeline`.")
    job.tags = {**(job.tags or {}), "stage": request.stage_name, "window": str(request.window)}
    return job


def _inputs(project: Project, request: MonitoringRequest, rules: MonitorFile, name: str) -> dict[str, object]:
    window, live = request.window, request.live
    hours = (window.until - window.since).total_seconds() / _SECONDS_PER_HOUR
    inputs: dict[str, object] = {
        "name": name,
        "experiment_name": f"{project.settings.name}-monitor",
        "settings.default_compute": f"azureml:{request.stage.compute}",
        # What else the file says of an input stays, such as a mode.
        "inputs.collected.type": AssetTypes.URI_FOLDER,
        "inputs.collected.path": request.folder,
        "inputs.model_package.type": AssetTypes.CUSTOM_MODEL,
        "inputs.model_package.path": request.model,
        "inputs.until": window.until.isoformat(),
        "inputs.hours": hours,
        "inputs.deployments": ",".join(request.deployments),
        "inputs.model_version": live.version,
        **{f"inputs.{key}": value for key, value in rules.measuring.model_dump().items()},
    }
    if request.labels is not None:
        labels = f"jobs.{STEP}.inputs.labels"
        inputs |= {f"{labels}.type": AssetTypes.URI_FILE, f"{labels}.path": request.labels.reference}
    return inputs


@contextmanager
def _downloaded(client: MLClient, job: str) -> Generator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        with suppress_output():
            client.jobs.download(job, download_path=folder, output_name=OUTPUT)
        yield Path(folder)


def _no_service(error: MeasurementError) -> dict[str, Measure]:
    return dict.fromkeys((FAILURES, LATENCY), Measure.failed(error))
