"""What an action makes of an endpoint: traffic, mirror and tags together, to be written in one call. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mlops.endpoint.view import (
    FULL,
    NOBODY,
    ROLLOUT_TAGS,
    TAG_ATTEMPT,
    TAG_BEFORE,
    TAG_FROM,
    TAG_LEASE,
    TAG_OUTCOME,
    TAG_OWNER,
    TAG_PHASE,
    TAG_REVISION,
    TAG_SINCE,
    TAG_TO,
    View,
)
from mlops.rollout.decide import Action, Begin, EnterPhase, Finish, RollBack, expected_mirror, expected_traffic
from mlops.rollout.lease import Lease
from mlops.rollout.plan import CREATE, Plan

# Azure's limit for the value of a tag.
LONGEST_TAG = 256


@dataclass(frozen=True)
class Change:
    """An endpoint's traffic, mirror and tags as they shall be."""

    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    tags: Mapping[str, str]


def change_of(action: Action, view: View, plan: Plan, lease: Lease, now: datetime) -> Change | None:
    """The change that an action is; None for those that leave the endpoint as it is."""
    match action:
        case Begin(to=to, origin=origin):
            begun = {TAG_TO: to, TAG_FROM: origin or NOBODY, TAG_REVISION: plan.content, TAG_ATTEMPT: now.isoformat()}
            tags = {**_foreign(view), **begun, **_phase(CREATE, now), **_held(lease)}
            return Change(view.traffic, view.mirror, tags)
        case EnterPhase(phase=phase, to=to, origin=origin):
            tags = {**view.tags, **_phase(phase, now), **_held(lease)}
            return Change(expected_traffic(phase, to, origin), expected_mirror(plan, phase, to), tags)
        case RollBack(to=to, reason=reason, cleared=cleared):
            traffic = {to: FULL} if to else {}
            outcome = f"{'tidied up' if cleared else 'went back'}: {reason}"
            return Change(traffic, {}, {**_foreign(view), TAG_OUTCOME: outcome[:LONGEST_TAG]})
        case Finish(to=to):
            before = {TAG_BEFORE: view.in_progress.origin} if view.in_progress and view.in_progress.origin else {}
            outcome = f"{to} runs {plan.model} {plan.version} since {now.isoformat(timespec='seconds')}"
            return Change(view.traffic, view.mirror, {**_foreign(view), **before, TAG_OUTCOME: outcome[:LONGEST_TAG]})
        case _:
            return None


def renewed(view: View, lease: Lease) -> Change:
    """The endpoint as it is, with the lease."""
    return Change(view.traffic, view.mirror, {**view.tags, **_held(lease)})


def _foreign(view: View) -> dict[str, str]:
    return {name: value for name, value in view.tags.items() if name not in ROLLOUT_TAGS}


def _phase(phase: str, now: datetime) -> dict[str, str]:
    return {TAG_PHASE: phase, TAG_SINCE: now.isoformat()}


def _held(lease: Lease) -> dict[str, str]:
    return {TAG_OWNER: lease.owner, TAG_LEASE: lease.until.isoformat()}
