"""Whether it is time to propose the previous stage's model for a stage, and whether a rollout that waited is still
current; called on a schedule.

"Not yet" is a result, not an error. The gates decide whether the model is good enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mlops.audit.log import AuditLog
from mlops.audit.record import Record, of_model, sets_live_model
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import WorkspaceClients, connect_management
from mlops.cli.progress import say
from mlops.core.errors import InputError
from mlops.core.git import REMOTE, Repository
from mlops.core.results import Block, Line, Result
from mlops.endpoint.view import Live
from mlops.promotion.branch import branch_name, find_base
from mlops.promotion.stage_state import PromotionState
from mlops.settings.project import BATCH, NO_ONLINE_ENDPOINT, Project
from mlops.settings.releases import Model, manifest_file, manifest_path, read_manifest
from mlops.settings.stages import StageName, StageOrder
from mlops.stages.release_history import release_at


@dataclass(frozen=True)
class NotYet(Result):
    """Why nothing was proposed."""

    stage: StageName
    reason: str

    def document(self) -> dict[str, Any]:
        """Stage and reason."""
        return {"stage": self.stage, "promotes": None, "reason": self.reason, "pull_request": None}

    def blocks(self) -> Sequence[Block]:
        """One sentence."""
        return [Line(f"nothing is proposed for {self.stage}: {self.reason}")]


def require_source(order: StageOrder, target: StageName) -> None:
    """Raise InputError for the training stage, which has no previous stage, unless it is the only stage."""
    if target == order.training and len(order) > 1:
        raise InputError(
            f"{target} has no previous stage to wait for", f"Omit --when-ready: `mlops promote --to {target}`."
        )


def not_yet(clients: WorkspaceClients, state: PromotionState, now: datetime) -> NotYet | None:
    """Why it is too early, or too late; None if the promotion may continue, as it always may for the only stage."""
    if state.source == state.target:
        return None
    reason = _reason(clients, state, now)
    return NotYet(state.target.stage, reason) if reason else None


def _reason(clients: WorkspaceClients, state: PromotionState, now: datetime) -> str | None:
    source, live = state.source.stage, state.source.live
    if live is None:
        return f"{source} runs no model yet"
    if live.obstacle:
        return f"version {live.version} is not settled in {source}: {live.obstacle}"
    proposed = _already_proposed(clients.project, state, live)
    if proposed:
        return proposed
    records, breaks = AuditLog(clients.stage(source)).read()
    if breaks:
        return f"the audit log of {source} was tampered with; `mlops history --stage {source}` shows where"
    since = released_at(of_model(records, clients.project.settings.model), live.digest)
    if since is None:
        return f"the audit log of {source} has no finished rollout of version {live.version}"
    hours = read_manifest(manifest_file(clients.project.root, state.target.stage)).wait_hours
    left = since + timedelta(hours=hours) - now
    if left > timedelta(0):
        return (
            f"version {live.version} has run in {source} since {since:%Y-%m-%d %H:%M} UTC, "
            f"and must run for {hours:g} hours; {_hours(left)} left"
        )
    return _slo_violation(clients.project, source, live, since, now)


def _already_proposed(project: Project, state: PromotionState, live: Live) -> str | None:
    """Whether the release or its proposal already exists: proposing it again would dismiss its reviews."""
    target, released = state.target.stage, state.target.released
    model = Model(name=project.settings.model, version=live.version, digest=live.digest)
    if released is not None and released.model == model:
        return f"{manifest_path(target)} already names version {live.version}"
    repository = Repository(project.root)
    branch = branch_name(repository, target, model)
    tip = repository.fetch(REMOTE, branch) if state.base.remote else repository.resolve(f"refs/heads/{branch}")
    proposed = release_at(repository, tip, target)
    if proposed is not None and proposed.model == model:
        return f"version {live.version} is already proposed, on {branch}"
    return None


def _slo_violation(project: Project, source: StageName, live: Live, since: datetime, now: datetime) -> str | None:
    """How the stage has broken its own SLO since then; None without requests."""
    if project.settings.stage(source).serving == BATCH:
        say(f"the SLO of {source} is {NO_ONLINE_ENDPOINT}")
        return None
    slo = read_manifest(manifest_file(project.root, source)).slo
    monitor = Monitor(connect_management(), live.identifier)
    counts = monitor.counts(live.deployment, since, now)
    if counts.failures > slo.error_rate * counts.requests:
        return f"{source} breaks its SLO: {counts.failures} of {counts.requests} requests failed since {since}"
    p95, p99 = monitor.latencies(live.deployment, since, now)
    for name, measured, limit in (("95", p95, slo.p95_milliseconds), ("99", p99, slo.p99_milliseconds)):
        if measured > limit:
            return f"{source} breaks its SLO: the {name}th percentile is {measured:.0f} ms, above {limit:.0f}"
    return None


def released_at(records: Sequence[Record], digest: str) -> datetime | None:
    """Since when a stage has run a model without a break: the end of its last rollout. Pure."""
    since = None
    for record in records:
        event = record.event
        if sets_live_model(event):
            since = record.time if event.digest == digest else None
    return since


def _hours(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60) + 1
    return f"{minutes // 60} h {minutes % 60} min"


_HERE: Final = "HEAD"


@dataclass(frozen=True)
class Superseded(Result):
    """Nothing was rolled out: the default branch has a newer release."""

    stage: StageName
    here: str
    newest: str

    def document(self) -> dict[str, Any]:
        """Both commits."""
        return {"stage": self.stage, "superseded": True, "commit": self.here, "newest": self.newest}

    def blocks(self) -> Sequence[Block]:
        """One sentence."""
        path = manifest_path(self.stage)
        return [
            Line(f"nothing is rolled out: {path} of {self.here} was superseded by {self.newest}, which has its run")
        ]


def superseded(project: Project, stage: StageName) -> Superseded | None:
    """What superseded this checkout's manifest of the stage; None if nothing did.

    Raises InputError outside of a git repository, MachineError if the remote does not answer.
    """
    repository = Repository(project.root)
    newest = find_base(repository).commit
    here = repository.head()
    if newest == here or repository.merge_base(here, newest) != here:
        return None
    path = manifest_path(stage)
    if repository.read(_HERE, path) == repository.read(newest, path):
        return None
    return Superseded(stage, here, newest)
