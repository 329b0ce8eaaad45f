"""Roles and federated credentials: ids as documented, one subject per issuer, written one after another."""

from __future__ import annotations

import re

import pytest

from dry_run.result import DryRun
from roles import Role
from tests.conftest import GROUP, STAGES, dry_run_of

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


# The ids as Microsoft documents them: a second, independent copy.
DOCUMENTED = {
    Role.DATA_SCIENTIST: "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    Role.COMPUTE_OPERATOR: "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
    Role.REGISTRY_USER: "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
    Role.NETWORK_APPROVER: "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    Role.KUBERNETES_EXTENSION: "85cb6faf-e071-4c9b-8136-154b5a04f717",
    Role.CLUSTER_READER: "7f6c6a51-bcf8-42ba-9220-52d62157d7db",
    Role.CLUSTER_ADMIN: "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
    Role.BLOB_CONTRIBUTOR: "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    Role.BLOB_READER: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    Role.FILE_CONTRIBUTOR: "69566ab7-960f-475b-8e7c-b3118f30c6bd",
    Role.QUEUE_SENDER: "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    Role.ACR_PULL: "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    Role.KEY_VAULT_ADMINISTRATOR: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    Role.CRYPTO_USER: "12338af0-0e69-4776-bea7-57ae8d297424",
    Role.ACCESS_ADMINISTRATOR: "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    Role.MONITORING_DATA_READER: "b0d8363b-8ddd-447d-831f-62ca05bff136",
    Role.GRAFANA_EDITOR: "a79a5197-3a5c-4973-a920-486035ffd60f",
    Role.GRAFANA_VIEWER: "60921a7e-fef1-4a43-9b16-a26c52ad4769",
    Role.CONTRIBUTOR: "b24988ac-6180-42a0-ab88-20f7382dd24c",
    Role.READER: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    Role.METRICS_PUBLISHER: "3913510d-42f4-4e42-8a64-420c390055eb",
    Role.NETWORK_CONTRIBUTOR: "4d97b98b-1d4f-4787-a291-c67834d212e7",
    Role.IDENTITY_OPERATOR: "f1a07417-d97a-45cb-824c-7a7467783830",
    Role.MONITORING_READER: "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
    Role.LOG_READER: "73c42c96-874c-492b-b04d-ab87d138a893",
    Role.EVENT_SENDER: "d5a91429-5739-47e2-a06b-3470a27159e7",
    Role.MESSAGE_SENDER: "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    Role.MESSAGE_RECEIVER: "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    Role.SECRETS_USER: "4633458b-17de-408a-b874-0445c86b69e6",
}


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_role_ids_are_the_documented_ones(role: Role) -> None:
    assert role.id == DOCUMENTED[role]


def test_role_assignments_are_well_formed(any_stack: DryRun) -> None:
    known = {role.id for role in Role}
    for assignment in any_stack.of("authorization:RoleAssignment"):
        form = r"/subscriptions/([^/]+)/providers/Microsoft.Authorization/roleDefinitions/([^/]+)"
        found = re.fullmatch(form, assignment.inputs["roleDefinitionId"])
        assert found
        assert GUID.fullmatch(found.group(1))
        assert found.group(2) in known
        assert GUID.fullmatch(assignment.inputs["roleAssignmentName"])
        assert assignment.inputs["principalType"] in ("ServicePrincipal", "Group")


def test_ci_is_trusted_for_one_environment_only() -> None:
    for stage in STAGES:
        found = dry_run_of(stage).one("managedidentity:FederatedIdentityCredential").inputs
        assert found["subject"] == f"repo:example-org/credit-default:environment:{stage}"
        assert found["issuer"] == "https://token.actions.githubusercontent.com"
        assert found["audiences"] == ["api://AzureADTokenExchange"]


def test_ci_subjects_may_carry_ids_and_come_from_azure_devops() -> None:
    found = {
        record.name: record.inputs
        for record in dry_run_of("dev-everything").of("managedidentity:FederatedIdentityCredential")
    }
    assert found["ci-github"]["subject"] == "repo:o@123/r@456:environment:dev"
    assert found["ci-azure-devops"]["subject"] == "sc://o/p/c"


def test_credentials_of_an_identity_are_written_one_after_another(any_stack: DryRun) -> None:
    # Azure refuses concurrent writes to one identity
    credentials = any_stack.of("managedidentity:FederatedIdentityCredential")
    for identity in {record.inputs["resourceName"] for record in credentials}:
        written = [record for record in credentials if record.inputs["resourceName"] == identity]
        urns = {record.urn for record in written}
        assert sorted(len(urns & any_stack.dependencies_of(record)) for record in written) == list(range(len(written)))


def test_people_of_the_shared_stack_read_or_use_a_private_registry() -> None:
    registry = dry_run_of("shared-people").one("machinelearningservices:Registry").inputs
    for region in registry["regionDetails"]:
        storage = region["storageAccountDetails"][0]["systemCreatedStorageAccount"]
        assert storage["allowBlobPublicAccess"] is False
        assert region["acrDetails"][0]["systemCreatedAcrAccount"]["acrAccountSku"] == "Premium"
    granted = {
        (record.inputs["principalId"], record.inputs["roleDefinitionId"].rsplit("/", 1)[1])
        for record in dry_run_of("shared-people").of("authorization:RoleAssignment")
    }
    assert granted == {(GROUP, Role.READER.id), (GROUP, Role.REGISTRY_USER.id)}


@pytest.mark.parametrize(("stage", "before"), [("dev", None), ("staging", "dev"), ("prod", "staging")])
def test_a_stage_may_ask_the_stage_before_what_it_runs_and_nothing_else(stage: str, before: str | None) -> None:
    # given the scopes in other stages' groups on which a stage grants roles
    groups = {each: dry_run_of(each).one("resources:ResourceGroup").id for each in STAGES if each != stage}
    elsewhere = [
        (each, record.inputs["scope"], record.inputs["roleDefinitionId"].rsplit("/", 1)[1], record.name.split("-")[0])
        for each, group in groups.items()
        for record in dry_run_of(stage).of("authorization:RoleAssignment")
        if record.inputs["scope"].startswith(f"{group}/")
    ]
    # then it is the workspace of the stage before, to read, for CI
    if before is None:
        assert not elsewhere
    else:
        workspace = dry_run_of(before).one("machinelearningservices:Workspace").id
        assert elsewhere == [(before, workspace, Role.READER.id, "ci")]
