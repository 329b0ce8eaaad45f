"""The dependency graph: what is created first, what is protected, what is tagged; nothing is declared twice."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

import pytest

from dry_run.monitor import own_principal_of, state_of
from dry_run.result import DryRun, ResourceRecord
from roles import Role
from tests.conftest import STAGES, dry_run_of, run_changed

WORKSPACE = "machinelearningservices:Workspace"
# Kinds that hold no state, and must be revocable by an ordinary reviewed change.
UNPROTECTED = {
    "authorization:RoleAssignment",
    "authorization:ManagementLockByScope",
    "managedidentity:FederatedIdentityCredential",
    "monitor:DiagnosticSetting",
    "monitor:MetricAlert",
    "monitor:ScheduledQueryRule",
    "monitor:DataCollectionEndpoint",
    "monitor:DataCollectionRule",
    "monitor:DataCollectionRuleAssociation",
    "alertsmanagement:PrometheusRuleGroup",
    "storage:BlobServiceProperties",
    "storage:FileServiceProperties",
    "eventgrid:SystemTopicEventSubscription",
    "eventgrid:TopicEventSubscription",
    "consumption:Budget",
}
NEEDED_BY_THE_WORKSPACE = {
    ("storage:StorageAccount", Role.BLOB_CONTRIBUTOR),
    ("storage:StorageAccount", Role.CONTRIBUTOR),
    ("keyvault:Vault", Role.KEY_VAULT_ADMINISTRATOR),
    ("containerregistry:Registry", Role.CONTRIBUTOR),
    ("applicationinsights:Component", Role.CONTRIBUTOR),
}
NEEDED_BY_COMPUTE = {
    ("storage:StorageAccount", Role.BLOB_CONTRIBUTOR),
    ("containerregistry:Registry", Role.ACR_PULL),
}
NEEDED_BY_THE_ATTACHMENT = {
    ("containerservice:ManagedCluster", Role.READER),
    ("containerservice:ManagedCluster", Role.KUBERNETES_EXTENSION),
    ("containerservice:ManagedCluster", Role.CLUSTER_ADMIN),
}


@cache
def takes_tags(type_: str) -> bool:
    """Whether the provider's class of a type has an argument `tags`."""
    module, name = type_.split(":")
    resource = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)
    return "tags" in inspect.signature(resource._internal_init).parameters


def principal_of(run: DryRun, identity: str) -> str:
    topics = {"workspace-events": "eventgrid:SystemTopic", "topic": "eventgrid:Topic"}
    if identity in topics:
        return str(own_principal_of(run.one(topics[identity])))
    found = run.one("managedidentity:UserAssignedIdentity", f"identity-{identity}")
    return str(state_of("managedidentity:UserAssignedIdentity", found.inputs)["principalId"])


def rights_before(run: DryRun, record: ResourceRecord, identity: str) -> set[tuple[str, str]]:
    """(type of scope, role id) of what an identity is granted before a resource is created."""
    before = run.dependencies_of(record)
    elsewhere = dry_run_of("shared").one("containerregistry:Registry")
    types = {other.id: other.azure_type for other in (*run.resources, elsewhere)}
    principal = principal_of(run, identity)
    return {
        (types.get(a.inputs["scope"], a.inputs["scope"]), a.inputs["roleDefinitionId"].rsplit("/", 1)[1])
        for a in run.of("authorization:RoleAssignment")
        if a.urn in before and a.inputs["principalId"] == principal
    }


def ids(needed: set[tuple[str, Role]]) -> set[tuple[str, str]]:
    return {(type_, role.id) for type_, role in needed}


def kubernetes_compute(run: DryRun) -> ResourceRecord | None:
    found = [
        record
        for record in run.of("machinelearningservices:Compute")
        if record.inputs["properties"]["computeType"] == "Kubernetes"
    ]
    return found[0] if found else None


def test_the_workspace_waits_for_its_identitys_rights(any_stage: DryRun) -> None:
    workspace = any_stage.one(WORKSPACE)
    assert ids(NEEDED_BY_THE_WORKSPACE) <= rights_before(any_stage, workspace, "workspace")


def test_clusters_wait_for_their_identitys_rights(any_stage: DryRun) -> None:
    cluster = any_stage.one("machinelearningservices:Compute", "cpu-cluster")
    assert ids(NEEDED_BY_COMPUTE) <= rights_before(any_stage, cluster, "compute")


def test_clusters_wait_for_private_names(strict_stage: DryRun) -> None:
    cluster = strict_stage.one("machinelearningservices:Compute", "cpu-cluster")
    # all but the topic's, which jobs do not use
    groups = strict_stage.of("network:PrivateDnsZoneGroup")
    names = {record.urn for record in groups if record.name != "names-events"}
    assert names <= strict_stage.dependencies_of(cluster)


def test_the_attachment_waits_for_extension_rights_and_namespace(any_stage: DryRun) -> None:
    compute = kubernetes_compute(any_stage)
    if compute is None:
        assert not any_stage.of("kubernetesconfiguration:Extension")
        return
    before = any_stage.dependencies_of(compute)
    assert any_stage.one("kubernetesconfiguration:Extension").urn in before
    assert any_stage.one("containerservice:ManagedNamespace").urn in before
    assert ids(NEEDED_BY_THE_ATTACHMENT) <= rights_before(any_stage, compute, "workspace")


def test_the_extension_waits_for_the_node_pool(any_stage: DryRun) -> None:
    for extension in any_stage.of("kubernetesconfiguration:Extension"):
        assert any_stage.one("containerservice:AgentPool").urn in any_stage.dependencies_of(extension)


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_the_kubernetes_cluster_waits_for_its_subnets_rights(stage: str) -> None:
    run = dry_run_of(stage)
    cluster = run.one("containerservice:ManagedCluster")
    assert ("network:Subnet", Role.NETWORK_CONTRIBUTOR.id) in rights_before(run, cluster, "cluster")


def test_kubernetes_is_on_in_staging_and_prod_and_off_in_dev() -> None:
    attached = {stage: kubernetes_compute(dry_run_of(stage)) is not None for stage in STAGES}
    assert attached == {"dev": False, "staging": True, "prod": True}


def test_events_wait_for_the_right_to_deliver(any_stage: DryRun) -> None:
    for subscription in any_stage.of("eventgrid:SystemTopicEventSubscription"):
        rights = rights_before(any_stage, subscription, "workspace-events")
        assert rights == {
            ("storage:Queue", Role.QUEUE_SENDER.id),
            ("storage:BlobContainer", Role.BLOB_CONTRIBUTOR.id),
        }


@pytest.mark.parametrize("variant", ["dev-drift", "prod-drift"])
def test_drift_waits_for_the_rights_to_deliver_and_to_take_it(variant: str) -> None:
    run = dry_run_of(variant)
    subscription = run.one("eventgrid:TopicEventSubscription")
    delivering = rights_before(run, subscription, "topic")
    assert {("servicebus:Queue", Role.MESSAGE_SENDER.id), ("storage:BlobContainer", Role.BLOB_CONTRIBUTOR.id)} <= (
        delivering
    )
    workflow = run.one("logic:Workflow")
    needed = {("servicebus:Queue", Role.MESSAGE_RECEIVER.id)}
    if variant == "prod-drift":  # GitHub's token
        needed.add(("keyvault:Vault", Role.SECRETS_USER.id))
    assert rights_before(run, workflow, "handler") == needed


@pytest.mark.parametrize("variant", ["dev", "staging", "prod"])
def test_nothing_handles_drift_by_default(variant: str) -> None:
    run = dry_run_of(variant)
    assert run.of("eventgrid:Topic")
    for type_ in ("logic:Workflow", "servicebus:Namespace", "eventgrid:TopicEventSubscription"):
        assert not run.of(type_)
    assert len(run.of("keyvault:Vault")) == 1
    assert "identity-handler" not in {r.name for r in run.of("managedidentity:UserAssignedIdentity")}


def test_subnets_are_created_one_after_another(strict_stage: DryRun) -> None:
    subnets = strict_stage.of("network:Subnet")
    depths = sorted(len({s.urn for s in subnets} & strict_stage.dependencies_of(subnet)) for subnet in subnets)
    assert depths == list(range(len(subnets)))


def test_the_graph_has_no_cycle(any_stack: DryRun) -> None:
    for record in any_stack.resources:
        assert record.urn not in any_stack.dependencies_of(record), f"{record.name} depends on itself"


def test_nothing_is_declared_twice(any_stack: DryRun) -> None:
    assert not any_stack.duplicates


@pytest.mark.parametrize("variant", ["prod", "prod-managed", "prod-drift"])
def test_prod_is_protected_against_deletion(variant: str) -> None:
    for record in dry_run_of(variant).resources:
        assert record.protect == (record.azure_type not in UNPROTECTED), f"{record.name} ({record.azure_type})"


@pytest.mark.parametrize("variant", ["dev", "staging"])
def test_other_stages_protect_only_what_holds_data(variant: str) -> None:
    protected = {record.name for record in dry_run_of(variant).resources if record.protect}
    kept = {"resource-group", "storage-account", "audit-immutability", "vault", "workspace", "virtual-network"}
    assert protected == (kept if variant == "staging" else kept - {"virtual-network"})


def test_prods_data_secrets_and_models_are_locked() -> None:
    scopes = {record.inputs["scope"] for record in dry_run_of("prod").of("authorization:ManagementLockByScope")}
    prod = dry_run_of("prod")
    assert scopes == {prod.one("storage:StorageAccount").id, prod.one("keyvault:Vault").id}
    shared = dry_run_of("shared")
    assert (
        shared.one("authorization:ManagementLockByScope").inputs["scope"]
        == shared.one("machinelearningservices:Registry").id
    )
    assert shared.one("machinelearningservices:Registry").protect


def test_every_resource_that_takes_tags_has_them(any_stack: DryRun) -> None:
    for record in any_stack.resources:
        if takes_tags(record.azure_type):
            tags = {"project": "credit-default", "stage": any_stack.stack, "made-by": "pulumi"}
            assert record.inputs.get("tags") == tags, record.name
        else:
            assert not record.inputs.get("tags"), record.name


def test_every_resource_has_a_component_as_parent(any_stage: DryRun) -> None:
    for record in any_stage.resources:
        assert "infra:parts:" in record.parent, record.name


def test_the_outputs_of_a_stage_are_what_project_yml_needs(any_stage: DryRun) -> None:
    outputs = any_stage.outputs
    workspace = any_stage.one(WORKSPACE)
    assert outputs["workspace"] == workspace.inputs["workspaceName"]
    assert outputs["resource_group"] == workspace.inputs["resourceGroupName"]
    assert outputs["subscription_id"] == workspace.id.split("/")[2]
    assert outputs["location"] == workspace.inputs["location"]
    compute = any_stage.one("machinelearningservices:Compute", outputs["compute"])
    assert compute.inputs["properties"]["computeType"] == "AmlCompute"
    datastores = any_stage.of("machinelearningservices:Datastore")
    assert outputs["collected_datastore"] in [datastore.inputs["name"] for datastore in datastores]
    assert outputs["registry"] == dry_run_of("shared").outputs["registry"]
    attached = kubernetes_compute(any_stage)
    assert outputs.get("kubernetes_compute") == (attached.inputs["computeName"] if attached else None)
    if attached:
        assert outputs["instance_type"] in attached.inputs["properties"]["properties"]["instanceTypes"]
    assert len(outputs["endpoint"]) <= 32
    assert outputs["events_topic"] == any_stage.one("eventgrid:Topic").inputs["topicName"]


def test_the_cluster_can_be_created_before_it_is_attached() -> None:
    # given a cluster without a certificate yet
    run = run_changed("staging", {"kubernetes.attach": False, "kubernetes.tls": None})
    # then it is created, and neither the extension nor the attachment
    assert run.of("containerservice:ManagedCluster")
    assert not run.of("kubernetesconfiguration:Extension")
    assert kubernetes_compute(run) is None
