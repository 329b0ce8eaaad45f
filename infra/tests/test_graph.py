"""The dependency graph: what must exist first, what is protected, what is tagged, what is there only once."""

from __future__ import annotations

import pytest

from rehearsal.monitor import state_of
from rehearsal.records import Record, Rehearsal
from rehearsal.run import rehearse
from roles import Role
from tests.conftest import STAGES, changed, rehearsal_of

WORKSPACE = "machinelearningservices:Workspace"
# What holds nothing, and must be revocable by an ordinary reviewed change.
UNPROTECTED = {
    "authorization:RoleAssignment",
    "authorization:ManagementLockByScope",
    "managedidentity:FederatedIdentityCredential",
    "monitor:DiagnosticSetting",
    "monitor:MetricAlert",
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
# Azure takes no tags on these.
TAGGED_RULES = {
    "monitor:MetricAlert",
    "monitor:DataCollectionEndpoint",
    "monitor:DataCollectionRule",
    "alertsmanagement:PrometheusRuleGroup",
}
UNTAGGED = UNPROTECTED - TAGGED_RULES | {
    "machinelearningservices:Datastore",
    "storage:BlobContainer",
    "storage:BlobContainerImmutabilityPolicy",
    "storage:Queue",
    "servicebus:Queue",
    "network:Subnet",
    "network:PrivateDnsZoneGroup",
    "kubernetesconfiguration:Extension",
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


def short(record: Record) -> str:
    return record.type.removeprefix("azure-native:")


def principal_of(rehearsal: Rehearsal, identity: str) -> str:
    found = [r for r in rehearsal.of("managedidentity:UserAssignedIdentity") if r.name == f"identity-{identity}"]
    assert len(found) == 1, f"{rehearsal.stack} has no identity {identity}"

    return str(state_of("managedidentity:UserAssignedIdentity", found[0].inputs)["principalId"])


def rights_before(rehearsal: Rehearsal, record: Record, identity: str) -> set[tuple[str, str]]:
    """(type of scope, role id) of what an identity was granted before a resource is made."""
    behind = rehearsal.behind(record)
    types = {other.id: short(other) for other in rehearsal.resources}
    principal = principal_of(rehearsal, identity)
    return {
        (types.get(a.inputs["scope"], a.inputs["scope"]), a.inputs["roleDefinitionId"].rsplit("/", 1)[1])
        for a in rehearsal.of("authorization:RoleAssignment")
        if a.urn in behind and a.inputs["principalId"] == principal
    }


def ids(needed: set[tuple[str, Role]]) -> set[tuple[str, str]]:
    return {(type_, role.id) for type_, role in needed}


def kubernetes_compute(rehearsal: Rehearsal) -> Record | None:
    found = [
        record
        for record in rehearsal.of("machinelearningservices:Compute")
        if record.inputs["properties"]["computeType"] == "Kubernetes"
    ]
    return found[0] if found else None


def test_the_workspace_waits_for_its_identitys_rights(stage_rehearsal: Rehearsal) -> None:
    workspace = stage_rehearsal.one(WORKSPACE)
    assert ids(NEEDED_BY_THE_WORKSPACE) <= rights_before(stage_rehearsal, workspace, "workspace")


def test_clusters_wait_for_their_identitys_rights(stage_rehearsal: Rehearsal) -> None:
    cluster = stage_rehearsal.one("machinelearningservices:Compute", "cpu-cluster")
    assert ids(NEEDED_BY_COMPUTE) <= rights_before(stage_rehearsal, cluster, "compute")


def test_clusters_wait_for_private_names(strict_rehearsal: Rehearsal) -> None:
    cluster = strict_rehearsal.one("machinelearningservices:Compute", "cpu-cluster")
    # all but the topic's, which jobs do not know
    groups = strict_rehearsal.of("network:PrivateDnsZoneGroup")
    names = {record.urn for record in groups if record.name != "names-events"}
    assert names <= strict_rehearsal.behind(cluster)


def test_the_attachment_waits_for_extension_rights_and_namespace(stage_rehearsal: Rehearsal) -> None:
    compute = kubernetes_compute(stage_rehearsal)
    if compute is None:
        assert not stage_rehearsal.of("kubernetesconfiguration:Extension")
        return
    behind = stage_rehearsal.behind(compute)
    assert stage_rehearsal.one("kubernetesconfiguration:Extension").urn in behind
    assert stage_rehearsal.one("containerservice:ManagedNamespace").urn in behind
    assert ids(NEEDED_BY_THE_ATTACHMENT) <= rights_before(stage_rehearsal, compute, "workspace")


def test_the_extension_waits_for_the_node_pool(stage_rehearsal: Rehearsal) -> None:
    for extension in stage_rehearsal.of("kubernetesconfiguration:Extension"):
        assert stage_rehearsal.one("containerservice:AgentPool").urn in stage_rehearsal.behind(extension)


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_the_kubernetes_cluster_waits_for_its_subnets_rights(stage: str) -> None:
    rehearsal = rehearsal_of(stage)
    cluster = rehearsal.one("containerservice:ManagedCluster")
    assert ("network:Subnet", Role.NETWORK_CONTRIBUTOR.id) in rights_before(rehearsal, cluster, "cluster")


def test_kubernetes_is_on_in_staging_and_prod_and_off_in_dev() -> None:
    attached = {stage: kubernetes_compute(rehearsal_of(stage)) is not None for stage in STAGES}
    assert attached == {"dev": False, "staging": True, "prod": True}


def test_events_wait_for_the_right_to_deliver(stage_rehearsal: Rehearsal) -> None:
    for subscription in stage_rehearsal.of("eventgrid:SystemTopicEventSubscription"):
        rights = rights_before(stage_rehearsal, subscription, "events")
        assert rights == {
            ("storage:Queue", Role.QUEUE_SENDER.id),
            ("storage:BlobContainer", Role.BLOB_CONTRIBUTOR.id),
        }


@pytest.mark.parametrize("variant", ["dev-told", "prod-told"])
def test_drift_waits_for_the_rights_to_deliver_and_to_take_it(variant: str) -> None:
    rehearsal = rehearsal_of(variant)
    subscription = rehearsal.one("eventgrid:TopicEventSubscription")
    delivering = rights_before(rehearsal, subscription, "events")
    assert {("servicebus:Queue", Role.MESSAGE_SENDER.id), ("storage:BlobContainer", Role.BLOB_CONTRIBUTOR.id)} <= (
        delivering
    )
    workflow = rehearsal.one("logic:Workflow")
    needed = {("servicebus:Queue", Role.MESSAGE_RECEIVER.id)}
    if variant == "prod-told":  # GitHub's token
        needed.add(("keyvault:Vault", Role.SECRETS_USER.id))
    assert rights_before(rehearsal, workflow, "handler") == needed


@pytest.mark.parametrize("variant", ["dev", "staging", "prod"])
def test_nothing_handles_drift_as_shipped(variant: str) -> None:
    rehearsal = rehearsal_of(variant)
    assert rehearsal.of("eventgrid:Topic")
    for type_ in ("logic:Workflow", "servicebus:Namespace", "eventgrid:TopicEventSubscription"):
        assert not rehearsal.of(type_)
    assert len(rehearsal.of("keyvault:Vault")) == 1
    assert "identity-handler" not in {r.name for r in rehearsal.of("managedidentity:UserAssignedIdentity")}


def test_subnets_are_made_one_after_another(strict_rehearsal: Rehearsal) -> None:
    subnets = strict_rehearsal.of("network:Subnet")
    depths = sorted(len({s.urn for s in subnets} & strict_rehearsal.behind(subnet)) for subnet in subnets)
    assert depths == list(range(len(subnets)))


def test_the_graph_has_no_cycle(any_rehearsal: Rehearsal) -> None:
    for record in any_rehearsal.resources:
        assert record.urn not in any_rehearsal.behind(record), f"{record.name} waits for itself"


def test_nothing_is_declared_twice(any_rehearsal: Rehearsal) -> None:
    assert not any_rehearsal.duplicates


@pytest.mark.parametrize("variant", ["prod", "prod-watched", "prod-told"])
def test_prod_is_protected_against_deletion(variant: str) -> None:
    for record in rehearsal_of(variant).resources:
        assert record.protect == (short(record) not in UNPROTECTED), f"{record.name} ({short(record)})"


@pytest.mark.parametrize("variant", ["dev", "staging"])
def test_other_stages_can_be_torn_down(variant: str) -> None:
    assert not [record.name for record in rehearsal_of(variant).resources if record.protect]


def test_prods_data_secrets_and_models_are_locked() -> None:
    scopes = {record.inputs["scope"] for record in rehearsal_of("prod").of("authorization:ManagementLockByScope")}
    prod = rehearsal_of("prod")
    assert scopes == {prod.one("storage:StorageAccount").id, prod.one("keyvault:Vault").id}
    shared = rehearsal_of("shared")
    assert (
        shared.one("authorization:ManagementLockByScope").inputs["scope"]
        == shared.one("machinelearningservices:Registry").id
    )
    assert shared.one("machinelearningservices:Registry").protect


def test_tags_are_everywhere(any_rehearsal: Rehearsal) -> None:
    stage = any_rehearsal.stack
    for record in any_rehearsal.resources:
        if short(record) in UNTAGGED:
            assert "tags" not in record.inputs or record.inputs["tags"] is None
        else:
            assert record.inputs.get("tags") == {
                "project": "credit-default",
                "stage": stage,
                "made-by": "pulumi",
            }, record.name


def test_every_resource_has_a_component_as_parent(stage_rehearsal: Rehearsal) -> None:
    for record in stage_rehearsal.resources:
        assert "infra:parts:" in record.parent, record.name


def test_stages_give_what_project_yml_needs(stage_rehearsal: Rehearsal) -> None:
    outputs = stage_rehearsal.outputs
    workspace = stage_rehearsal.one(WORKSPACE)
    assert outputs["workspace"] == workspace.inputs["workspaceName"]
    assert outputs["resource_group"] == workspace.inputs["resourceGroupName"]
    assert outputs["subscription_id"] == workspace.id.split("/")[2]
    assert outputs["location"] == workspace.inputs["location"]
    compute = stage_rehearsal.one("machinelearningservices:Compute", outputs["compute"])
    assert compute.inputs["properties"]["computeType"] == "AmlCompute"
    datastores = stage_rehearsal.of("machinelearningservices:Datastore")
    assert outputs["collected_datastore"] in [datastore.inputs["name"] for datastore in datastores]
    assert outputs["registry"] == rehearsal_of("shared").outputs["registry"]
    attached = kubernetes_compute(stage_rehearsal)
    assert outputs.get("kubernetes_compute") == (attached.inputs["computeName"] if attached else None)
    if attached:
        assert outputs["instance_type"] in attached.inputs["properties"]["properties"]["instanceTypes"]
    assert len(outputs["endpoint"]) <= 32
    assert outputs["events_topic"] == stage_rehearsal.one("eventgrid:Topic").inputs["topicName"]


def test_the_cluster_can_be_made_before_it_is_attached() -> None:
    # given a cluster that holds no certificate yet
    rehearsal = rehearse("staging", changed("staging", {"kubernetes.attach": False, "kubernetes.tls": None}))
    # then it is made, and neither the extension nor the attachment
    assert rehearsal.of("containerservice:ManagedCluster")
    assert not rehearsal.of("kubernetesconfiguration:Extension")
    assert kubernetes_compute(rehearsal) is None
