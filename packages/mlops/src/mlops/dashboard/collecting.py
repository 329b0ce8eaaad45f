"""Asks every stage once for what the page shows; a stage, or a part of it, that cannot be asked says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.audit.history import StageHistory
from mlops.audit.log import AuditLog
from mlops.azure.clients import WorkspaceClients
from mlops.azure.errors import explain
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect_management
from mlops.core.errors import MlopsError
from mlops.dashboard.snapshot import SERVICE_INTERVAL, SERVICE_WINDOW, Service, Snapshot, StageSnapshot
from mlops.endpoint.stage_status import StageStatus, stage_status
from mlops.endpoint.view import View
from mlops.settings.project import MANAGED
from mlops.settings.releases import Release, manifest_file, read_manifest
from mlops.settings.stages import StageName

_UNKNOWN: Final = (AzureError, MlException, MlopsError)


def take_snapshot(clients: WorkspaceClients) -> Snapshot:
    """All stages as they are now. Raises the first problem when no stage can be asked at all."""
    taken = datetime.now(UTC)
    order = clients.project.order
    with ThreadPoolExecutor(len(order)) as pool:
        stages = tuple(pool.map(lambda name: _stage(clients, name, taken), order))
    problems = [stage.status.problem for stage in stages if stage.status.problem]
    if len(problems) == len(stages):
        raise problems[0]
    settings = clients.project.settings
    return Snapshot(settings.name, settings.model, taken, stages)


def _stage(clients: WorkspaceClients, name: StageName, now: datetime) -> StageSnapshot:
    release, release_problem = _release(clients, name)
    status = _status(clients, name)
    history = _history(clients, name) if status.problem is None else StageHistory(name, problem=status.problem.message)
    return StageSnapshot(name, status, release, release_problem, history, _service(clients, name, status.view, now))


def _status(clients: WorkspaceClients, name: StageName) -> StageStatus:
    try:
        return stage_status(clients.stage(name), clients.project, name)
    except _UNKNOWN as error:
        return StageStatus(name, clients.project.settings.stage(name).endpoint, problem=_explained(error))


def _history(clients: WorkspaceClients, name: StageName) -> StageHistory:
    try:
        return StageHistory(name, *AuditLog(clients.stage(name)).read())
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
    if clients.project.settings.stage(name).serving != MANAGED:
        return Service(problem="Azure Monitor measures nothing of a Kubernetes endpoint")
    try:
        monitor = Monitor(connect_management(), view.identifier)
        return Service(monitor.over_time(now - SERVICE_WINDOW, now, SERVICE_INTERVAL))
    except _UNKNOWN as error:
        return Service(problem=_explained(error).message)


def _explained(error: Exception) -> MlopsError:
    return error if isinstance(error, MlopsError) else explain(error) or MlopsError(str(error))
