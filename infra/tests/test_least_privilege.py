"""Who may do what: nobody owns, nobody contributes to a subscription, no person writes in prod."""

from __future__ import annotations

import pytest

from inventory.access import Right, rights_of
from rehearsal.records import Rehearsal
from roles import Role
from tests.conftest import VARIANTS, rehearsal_of

OWNER, ACCESS_ADMINISTRATOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
UNLIMITED = {OWNER, "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"}
READING = {Role.READER, Role.BLOB_READER, Role.MONITORING_READER, Role.LOG_READER, Role.GRAFANA_VIEWER}
BRINGING_UP = ("infra-shared", "infra-dev", "infra-staging", "infra-prod")
NARROW = {Role.READER, Role.MONITORING_READER, Role.NETWORK_APPROVER}


def described(right: Right) -> str:
    return f"{right.who} has {right.role} on {right.scope_id}"


def test_nobody_owns(any_rehearsal: Rehearsal) -> None:
    found = [described(right) for right in rights_of(any_rehearsal) if right.role_id in UNLIMITED]
    assert not found


def test_only_what_brings_stacks_up_hands_out_rights(any_rehearsal: Rehearsal) -> None:
    holders = {right.who for right in rights_of(any_rehearsal) if right.role_id == ACCESS_ADMINISTRATOR}
    assert holders <= set(BRINGING_UP if any_rehearsal.stack == "ci" else ())


def test_nothing_is_granted_on_a_subscription(any_rehearsal: Rehearsal) -> None:
    found = [described(r) for r in rights_of(any_rehearsal) if "/resourcegroups/" not in r.scope_id.lower()]
    assert not found


def test_resource_groups_are_only_read(any_rehearsal: Rehearsal) -> None:
    allowed = {role.id for role in NARROW}
    bringing_up = BRINGING_UP if any_rehearsal.stack == "ci" else ()
    on_groups = [r for r in rights_of(any_rehearsal) if "/providers/" not in r.scope_id and r.who not in bringing_up]
    assert not [described(right) for right in on_groups if right.role_id not in allowed]


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name.startswith(("prod", "staging"))])
def test_no_person_writes_outside_dev(variant: str) -> None:
    people = [right for right in rights_of(rehearsal_of(variant)) if right.person]
    assert not [described(right) for right in people if right.role_id not in {role.id for role in READING}]


def test_people_are_in_the_matrix_at_all() -> None:
    assert {right.who for right in rights_of(rehearsal_of("prod-watched")) if right.person} == {
        "data_scientists",
        "operators",
        "auditors",
    }


def test_contributor_is_the_workspaces_alone_and_of_what_brings_stacks_up(any_rehearsal: Rehearsal) -> None:
    holders = {right.who for right in rights_of(any_rehearsal) if right.role_id == Role.CONTRIBUTOR.id}
    assert holders <= ({*BRINGING_UP} if any_rehearsal.stack == "ci" else {"workspace"})


def test_prod_publishes_nothing_to_the_registry() -> None:
    on_registry = [right for right in rights_of(rehearsal_of("prod-watched")) if "/registries/mlr-" in right.scope_id]
    assert on_registry
    assert {right.role_id for right in on_registry} == {Role.READER.id}


def test_every_right_has_a_reason(any_rehearsal: Rehearsal) -> None:
    assert all(len(right.reason) > 10 for right in rights_of(any_rehearsal))
