"""A snapshot of all stages: reads each stage once; an unreadable part says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.audit.log import StageHistory, read_history
from mlops.audit.record import of_model
from mlops.azure.errors import explain
from mlops.azure.service_metrics import Interval, Monitor
from mlops.azure.workspace import WorkspaceClients, connect_management
from mlops.core.errors import MlopsError
from mlops.core.layout import demo_hint
from mlops.endpoint.stage_status import StageStatus, stage_status
from mlops.endpoint.view import View
from mlops.githost.hosts import remote_of
from mlops.models.facts import commit_fact
from mlops.settings.project import BATCH, MANAGED, NO_ONLINE_ENDPOINT, read_project_schema
from mlops.settings.releases import Release, manifest_file, read_manifest
from mlops.settings.stages import StageName

# How far back the service is shown, and in which intervals: half an hour, as the page says.
SERVICE_WINDOW: Final = timedelta(hours=24)
SERVICE_INTERVAL: Final = timedelta(minutes=30)


@dataclass(frozen=True)
class Service:
    """An endpoint's recent service metrics, oldest interval first; `problem` says why there are none."""

    intervals: tuple[Interval, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class StageSnapshot:
    """One stage: what it runs, what git says it should run, its audit log, and its service metrics.

    `release_problem` says why the manifest cannot be read; other unreadable parts have their own `problem`.
    """

    name: StageName
    status: StageStatus
    release: Release | None
    release_problem: str
    history: StageHistory
    service: Service
    commit_url: str = ""


@dataclass(frozen=True)
class Snapshot:
    """All stages of a project at one point in time.

    `repository` is where their releases were read, with its page or ""; `hint` says where they are if not there.
    """

    project: str
    model: str
    task: str
    taken: datetime
    stages: tuple[StageSnapshot, ...]
    repository: str = ""
    repository_url: str = ""
    hint: str = ""


_UNKNOWN: Final = (AzureError, MlException, MlopsError)


def take_snapshot(clients: WorkspaceClients) -> Snapshot:
    """The current state of all stages. Raises the first problem if no stage can be read."""
    taken = datetime.now(UTC)
    order = clients.project.order
    with ThreadPoolExecutor(len(order)) as pool:
        stages = tuple(pool.map(lambda name: _stage(clients, name, taken), order))
    problems = [stage.status.problem for stage in stages if stage.status.problem]
    if len(problems) == len(stages):
        raise problems[0]
    settings = clients.project.settings
    root = clients.project.root
    remote = remote_of(root)
    return Snapshot(
        settings.name,
        settings.model,
        read_project_schema(root).task,
        taken,
        stages,
        repository=remote.url if remote else str(root),
        repository_url=remote.url if remote else "",
        hint=demo_hint(root) if any(stage.status.differs for stage in stages) else "",
    )


def _stage(clients: WorkspaceClients, name: StageName, now: datetime) -> StageSnapshot:
    release, release_problem = _release(clients, name)
    status = _status(clients, name)
    history = _history(clients, name) if status.problem is None else StageHistory(name, problem=status.problem.message)
    service = _service(clients, name, status.view, now)
    commit_url = commit_fact(clients.project, release.source.git_commit).link if release else ""
    return StageSnapshot(name, status, release, release_problem, history, service, commit_url)


def _status(clients: WorkspaceClients, name: StageName) -> StageStatus:
    try:
        return stage_status(clients.stage(name), clients.project, name)
    except _UNKNOWN as error:
        return StageStatus(name, clients.project.settings.stage(name).main_endpoint, problem=_explained(error))


def _history(clients: WorkspaceClients, name: StageName) -> StageHistory:
    try:
        found = read_history(clients, name)
        return replace(found, records=of_model(found.records, clients.project.settings.model))
    except _UNKNOWN as error:
        return StageHistory(name, problem=_explained(error).message)


def _release(clients: WorkspaceClients, name: StageName) -> tuple[Release | None, str]:
    try:
        return read_manifest(manifest_file(clients.project.root, name)).release, ""
    except MlopsError as error:
        return None, error.message


def _service(clients: WorkspaceClients, name: StageName, view: View | None, now: datetime) -> Service:
    if view is None or not view.exists:
        return Service()
    serving = clients.project.settings.stage(name).serving
    if serving != MANAGED:
        why = NO_ONLINE_ENDPOINT if serving == BATCH else "Azure Monitor has no metrics for Kubernetes endpoints"
        return Service(problem=why)
    try:
        monitor = Monitor(connect_management(), view.identifier)
        return Service(monitor.over_time(now - SERVICE_WINDOW, now, SERVICE_INTERVAL))
    except _UNKNOWN as error:
        return Service(problem=_explained(error).message)


def _explained(error: Exception) -> MlopsError:
    return error if isinstance(error, MlopsError) else explain(error) or MlopsError(str(error))
