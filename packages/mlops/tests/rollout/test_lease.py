"""Whose a rollout is: leases of the living, the dead, other machines and other times."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from mlops.endpoint.view import TAG_LEASE, TAG_OWNER
from mlops.rollout.lease import LEASE_SECONDS, Lease, held_by_another, lease_from, lease_in, lease_to_create, new_owner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = socket.gethostname()


def tags(owner: str, until: datetime = NOW + timedelta(seconds=60)) -> dict[str, str]:
    return {TAG_OWNER: owner, TAG_LEASE: until.isoformat()}


@pytest.fixture(scope="module")
def ended() -> int:
    """A process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "given",
    [{}, {TAG_OWNER: "somebody"}, tags("me"), tags("somebody@elsewhere:1:x", NOW)],
    ids=["nobody holds it", "without a time", "my own", "over"],
)
def test_free(given: dict[str, str]) -> None:
    assert held_by_another(given, "me", NOW) is None


@pytest.mark.parametrize(
    "owner",
    [f"somebody@{HERE}:{os.getpid()}:x", f"somebody@{HERE}:1:x", "somebody@elsewhere:999999999:x", "no process at all"],
    ids=["a process of mine", "a process of another user", "another machine", "unknown form"],
)
def test_held(owner: str) -> None:
    assert held_by_another(tags(owner), "me", NOW) == Lease(owner, NOW + timedelta(seconds=60))


def test_process_of_this_machine_that_ended_holds_nothing(ended: int) -> None:
    assert held_by_another(tags(f"somebody@{HERE}:{ended}:x"), "me", NOW) is None


def test_owners_of_one_process_differ_and_name_it() -> None:
    first, second = new_owner(), new_owner()

    assert first != second
    assert f"@{HERE}:{os.getpid()}:" in first
    assert held_by_another(tags(first), second, NOW) is not None


def test_lease_is_renewed_at_half_of_its_time() -> None:
    lease = lease_from("me", NOW)

    assert lease_in(tags("me", lease.until)) == lease
    assert not lease.due(NOW + timedelta(seconds=LEASE_SECONDS / 2 - 1))
    assert lease.due(NOW + timedelta(seconds=LEASE_SECONDS / 2 + 1))


def test_lease_needs_no_renewal_while_a_deployment_is_made() -> None:
    patience = 1_200.0
    given_up = NOW + timedelta(seconds=patience)

    begun, resumed = (lease_to_create("me", NOW, patience, now) for now in (NOW, NOW + timedelta(seconds=600)))
    late = lease_to_create("me", NOW, patience, given_up + timedelta(seconds=600))

    assert begun == resumed
    assert not begun.due(given_up)
    assert held_by_another(tags("somebody@elsewhere:1:x", begun.until), "me", given_up) is not None
    assert late == lease_from("me", given_up + timedelta(seconds=600))
