"""Who may do what: no owners, no rights on subscriptions, no people who write outside development."""

from __future__ import annotations

import pytest

from dry_run.result import DryRun
from inventory.rights import Right, rights_of
from roles import Role
from tests.conftest import VARIANTS, dry_run_of

OWNER, ACCESS_ADMINISTRATOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
UNLIMITED = {OWNER, "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"}
READING = {Role.READER, Role.BLOB_READER, Role.MONITORING_READER, Role.LOG_READER, Role.GRAFANA_VIEWER}
DEPLOYING = ("infra-shared", "infra-dev", "infra-staging", "infra-prod")
NARROW = {Role.READER, Role.MONITORING_READER, Role.NETWORK_APPROVER}


def described(right: Right) -> str:
    return f"{right.principal} has {right.role} on {right.scope_id}"


def test_there_are_no_owners(any_stack: DryRun) -> None:
    found = [described(right) for right in rights_of(any_stack) if right.role_id in UNLIMITED]
    assert not found


def test_only_identities_that_deploy_stacks_grant_roles(any_stack: DryRun) -> None:
    holders = {right.principal for right in rights_of(any_stack) if right.role_id == ACCESS_ADMINISTRATOR}
    assert holders <= set(DEPLOYING if any_stack.stack == "ci" else ())


def test_nothing_is_granted_on_a_subscription(any_stack: DryRun) -> None:
    found = [described(r) for r in rights_of(any_stack) if "/resourcegroups/" not in r.scope_id.lower()]
    assert not found


def test_resource_groups_are_only_read(any_stack: DryRun) -> None:
    allowed = {role.id for role in NARROW}
    deploying = DEPLOYING if any_stack.stack == "ci" else ()
    on_groups = [r for r in rights_of(any_stack) if "/providers/" not in r.scope_id and r.principal not in deploying]
    assert not [described(right) for right in on_groups if right.role_id not in allowed]


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name.startswith(("prod", "staging"))])
def test_no_person_writes_outside_dev(variant: str) -> None:
    people = [right for right in rights_of(dry_run_of(variant)) if right.person]
    assert not [described(right) for right in people if right.role_id not in {role.id for role in READING}]


def test_people_are_in_the_list_of_rights() -> None:
    assert {right.principal for right in rights_of(dry_run_of("prod-managed")) if right.person} == {
        "data_scientists",
        "operators",
        "auditors",
    }


def test_only_the_workspace_and_identities_that_deploy_stacks_are_contributors(any_stack: DryRun) -> None:
    holders = {right.principal for right in rights_of(any_stack) if right.role_id == Role.CONTRIBUTOR.id}
    # Microsoft asks it of the identity that a Spark job runs as, on the storage.
    spark = {"compute", "data_scientists"} if "spark" in any_stack.outputs else set()
    assert holders <= ({*DEPLOYING} if any_stack.stack == "ci" else {"workspace"} | spark)


def test_prod_publishes_nothing_to_the_registry() -> None:
    on_registry = [right for right in rights_of(dry_run_of("prod-managed")) if "/registries/mlr-" in right.scope_id]
    assert on_registry
    assert {right.role_id for right in on_registry} == {Role.READER.id}


def test_every_right_has_a_reason(any_stack: DryRun) -> None:
    assert all(len(right.reason) > 10 for right in rights_of(any_stack))
