"""CI's identities across the stages: who is trusted, who may only read, and which roles may be granted."""

from __future__ import annotations

import re

import pytest
import yaml

from ci_roles import PULUMI_PROJECT
from dry_run.monitor import state_of
from dry_run.result import DryRun, ResourceRecord
from dry_run.stack_files import FOLDER
from inventory.rights import Right, rights_of
from roles import Role
from settings.ci import Environment
from tests.conftest import CI_VARIANTS, LABELS, STAGES, VARIANTS, dry_run_of, run_changed

CREDENTIAL = "managedidentity:FederatedIdentityCredential"
IDENTITY = "managedidentity:UserAssignedIdentity"
ASSIGNMENT = "authorization:RoleAssignment"
READING = {Role.READER, Role.BLOB_READER}
DEPLOYING = tuple(f"infra-{stack}" for stack in ("shared", *STAGES))
IDENTITIES = (*Environment, *DEPLOYING)
GUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(params=CI_VARIANTS)
def ci_run(request: pytest.FixtureRequest) -> DryRun:
    return dry_run_of(request.param)


def role_id(record: ResourceRecord) -> str:
    return str(record.inputs["roleDefinitionId"]).rsplit("/", maxsplit=1)[1]


def rights_to(run: DryRun, principal: str) -> list[Right]:
    found = [right for right in rights_of(run) if right.principal == principal]
    assert found, f"{principal} has no rights"
    return found


def test_every_environment_that_belongs_to_no_stage_has_an_identity() -> None:
    assert {record.name for record in dry_run_of("ci").of(IDENTITY)} == {f"identity-{name}" for name in IDENTITIES}


def test_each_identity_is_trusted_for_its_environment_only() -> None:
    run = dry_run_of("ci")
    assert {record.inputs["resourceName"]: record.inputs["subject"] for record in run.of(CREDENTIAL)} == {
        f"id-credit-default-ci-{name}": f"repo:example-org/credit-default:environment:{name}" for name in IDENTITIES
    }
    for record in run.of(CREDENTIAL):
        assert record.inputs["issuer"] == "https://token.actions.githubusercontent.com"
        assert record.inputs["audiences"] == ["api://AzureADTokenExchange"]


def test_service_connections_are_trusted_one_by_one() -> None:
    found = {record.name: record.inputs for record in dry_run_of("ci-everything").of(CREDENTIAL)}
    assert found["gate-github"]["subject"] == "repo:o@123/r@456:environment:gate"
    devops = {name: inputs for name, inputs in found.items() if name.endswith("azure-devops")}
    assert {name: inputs["subject"] for name, inputs in devops.items()} == {
        "gate-azure-devops": "sc://o/p/gate",
        "infra-dev-azure-devops": "sc://o/p/infra-dev",
    }
    assert {inputs["issuer"] for inputs in devops.values()} == {"https://login.example.com/v2.0"}


def test_outputs_name_each_login() -> None:
    run = dry_run_of("ci")
    for record in run.of(IDENTITY):
        environment = record.name.removeprefix("identity-")
        output = f"{environment.replace('-', '_')}_client_id"
        assert run.outputs[output] == state_of(IDENTITY, record.inputs)["clientId"]


def test_what_pull_requests_run_may_only_read(ci_run: DryRun) -> None:
    for who in ("gate", "infra-preview"):
        allowed = READING if who == "gate" else READING | {Role.CRYPTO_USER}
        assert {right.role_id for right in rights_to(ci_run, who)} <= {role.id for role in allowed}


def test_the_gate_reads_no_more_of_prods_data_than_it_measures() -> None:
    data = [right for right in rights_to(dry_run_of("ci"), "gate") if right.role_id == Role.BLOB_READER.id]
    outside_dev = [right for right in data if "-dev/" not in right.scope_id]
    assert len(outside_dev) == 2
    assert all(right.scope_id.endswith("/containers/collected") for right in outside_dev)


def test_promotion_writes_no_data_of_dev_and_grants_no_roles() -> None:
    rights = rights_to(dry_run_of("ci"), "promotion")
    in_dev = {right.role_id for right in rights if "rg-credit-default-dev" in right.scope_id}
    assert in_dev == {Role.READER.id, Role.DATA_SCIENTIST.id, Role.BLOB_READER.id}
    assert [right.role_id for right in rights if "/registries/" in right.scope_id] == [Role.REGISTRY_USER.id]


def test_retraining_writes_in_dev_and_for_the_stage_after_it_and_only_reads_prod() -> None:
    rights = rights_to(dry_run_of("ci"), "retraining")
    by_stage = {
        stage: {right.role_id for right in rights if f"rg-credit-default-{stage}" in right.scope_id}
        for stage in (*STAGES, "shared")
    }
    assert by_stage["dev"] == {
        Role.READER.id,
        Role.DATA_SCIENTIST.id,
        Role.BLOB_CONTRIBUTOR.id,
        Role.IDENTITY_OPERATOR.id,
        Role.EVENT_SENDER.id,
    }
    assert by_stage["staging"] == {Role.READER.id, Role.DATA_SCIENTIST.id, Role.BLOB_CONTRIBUTOR.id}
    assert by_stage["prod"] == {Role.READER.id}
    assert by_stage["shared"] == {Role.REGISTRY_USER.id}


def test_retraining_reads_prods_requests_only_where_the_settings_say_so() -> None:
    # given the default rights: prod's group is readable, its workspace with it, and none of its data
    shipped, prod = set(rights_of(dry_run_of("ci"))), dry_run_of("prod")
    read = [right.scope_id for right in rights_to(dry_run_of("ci"), "retraining") if "-prod" in right.scope_id]
    assert len(read) == 1
    assert prod.one("machinelearningservices:Workspace").id.startswith(f"{read[0]}/")
    # when its requests may become training data
    decided = set(rights_of(dry_run_of("ci-everything")))
    # then retraining reads their container and that of their outcomes, and no other right is added
    containers = f"{prod.one('storage:StorageAccount').id}/blobServices/default/containers"
    assert {(right.principal, right.role_id, right.scope_id) for right in decided - shipped} == {
        ("retraining", Role.BLOB_READER.id, f"{containers}/collected"),
        ("retraining", Role.BLOB_READER.id, f"{containers}/{LABELS}"),
    }
    assert shipped <= decided


@pytest.mark.parametrize(("principal", "stages"), [("promotion", {"staging", "prod"}), ("retraining", {"dev"})])
def test_publishers_of_events_may_send_them(principal: str, stages: set[str]) -> None:
    topics = [
        right.scope_id for right in rights_to(dry_run_of("ci"), principal) if right.role_id == Role.EVENT_SENDER.id
    ]
    assert set(topics) == {dry_run_of(stage).one("eventgrid:Topic").id for stage in stages}


def test_an_identity_that_deploys_a_stack_changes_no_other(ci_run: DryRun) -> None:
    for environment in DEPLOYING:
        stack = environment.removeprefix("infra-")
        changing = [
            right
            for right in rights_of(ci_run)
            if right.principal == environment and right.role_id == Role.CONTRIBUTOR.id
        ]
        assert all(right.scope_id.endswith(f"/rg-credit-default-{stack}") for right in changing)


def test_only_roles_that_a_stack_grants_may_be_granted(ci_run: DryRun) -> None:
    # given the rights to grant roles
    found = [record for record in ci_run.of(ASSIGNMENT) if role_id(record) == Role.ACCESS_ADMINISTRATOR.id]
    assert found
    for record in found:
        # then the condition names the roles for granting and for revoking, and none of them may grant roles
        condition = record.inputs["condition"]
        assert record.inputs["conditionVersion"] == "2.0"
        assert condition.count("RoleDefinitionId]") == condition.count("PrincipalType]") == 2
        assert "@Request" in condition.partition("roleAssignments/delete")[0]
        assert "@Resource" in condition.partition("roleAssignments/delete")[2]
        allowed = set(GUIDS.findall(condition))
        assert Role.ACCESS_ADMINISTRATOR.id not in allowed
        assert allowed <= {role.id for role in Role}


@pytest.mark.parametrize("variant", [name for name, (stack, _) in VARIANTS.items() if stack != "ci"])
def test_ci_may_grant_what_its_stack_declares(variant: str) -> None:
    # given the roles that a stack grants in its own group, and on the registry
    stack = VARIANTS[variant][0]
    for scope in (f"rg-credit-default-{stack}", "/registries/mlr-credit-default"):
        allowed = {
            id_
            for record in dry_run_of("ci").of(ASSIGNMENT)
            if record.name.startswith(f"infra-{stack}-")
            and role_id(record) == Role.ACCESS_ADMINISTRATOR.id
            and (record.inputs["scope"].endswith(scope) or (scope.startswith("/") and stack == "shared"))
            for id_ in GUIDS.findall(record.inputs["condition"])
        }
        granted = {role_id(record) for record in dry_run_of(variant).of(ASSIGNMENT) if scope in record.inputs["scope"]}
        # then the condition of its identity has every one of them
        assert granted <= allowed


def blobs_of(stack: str) -> tuple[str, ...]:
    """The blobs that Pulumi's command line writes for a stack, by its sources (pkg/backend/diy)."""
    name = f"{PULUMI_PROJECT}/{stack}"
    checkpoint = f".pulumi/stacks/{name}.json"
    return (
        *(f"{checkpoint}{more}" for more in ("", ".gz", ".zst", ".bak", ".1764190000000000000")),
        f".pulumi/stacks/{name}.pulumi-tags",
        *(f".pulumi/history/{name}/{stack}-1764190000000000000.{what}.json" for what in ("history", "checkpoint")),
        f".pulumi/backups/{name}/{stack}.1764190000000000000.json",
        f".pulumi/journal/{name}/1.json",
        f".pulumi/locks/organization/{name}/0f5c2d1e.json",
    )


def is_among(paths: list[str], blob: str) -> bool:
    """Whether a blob's path matches one of these with Azure's StringLike: `*` is any text, `/` too."""
    patterns = [".*".join(map(re.escape, path.split("*"))) for path in paths]
    return any(re.fullmatch(pattern, blob) for pattern in patterns)


def test_a_stacks_state_is_written_by_its_own_identity_only() -> None:
    writing = [
        record
        for record in dry_run_of("ci").of(ASSIGNMENT)
        if role_id(record) == Role.BLOB_CONTRIBUTOR.id and record.inputs["scope"].endswith("/containers/state")
    ]
    assert len(writing) == 4
    for record in writing:
        stack = record.name.removeprefix("infra-").partition("-")[0]
        paths = re.findall(r"StringLike '([^']+)'", record.inputs["condition"])
        for other in ("dev", "staging", "prod", "shared", "ci", f"{stack}-2"):
            for blob in blobs_of(other):
                assert is_among(paths, blob) == (other == stack), blob
        assert not is_among(paths, ".pulumi/meta.yaml")
        assert {"blobs/write", "blobs/delete", "blobs/add/action"} <= set(
            re.findall(r"(blobs/[\w/]+)'\}", record.inputs["condition"])
        )


def test_the_state_paths_carry_the_projects_name() -> None:
    assert yaml.safe_load((FOLDER / "Pulumi.yaml").read_text())["name"] == PULUMI_PROJECT


def test_rights_are_granted_on_what_the_stages_declare() -> None:
    # given the ids of all resources of the stages' stacks
    declared = {record.id for stack in (*STAGES, "shared") for record in dry_run_of(stack).resources}
    scopes = {record.inputs["scope"] for record in dry_run_of("ci").of(ASSIGNMENT)}
    # then every scope is one of them, except Pulumi's state
    outside = {scope for scope in scopes if "/resourceGroups/rg-pulumi-state/" in scope}
    assert scopes - declared == outside
    assert len(outside) == 2


def test_a_stage_that_is_not_deployed_yet_is_left_out() -> None:
    run = dry_run_of("ci-dev-only")
    assert not [right for right in rights_of(run) if "staging" in right.scope_id or "prod" in right.scope_id]
    assert "infra_prod_client_id" not in run.outputs
    assert "infra_dev_client_id" in run.outputs


def test_roles_are_looked_up_in_the_subscription_of_their_scope() -> None:
    # given stages in subscriptions of their own
    subscriptions = {stage: f"{number}" * 8 + "-0000-0000-0000-000000000000" for number, stage in enumerate(STAGES, 1)}
    for record in run_changed("ci", {"stages": subscriptions}).of(ASSIGNMENT):
        scope, role = record.inputs["scope"], record.inputs["roleDefinitionId"]
        assert scope.split("/")[2] == role.split("/")[2]
