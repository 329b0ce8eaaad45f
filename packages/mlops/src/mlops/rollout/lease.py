"""A lease in the endpoint's tags, so that two rollouts never work on one stage.

An owner known to be dead, a process of this machine that has ended, holds no lease. Checks whether a process
of this machine is alive; talks to no service.

Azure does not enforce it: an online endpoint has no ETag and accepts no If-Match, in any version of its REST
API up to 2025-12-01, and the SDK sends none. So it guarantees less than a lock:

- The lease is written together with traffic, mirror and tags, after a check of who holds it. Between that check and the
  write (milliseconds here, about a second on Azure) another may write too; the last writer holds it. Azure refuses a
  write (409) only while another is being carried out.
- Every run checks before each action, and stops without further changes once the lease is not its own. Of two that
  begin at the same time one continues; the other does at most one more action, and every action is idempotent.
- While a deployment is created, Azure may refuse every write to its endpoint (409: its documentation leaves open
  whether that is an operation "on that same online endpoint"), including a renewal. So the lease is written before the
  creation, for as long as it may take; the lease of a process killed on another machine then lasts as long.
- A change undone by such a write is found at the next check: the traffic is not that of the phase, and is rolled back.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

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
from mlops.githost.hosts import current_actor
from mlops.rollout.decide import Action, Begin, EnterPhase, Finish, RollBack, expected_mirror, expected_traffic
from mlops.rollout.plan import CREATE, Plan

# Azure's limit for the value of a tag.
LONGEST_TAG = 256


@dataclass(frozen=True)
class Change:
    """The desired traffic, mirror and tags of an endpoint."""

    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    tags: Mapping[str, str]


def change_of(action: Action, view: View, plan: Plan, lease: Lease, now: datetime) -> Change | None:
    """The change of an action; None for actions that do not change the endpoint."""
    match action:
        case Begin(to=to, origin=origin):
            begun = {TAG_TO: to, TAG_FROM: origin or NOBODY, TAG_REVISION: plan.content, TAG_ATTEMPT: now.isoformat()}
            tags = {**_other_tags(view), **begun, **_phase(CREATE, now), **_held(lease)}
            return Change(view.traffic, view.mirror, tags)
        case EnterPhase(phase=phase, to=to, origin=origin):
            tags = {**view.tags, **_phase(phase, now), **_held(lease)}
            return Change(expected_traffic(phase, to, origin), expected_mirror(plan, phase, to), tags)
        case RollBack(to=to, reason=reason, cleared=cleared):
            traffic = {to: FULL} if to else {}
            outcome = f"{'cleaned up' if cleared else 'rolled back'}: {reason}"
            return Change(traffic, {}, {**_other_tags(view), TAG_OUTCOME: outcome[:LONGEST_TAG]})
        case Finish(to=to):
            before = {TAG_BEFORE: view.in_progress.origin} if view.in_progress and view.in_progress.origin else {}
            outcome = f"{to} runs {plan.model} {plan.version} since {now.isoformat(timespec='seconds')}"
            return Change(
                view.traffic, view.mirror, {**_other_tags(view), **before, TAG_OUTCOME: outcome[:LONGEST_TAG]}
            )
        case _:
            return None


def renewed(view: View, lease: Lease) -> Change:
    """The endpoint unchanged, with the lease."""
    return Change(view.traffic, view.mirror, {**view.tags, **_held(lease)})


def _other_tags(view: View) -> dict[str, str]:
    return {name: value for name, value in view.tags.items() if name not in ROLLOUT_TAGS}


def _phase(phase: str, now: datetime) -> dict[str, str]:
    return {TAG_PHASE: phase, TAG_SINCE: now.isoformat()}


def _held(lease: Lease) -> dict[str, str]:
    return {TAG_OWNER: lease.owner, TAG_LEASE: lease.until.isoformat()}


# Longer than any single call except the creation of a deployment; also how long the lease of a process killed on
# another machine is held.
LEASE_SECONDS: Final = 300.0
_NONCE_BYTES: Final = 4


@dataclass(frozen=True)
class Lease:
    """An owner, and the time of expiry."""

    owner: str
    until: datetime

    def due(self, now: datetime) -> bool:
        """Whether less than half of the time is left."""
        return (self.until - now).total_seconds() < LEASE_SECONDS / 2


def new_owner() -> str:
    """A name for one rollout of this process: person, machine, process and a random part."""
    return f"{current_actor()}@{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(_NONCE_BYTES)}"


def lease_from(owner: str, now: datetime) -> Lease:
    """A full lease."""
    return Lease(owner, now + timedelta(seconds=LEASE_SECONDS))


def lease_to_create(owner: str, since: datetime, progress_deadline_seconds: float, now: datetime) -> Lease:
    """A lease that need not be renewed during the creation of a deployment, which began at `since`.

    Azure may refuse every write to the endpoint until then, so the lease cannot be renewed.
    """
    made = since + timedelta(seconds=progress_deadline_seconds)
    return lease_from(owner, max(made, now))


def lease_in(tags: Mapping[str, str]) -> Lease | None:
    """The lease in an endpoint's tags, expired or not."""
    owner, until = tags.get(TAG_OWNER), tags.get(TAG_LEASE)
    return Lease(owner, datetime.fromisoformat(until)) if owner and until else None


def held_by_another(tags: Mapping[str, str], owner: str, now: datetime) -> Lease | None:
    """The lease that prevents `owner` from acting; None if there is none."""
    lease = lease_in(tags)
    if lease is None or lease.owner == owner or lease.until <= now or _is_dead(lease.owner):
        return None
    return lease


def _is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that has ended."""
    place, _, rest = owner.rpartition("@")[2].partition(":")
    process = rest.partition(":")[0]
    if place != socket.gethostname() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
