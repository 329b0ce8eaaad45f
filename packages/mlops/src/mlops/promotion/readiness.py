"""Whether it is time to propose for a stage what the stage before runs; a schedule asks again and again.

"Not yet" is an answer, no error. Whether the model is good enough is left to the gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mlops.audit.log import AuditLog
from mlops.audit.record import Record
from mlops.azure.clients import WorkspaceClients
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect_management
from mlops.core.errors import InputError
from mlops.core.git import REMOTE, Repository
from mlops.core.results import Block, Line, Result
from mlops.endpoint.current_deployment import Live, live_model
from mlops.promotion.branch import branch_name, find_base
from mlops.rollout.rollback import BY_HAND
from mlops.settings.release_history import release_at
from mlops.settings.releases import Model, manifest_file, manifest_path, read_manifest
from mlops.settings.stages import StageName

_FINISH: Final = "finish"


@dataclass(frozen=True)
class NotYet(Result):
    """Nothing was proposed, and why."""

    stage: StageName
    reason: str

    def document(self) -> dict[str, Any]:
        """Stage and reason."""
        return {"stage": self.stage, "promotes": None, "reason": self.reason, "pull_request": None}

    def blocks(self) -> Sequence[Block]:
        """One sentence."""
        return [Line(f"nothing is proposed for {self.stage}: {self.reason}")]


def not_yet(clients: WorkspaceClients, target: StageName, now: datetime) -> NotYet | None:
    """Why it is too early, or too late; None when the promotion may go on.

    Raises InputError for the stage that trains: it takes models at once, without being asked where it is the only one.
    """
    order = clients.project.order
    if order.names == (target,):
        return None
    if target == order.training:
        raise InputError(
            f"{target} has no stage before it to wait for", f"Leave out --when-ready: `mlops promote --to {target}`."
        )
    reason = _reason(clients, target, now)
    return NotYet(target, reason) if reason else None


def _reason(clients: WorkspaceClients, target: StageName, now: datetime) -> str:
    source = clients.project.order.source_of(target)
    live = live_model(clients.stage(source), clients.project.settings.stage(source))
    if live is None:
        return f"{source} runs nothing yet"
    if live.obstacle:
        return f"version {live.version} is not settled in {source}: {live.obstacle}"
    in_git = _in_git(clients, target, live)
    if in_git:
        return in_git
    records, breaks = AuditLog(clients.stage(source)).read()
    if breaks:
        return f"the audit log of {source} was tampered with; `mlops history --stage {source}` shows where"
    since = released_at(records, live.digest)
    if since is None:
        return f"the audit log of {source} has no finished rollout of version {live.version}"
    return _too_young(clients, target, source, live, since, now) or _unhealthy(clients, source, live, since, now)


def _in_git(clients: WorkspaceClients, target: StageName, live: Live) -> str:
    """Whether the release or its proposal is there already: proposing it anew would take back its reviews."""
    repository = Repository(clients.project.root)
    base = find_base(repository)
    model = Model(name=clients.project.settings.model, version=live.version, digest=live.digest)
    current = release_at(repository, base.commit, target)
    if current is not None and current.model == model:
        return f"{manifest_path(target)} names version {live.version} already"
    branch = branch_name(repository, target, model)
    tip = repository.fetch(REMOTE, branch) if base.remote else repository.resolve(f"refs/heads/{branch}")
    proposed = release_at(repository, tip, target)
    if proposed is not None and proposed.model == model:
        return f"version {live.version} is proposed already, on {branch}"
    return ""


def _too_young(
    clients: WorkspaceClients, target: StageName, source: StageName, live: Live, since: datetime, now: datetime
) -> str:
    hours = read_manifest(manifest_file(clients.project.root, target)).wait_hours
    left = since + timedelta(hours=hours) - now
    if left <= timedelta(0):
        return ""
    return (
        f"version {live.version} runs in {source} since {since:%Y-%m-%d %H:%M} UTC, "
        f"and has to for {hours:g} hours; {_hours(left)} are left"
    )


def _unhealthy(clients: WorkspaceClients, source: StageName, live: Live, since: datetime, now: datetime) -> str:
    """Whether the stage has broken its own SLO since; without callers nothing is known, and nothing broken."""
    slo = read_manifest(manifest_file(clients.project.root, source)).slo
    monitor = Monitor(connect_management(), live.identifier)
    counts = monitor.counts(live.deployment, since, now)
    if counts.failures > slo.error_rate * counts.requests:
        return f"{source} does not keep its SLO: {counts.failures} of {counts.requests} requests failed since {since}"
    p95, p99 = monitor.latencies(live.deployment, since, now)
    for name, measured, limit in (("95", p95, slo.p95_milliseconds), ("99", p99, slo.p99_milliseconds)):
        if measured > limit:
            return f"{source} does not keep its SLO: the {name}th percentile is {measured:.0f} ms, not {limit:.0f}"
    return ""


def released_at(records: Sequence[Record], digest: str) -> datetime | None:
    """Since when a stage runs a model without a break: the end of the rollout that nothing followed. Pure."""
    since = None
    for record in records:
        event = record.event
        if (event.kind == "rollout" and event.step == _FINISH) or (event.kind == "rollback" and event.step == BY_HAND):
            since = record.time if event.digest == digest else None
    return since


def _hours(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60) + 1
    return f"{minutes // 60} h {minutes % 60} min"
