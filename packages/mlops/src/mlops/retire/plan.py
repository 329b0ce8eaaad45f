"""Plans which model versions and deployments are retired and which stay, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from azure.ai.ml import MLClient
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Model
from azure.core.exceptions import ResourceNotFoundError

from mlops.audit.log import AuditLog
from mlops.audit.record import Record, of_model
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import WorkspaceError
from mlops.endpoint.view import Deployment, View, observe_stage
from mlops.models.registered import DIGEST_TAG
from mlops.settings.policies import Deadlines, read_deadlines
from mlops.settings.releases import manifest_file, read_manifest
from mlops.settings.stages import StageName

Kind = Literal["model", "deployment"]


@dataclass(frozen=True)
class Version:
    """A model version in service, when it was registered (None: unknown), and where it comes from, in words."""

    version: str
    digest: str
    created: datetime | None
    origin: str = ""


@dataclass(frozen=True)
class Item:
    """A model version or a deployment, and whether to retire it; `since` is when it was last used."""

    kind: Kind
    name: str
    version: str
    digest: str
    retire: bool
    reason: str
    since: datetime | None = None
    origin: str = ""


@dataclass(frozen=True)
class Uses:
    """What needs a model: digest → reason, by release or by deployment, of all stages."""

    named: Mapping[str, str]
    deployed: Mapping[str, str]

    def of(self, digest: str) -> str:
        """Why a model stays; "" if nothing needs it."""
        return self.named.get(digest) or self.deployed.get(digest, "")


def plan_models(
    versions: Sequence[Version], uses: Uses, last: Mapping[str, datetime], deadlines: Deadlines, now: datetime
) -> list[Item]:
    """The plan for each version, newest first; `last` maps version numbers to their last use."""
    ordered = sorted(versions, key=_number, reverse=True)
    planned = []
    for place, each in enumerate(ordered):
        since = max((time for time in (last.get(each.version), each.created) if time is not None), default=None)
        kept = uses.of(each.digest) if each.digest else "was not registered by `mlops`: it has no digest"
        if not kept and place < deadlines.keep_latest_models:
            kept = f"one of the newest {deadlines.keep_latest_models}"
        item = Item("model", each.version, each.version, each.digest, retire=False, reason=kept, since=since)
        planned.append(_judged(replace(item, origin=each.origin), deadlines.model_days, now))
    return planned


def plan_deployments(
    view: View, named: Mapping[str, str], last: Mapping[str, datetime], deadlines: Deadlines, now: datetime
) -> list[Item]:
    """The plan for each deployment; `named` maps digests to the stage's release, `last` names to their last use."""
    planned = []
    for name, share in view.shares.items():
        each = view.deployments[name]
        kept = _needed(view, each, share) or named.get(each.digest, "")
        since = last.get(name) or _begun(each)
        item = Item("deployment", name, each.model_version, each.digest, retire=False, reason=kept, since=since)
        planned.append(_judged(item, deadlines.deployment_days, now))
    return planned


def last_uses(records: Sequence[Record], stage: str) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """When each version (of all stages), and each deployment of `stage`, was last part of a rollout or promotion."""
    versions: dict[str, datetime] = {}
    deployments: dict[str, datetime] = {}
    for record in sorted(records, key=lambda record: record.time):
        event = record.event
        if event.kind in ("monitor", "retirement"):
            continue
        versions[event.version] = record.time
        if event.stage == stage and event.kind in ("rollout", "rollback"):
            names = [name for name in (event.origin, event.target, *event.traffic) if name is not None]
            deployments |= dict.fromkeys(names, record.time)
    return versions, deployments


def _needed(view: View, deployment: Deployment, share: int) -> str:
    """Why the endpoint needs a deployment; "" if it does not."""
    if view.in_progress is not None:
        return "a rollout is in progress"
    if share or view.mirror.get(deployment.name):
        return f"has {share} % of the traffic" if share else "receives mirrored traffic"
    if deployment.name == view.before:
        return "kept for an instant rollback"
    if view.live is None:
        return "nothing is live: left for people to decide"
    return "an operation on it is running" if deployment.busy else ""


def _judged(item: Item, days: int, now: datetime) -> Item:
    """The plan for an item that a reason, if there is one, keeps."""
    if item.reason:
        return item
    if item.since is None:
        return replace(item, reason="its age is unknown: retire it by hand")
    due = item.since + timedelta(days=days)
    if due > now:
        return replace(item, reason=f"unused since {item.since:%Y-%m-%d}; stays until {due:%Y-%m-%d}")
    return replace(item, retire=True, reason=f"unused since {item.since:%Y-%m-%d}; the grace period is {days} days")


def _number(version: Version) -> tuple[int, str]:
    return (int(version.version) if version.version.isdecimal() else 0, version.version)


def _begun(deployment: Deployment) -> datetime | None:
    try:
        begun = datetime.fromisoformat(deployment.attempt)
    except ValueError:
        return None
    return begun if begun.tzinfo else None


def make_plan(clients: WorkspaceClients, stage: StageName) -> list[Item]:
    """The plan for a stage's deployments and for the models that it uses.

    Every stage is read, since a model that any of them runs must stay. Raises WorkspaceError if a log cannot be
    trusted, ProjectError if a release cannot be read, and the error of a workspace that cannot be read.
    """
    now = datetime.now(UTC)
    order = clients.project.order
    deadlines = read_deadlines(clients.project)[stage]
    named = {name: _released(clients, name) for name in order}
    views = {name: observe_stage(clients.stage(name), clients.project.settings.stage(name)) for name in order}
    records = [record for name in order for record in _records(clients, name)]
    versions, deployments = last_uses(records, stage)
    uses = Uses({digest: why for each in named.values() for digest, why in each.items()}, _deployed(views))
    return [
        *plan_models(_versions(clients, stage), uses, versions, deadlines, now),
        *plan_deployments(views[stage], named[stage], deployments, deadlines, now),
    ]


def _released(clients: WorkspaceClients, stage: StageName) -> dict[str, str]:
    release = read_manifest(manifest_file(clients.project.root, stage)).release
    return {release.model.digest: f"released to {stage}"} if release else {}


def _deployed(views: dict[StageName, View]) -> dict[str, str]:
    return {
        each.digest: f"deployed in {stage} as {each.name}"
        for stage, view in views.items()
        for each in view.deployments.values()
    }


def _records(clients: WorkspaceClients, stage: StageName) -> tuple[Record, ...]:
    records, breaks = AuditLog(clients.stage(stage)).read()
    if breaks:
        raise WorkspaceError(
            f"the audit log of {stage} cannot be trusted: record {breaks[0].number} {breaks[0].reason}",
            "Nothing was retired: `mlops history` shows where it is broken.",
        )
    return of_model(records, clients.project.settings.model)


def _versions(clients: WorkspaceClients, stage: StageName) -> list[Version]:
    """The versions in service where a stage gets its models from, without archived ones."""
    name = clients.project.settings.model
    # A registry keeps the version numbers of training, but not always the tags.
    trained = _listed(clients.training, name, ListViewType.ALL) if stage != clients.project.order.training else []
    tags = {str(each.version): each.tags or {} for each in trained}
    return [
        _version(each, {**tags.get(str(each.version), {}), **(each.tags or {})})
        for each in _listed(clients.models(stage), name, ListViewType.ACTIVE_ONLY)
    ]


def _version(model: Model, tags: Mapping[str, str]) -> Version:
    named = (("job", "job"), ("git_commit", "commit"), ("data", "data"))
    origin = ", ".join(f"{word} {tags[tag]}" for tag, word in named if tags.get(tag))
    return Version(str(model.version), tags.get(DIGEST_TAG, ""), _created(model), origin)


def _listed(client: MLClient, name: str, which: ListViewType) -> list[Model]:
    try:
        return list(client.models.list(name=name, list_view_type=which))
    except ResourceNotFoundError:
        return []


def _digest(model: Model) -> str:
    return (model.tags or {}).get(DIGEST_TAG, "")


def _created(model: Model) -> datetime | None:
    created: Any = getattr(model.creation_context, "created_at", None)
    if isinstance(created, str):
        created = datetime.fromisoformat(created)
    if not isinstance(created, datetime):
        return None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
