"""Decides what is taken out of service and what stays, each with its reason. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from mlops.audit.record import Record
from mlops.endpoint.view import Deployment, View
from mlops.settings.retirement import Deadlines

Kind = Literal["model", "deployment"]


@dataclass(frozen=True)
class Version:
    """A model version that is in service, and when it was registered (None: not known)."""

    version: str
    digest: str
    created: datetime | None


@dataclass(frozen=True)
class Item:
    """A model version, or a deployment by its name, and whether it is to go; `since` is when it was last of use."""

    kind: Kind
    name: str
    version: str
    digest: str
    retire: bool
    reason: str
    since: datetime | None = None


@dataclass(frozen=True)
class Uses:
    """Who needs a model: digest → reason, by release or by deployment, of all stages."""

    named: Mapping[str, str]
    deployed: Mapping[str, str]

    def of(self, digest: str) -> str:
        """Why a model stays; "" when nobody needs it."""
        return self.named.get(digest) or self.deployed.get(digest, "")


def plan_models(
    versions: Sequence[Version], uses: Uses, last: Mapping[str, datetime], deadlines: Deadlines, now: datetime
) -> list[Item]:
    """What becomes of each version, newest first; `last` is when a version was last of use, by its number."""
    ordered = sorted(versions, key=_number, reverse=True)
    planned = []
    for place, each in enumerate(ordered):
        since = max((time for time in (last.get(each.version), each.created) if time is not None), default=None)
        kept = uses.of(each.digest) if each.digest else "was not registered by `mlops`: it has no digest"
        if not kept and place < deadlines.newest_models:
            kept = f"one of the newest {deadlines.newest_models}"
        item = Item("model", each.version, each.version, each.digest, retire=False, reason=kept, since=since)
        planned.append(_judged(item, deadlines.model_days, now))
    return planned


def plan_deployments(
    view: View, named: Mapping[str, str], last: Mapping[str, datetime], deadlines: Deadlines, now: datetime
) -> list[Item]:
    """What becomes of each deployment; `named` maps digests to the stage's release, `last` as above, by name."""
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
    """Why the endpoint needs a deployment; "" when it does not."""
    if view.in_progress is not None:
        return "a rollout is under way"
    if share or view.mirror.get(deployment.name):
        return f"has {share} % of the traffic" if share else "gets mirrored traffic"
    if deployment.name == view.before:
        return "kept for an instant return"
    if view.live is None:
        return "nothing is live: people decide what comes next"
    return "an operation on it goes on" if deployment.busy else ""


def _judged(item: Item, days: int, now: datetime) -> Item:
    """What becomes of an item whose reason, if it has one, keeps it."""
    if item.reason:
        return item
    if item.since is None:
        return replace(item, reason="nobody knows how old it is: take it out of service by hand")
    due = item.since + timedelta(days=days)
    if due > now:
        return replace(item, reason=f"of no use since {item.since:%Y-%m-%d}; stays until {due:%Y-%m-%d}")
    return replace(item, retire=True, reason=f"of no use since {item.since:%Y-%m-%d}; the deadline is {days} days")


def _number(version: Version) -> tuple[int, str]:
    return (int(version.version) if version.version.isdecimal() else 0, version.version)


def _begun(deployment: Deployment) -> datetime | None:
    try:
        begun = datetime.fromisoformat(deployment.attempt)
    except ValueError:
        return None
    return begun if begun.tzinfo else None
