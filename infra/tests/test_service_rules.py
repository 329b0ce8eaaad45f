"""What Azure asks and no validator knows, one test a rule."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import pytest
import yaml

from naming import WORKSPACE_LIMIT
from rehearsal.records import Rehearsal
from rehearsal.stack_file import FOLDER
from resources.subnets import Subnet, address_ranges, subnets_of
from roles import Role
from settings.fields import virtual_cpus
from settings.stage import Network
from tests.checklist import value_at
from tests.conftest import GROUP, rehearsal_of

# What `mlops deploy` asks of a cluster; a template beside this one.
KUBERNETES_DEPLOYMENT = FOLDER.parent / "endpoints" / "online" / "deployment.kubernetes.yml"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAME_RULES = {
    "storage:StorageAccount": (r"[a-z0-9]{3,24}", "accountName"),
    "keyvault:Vault": (r"[a-z][a-z0-9-]{1,22}[a-z0-9]", "vaultName"),
    "containerregistry:Registry": (r"[a-zA-Z0-9]{5,50}", "registryName"),
    "machinelearningservices:Workspace": (rf"[a-zA-Z0-9][\w-]{{2,{WORKSPACE_LIMIT - 1}}}", "workspaceName"),
    "machinelearningservices:Compute": (r"[a-zA-Z][a-zA-Z0-9-]{1,23}", "computeName"),
    "machinelearningservices:Registry": (rf"[a-zA-Z0-9][\w-]{{2,{WORKSPACE_LIMIT - 1}}}", "registryName"),
    "containerservice:ManagedCluster": (r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?", "resourceName"),
    "containerservice:AgentPool": (r"[a-z][a-z0-9]{0,11}", "agentPoolName"),
    "monitor:ActionGroup": (r".{1,12}", "groupShortName"),
    "monitor:AzureMonitorWorkspace": (r"[a-zA-Z0-9][\w.-]{2,62}[a-zA-Z0-9]", "azureMonitorWorkspaceName"),
    "dashboard:Grafana": (r"[a-zA-Z][a-zA-Z0-9-]{0,21}[a-zA-Z0-9]", "workspaceName"),
    "managedidentity:UserAssignedIdentity": (r"[a-zA-Z0-9][\w-]{2,127}", "resourceName"),
    "eventgrid:Topic": (r"[a-zA-Z0-9-]{3,50}", "topicName"),
    "servicebus:Namespace": (r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{4,48}[a-zA-Z0-9](?<!-sb)(?<!-mgmt)", "namespaceName"),
    "logic:Workflow": (r"[\w.()-]{1,80}", "workflowName"),
}


def test_azure_ml_needs_two_system_nodes_of_four_cpus(stage_rehearsal: Rehearsal) -> None:
    for cluster in stage_rehearsal.of("containerservice:ManagedCluster"):
        pool = cluster.inputs["agentPoolProfiles"][0]
        assert pool["mode"] == "System"
        assert pool["minCount"] >= 2
        assert virtual_cpus(pool["vmSize"]) >= 4


def test_azure_ml_needs_local_accounts_of_the_cluster(stage_rehearsal: Rehearsal) -> None:
    for cluster in stage_rehearsal.of("containerservice:ManagedCluster"):
        assert cluster.inputs["disableLocalAccounts"] is False


def test_smallest_is_not_above_largest(stage_rehearsal: Rehearsal) -> None:
    for compute in stage_rehearsal.of("machinelearningservices:Compute"):
        scale = value_at(compute, "properties.properties.scaleSettings")
        assert scale is None or 0 <= scale["minNodeCount"] <= scale["maxNodeCount"] > 0
    pools = [record.inputs for record in stage_rehearsal.of("containerservice:AgentPool")]
    for cluster in stage_rehearsal.of("containerservice:ManagedCluster"):
        pools += cluster.inputs["agentPoolProfiles"]
    for pool in pools:
        assert 0 <= pool["minCount"] <= pool["count"] <= pool["maxCount"]


def test_user_pool_may_be_empty() -> None:
    assert rehearsal_of("staging").one("containerservice:AgentPool").inputs["minCount"] == 0


def test_roles_are_azures(any_rehearsal: Rehearsal) -> None:
    known = {role.id for role in Role}
    for assignment in any_rehearsal.of("authorization:RoleAssignment"):
        form = r"/subscriptions/([^/]+)/providers/Microsoft.Authorization/roleDefinitions/([^/]+)"
        found = re.fullmatch(form, assignment.inputs["roleDefinitionId"])
        assert found
        assert GUID.fullmatch(found.group(1))
        assert found.group(2) in known
        assert GUID.fullmatch(assignment.inputs["roleAssignmentName"])
        assert assignment.inputs["principalType"] in ("ServicePrincipal", "Group")


# The ids as Microsoft documents them: a second, independent copy.
DOCUMENTED = {
    Role.DATA_SCIENTIST: "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    Role.COMPUTE_OPERATOR: "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
    Role.REGISTRY_USER: "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
    Role.NETWORK_APPROVER: "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    Role.KUBERNETES_EXTENSION: "85cb6faf-e071-4c9b-8136-154b5a04f717",
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


def test_no_id_is_used_twice(any_rehearsal: Rehearsal) -> None:
    ids = [record.id.lower() for record in any_rehearsal.resources if record.azure]
    assert len(ids) == len(set(ids)), sorted({id_ for id_ in ids if ids.count(id_) > 1})


def test_names_keep_to_their_services_rules(any_rehearsal: Rehearsal) -> None:
    for type_, (pattern, key) in NAME_RULES.items():
        for record in any_rehearsal.of(type_):
            assert re.fullmatch(pattern, record.inputs[key]), f"{type_} {record.inputs[key]}"


def test_stages_share_no_worldwide_name() -> None:
    for type_, key in (("storage:StorageAccount", "accountName"), ("keyvault:Vault", "vaultName")):
        names = {rehearsal_of(stage).one(type_).inputs[key] for stage in ("dev", "staging", "prod")}
        assert len(names) == 3


def test_kubernetes_never_stands_in_a_managed_network(stage_rehearsal: Rehearsal) -> None:
    workspace = stage_rehearsal.one("machinelearningservices:Workspace")
    if stage_rehearsal.of("containerservice:ManagedCluster"):
        assert workspace.inputs["managedNetwork"]["isolationMode"] == "Disabled"


def test_the_cluster_is_in_the_workspaces_subscription(stage_rehearsal: Rehearsal) -> None:
    workspace = stage_rehearsal.one("machinelearningservices:Workspace")
    for cluster in stage_rehearsal.of("containerservice:ManagedCluster"):
        assert cluster.id.split("/")[2] == workspace.id.split("/")[2]


def test_strict_stages_score_over_tls(strict_rehearsal: Rehearsal) -> None:
    for extension in strict_rehearsal.of("kubernetesconfiguration:Extension"):
        settings = extension.inputs["configurationSettings"]
        assert settings["sslCname"]
        assert settings["sslSecret"]
        assert "allowInsecureConnections" not in settings


def test_the_extension_is_azure_mls() -> None:
    extension = rehearsal_of("prod").one("kubernetesconfiguration:Extension").inputs
    assert extension["extensionType"] == "Microsoft.AzureML.Kubernetes"
    assert (extension["clusterRp"], extension["clusterResourceName"]) == (
        "Microsoft.ContainerService",
        "managedClusters",
    )
    assert extension["scope"]["cluster"]["releaseNamespace"] == "azureml"


def test_the_attached_namespace_exists(stage_rehearsal: Rehearsal) -> None:
    computes = stage_rehearsal.of("machinelearningservices:Compute")
    attached = [c for c in computes if c.inputs["properties"]["computeType"] == "Kubernetes"]
    for compute in attached:
        namespace = stage_rehearsal.one("containerservice:ManagedNamespace")
        assert compute.inputs["properties"]["properties"]["namespace"] == namespace.inputs["managedNamespaceName"]


def test_private_stages_have_an_endpoint_for_each_service(strict_rehearsal: Rehearsal) -> None:
    parts = {
        connection["groupIds"][0]
        for record in strict_rehearsal.of("network:PrivateEndpoint")
        for connection in record.inputs["privateLinkServiceConnections"]
    }
    assert parts == {"blob", "file", "queue", "table", "vault", "registry", "amlworkspace", "amlregistry", "topic"}
    zones = {record.inputs["privateZoneName"] for record in strict_rehearsal.of("privatedns:PrivateZone")}
    assert {"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"} <= zones
    assert len(strict_rehearsal.of("privatedns:VirtualNetworkLink")) == len(zones)
    groups = strict_rehearsal.of("network:PrivateDnsZoneGroup")
    assert len(groups) == len(strict_rehearsal.of("network:PrivateEndpoint"))
    assert all(group.inputs["privateDnsZoneConfigs"] for group in groups)


def test_dev_has_no_network() -> None:
    assert not rehearsal_of("dev").of("network:VirtualNetwork")
    assert not rehearsal_of("dev").of("network:PrivateEndpoint")


def test_every_subnet_is_guarded_and_lets_nothing_in_from_outside(strict_rehearsal: Rehearsal) -> None:
    for subnet in strict_rehearsal.of("network:Subnet"):
        assert subnet.inputs["networkSecurityGroup"]["id"]
        assert subnet.inputs["defaultOutboundAccess"] is False
    for group in strict_rehearsal.of("network:NetworkSecurityGroup"):
        rules = group.inputs["securityRules"]
        opened = [r for r in rules if r["direction"] == "Inbound" and r["access"] == "Allow"]
        assert all(rule["sourceAddressPrefix"] == "VirtualNetwork" for rule in opened)
        numbers = [(rule["direction"], rule["priority"]) for rule in rules]
        assert len(numbers) == len(set(numbers))
        assert all(100 <= rule["priority"] <= 4096 for rule in rules)


def test_prod_trains_without_the_internet() -> None:
    group = rehearsal_of("prod").one("network:NetworkSecurityGroup", "security-training")
    allowed = [r["destinationAddressPrefix"] for r in group.inputs["securityRules"] if r["access"] == "Allow"]
    assert "Internet" not in allowed
    assert "AzureMachineLearning" in allowed


@pytest.mark.parametrize("length", [16, 18, 20, 21])
def test_subnets_fit_and_do_not_overlap(length: int) -> None:
    space = IPv4Network(f"10.0.0.0/{length}")
    ranges = [IPv4Network(found) for found in address_ranges(str(space)).values()]
    assert len(ranges) == len(Subnet)
    assert all(found.subnet_of(space) for found in ranges)
    assert not any(a.overlaps(b) for a in ranges for b in ranges if a is not b)


def test_a_managed_network_needs_no_subnet_for_machines() -> None:
    network = Network(access="private", isolation="workspace_managed", address_space="10.0.0.0/16")
    assert set(subnets_of(network)) == {Subnet.ENDPOINTS, Subnet.AGENTS}


def test_a_pod_asks_for_less_than_its_instance_type_allows() -> None:
    # given what every deployment on a cluster asks for
    asked = yaml.safe_load(KUBERNETES_DEPLOYMENT.read_text(encoding="utf-8"))["resources"]
    attached = rehearsal_of("prod").one("machinelearningservices:Compute", "kubernetes-compute").inputs
    types = attached["properties"]["properties"]["instanceTypes"]
    # then Azure takes it: limits must be below those of the instance type, requests not above the limits
    for type_ in types.values():
        for resource in ("cpu", "memory"):
            amounts = [asked["requests"][resource], asked["limits"][resource], type_["resources"]["limits"][resource]]
            request, limit, most = (float(amount.removesuffix("Gi")) for amount in amounts)
            assert request <= limit < most


def test_kubernetes_services_stay_out_of_the_network(strict_rehearsal: Rehearsal) -> None:
    space = strict_rehearsal.one("network:VirtualNetwork").inputs["addressSpace"]["addressPrefixes"][0]
    for cluster in strict_rehearsal.of("containerservice:ManagedCluster"):
        profile = cluster.inputs["networkProfile"]
        assert not IPv4Network(space).overlaps(IPv4Network(profile["serviceCidr"]))
        assert IPv4Network(profile["serviceCidr"]).supernet_of(IPv4Network(f"{profile['dnsServiceIP']}/32"))


def test_ci_is_trusted_for_one_environment_only() -> None:
    for stage in ("dev", "staging", "prod"):
        found = rehearsal_of(stage).one("managedidentity:FederatedIdentityCredential").inputs
        assert found["subject"] == f"repo:example-org/credit-default:environment:{stage}"
        assert found["issuer"] == "https://token.actions.githubusercontent.com"
        assert found["audiences"] == ["api://AzureADTokenExchange"]


def test_ci_subjects_may_carry_ids_and_come_from_azure_devops() -> None:
    found = {
        record.name: record.inputs
        for record in rehearsal_of("dev-everything").of("managedidentity:FederatedIdentityCredential")
    }
    assert found["ci-github"]["subject"] == "repo:o@123/r@456:environment:dev"
    assert found["ci-azure-devops"]["subject"] == "sc://o/p/c"


def test_credentials_of_an_identity_are_written_one_after_another(any_rehearsal: Rehearsal) -> None:
    # Azure refuses concurrent writes to one identity
    credentials = any_rehearsal.of("managedidentity:FederatedIdentityCredential")
    for identity in {record.inputs["resourceName"] for record in credentials}:
        written = [record for record in credentials if record.inputs["resourceName"] == identity]
        urns = {record.urn for record in written}
        assert sorted(len(urns & any_rehearsal.behind(record)) for record in written) == list(range(len(written)))


def test_events_are_delivered_by_identity(stage_rehearsal: Rehearsal) -> None:
    subscriptions = stage_rehearsal.of("eventgrid:SystemTopicEventSubscription")
    types = {record.inputs["filter"]["includedEventTypes"][0].rsplit(".", 1)[1] for record in subscriptions}
    assert types == {"ModelRegistered", "RunCompleted", "DatasetDriftDetected"}
    for record in subscriptions:
        assert record.inputs["deliveryWithResourceIdentity"]["identity"]["type"] == "UserAssigned"
        assert "destination" not in record.inputs


@pytest.mark.parametrize("variant", ["dev-told", "prod-told"])
def test_only_drift_that_asks_for_a_model_reaches_the_handler_and_waits_a_day(variant: str) -> None:
    rehearsal = rehearsal_of(variant)
    subscription, queue = rehearsal.one("eventgrid:TopicEventSubscription").inputs, rehearsal.one("servicebus:Queue")
    # then only such events are delivered, by identity
    assert subscription["filter"]["includedEventTypes"] == ["mlops.DriftFound"]
    assert subscription["filter"]["advancedFilters"] == [
        {"operatorType": "BoolEquals", "key": "data.retrain", "value": True}
    ]
    delivery = subscription["deliveryWithResourceIdentity"]
    assert delivery["identity"]["type"] == "UserAssigned"
    assert delivery["destination"]["resourceId"] == queue.id
    assert "destination" not in subscription
    # and what is not taken is offered again for a day and then kept, not lost
    assert queue.inputs["defaultMessageTimeToLive"] == "P1D"
    assert queue.inputs["deadLetteringOnMessageExpiration"] is True
    looks_a_day = (
        24
        * 60
        / rehearsal.one("logic:Workflow").inputs["definition"]["triggers"]["Every_few_minutes"]["recurrence"][
            "interval"
        ]
    )
    assert queue.inputs["maxDeliveryCount"] > looks_a_day
    assert subscription["retryPolicy"]["eventTimeToLiveInMinutes"] == 24 * 60
    names = {record.name for record in rehearsal.of("monitor:MetricAlert")}
    assert {"alert-drift-undelivered", "alert-drift-set-aside", "alert-drift-not-taken"} <= names


def test_a_topic_takes_what_mlops_sends(stage_rehearsal: Rehearsal) -> None:
    assert stage_rehearsal.one("eventgrid:Topic").inputs["inputSchema"] == "CloudEventSchemaV1_0"


def test_endpoint_alerts_come_with_the_endpoint() -> None:
    quiet = {record.name for record in rehearsal_of("staging-managed").of("monitor:MetricAlert")}
    watched = {record.name for record in rehearsal_of("prod-watched").of("monitor:MetricAlert")}
    assert quiet == {"alert-failed-jobs", "alert-unusable-nodes"}
    assert watched - quiet == {"alert-slow-requests", "alert-failed-requests"}


def test_the_pods_of_a_cluster_are_watched_for_azure_monitor_knows_no_requests_there() -> None:
    rehearsal = rehearsal_of("prod")
    names = {record.name for record in rehearsal.of("monitor:MetricAlert")}
    assert names == {"alert-failed-jobs", "alert-unusable-nodes", "alert-pods-not-running"}
    alert = rehearsal.one("monitor:MetricAlert", "alert-pods-not-running")
    assert alert.inputs["scopes"] == [rehearsal.one("containerservice:ManagedCluster").id]
    (criterion,) = alert.inputs["criteria"]["allOf"]
    attached = rehearsal.one("machinelearningservices:Compute", "kubernetes-compute").inputs["properties"]
    by_name = {dimension["name"]: dimension["values"] for dimension in criterion["dimensions"]}
    assert by_name["namespace"] == [attached["properties"]["namespace"]]


def test_every_alert_tells_someone(stage_rehearsal: Rehearsal) -> None:
    group = stage_rehearsal.one("monitor:ActionGroup")
    assert group.inputs["emailReceivers"]
    for alert in stage_rehearsal.of("monitor:MetricAlert"):
        assert [action["actionGroupId"] for action in alert.inputs["actions"]] == [group.id]


def test_the_budget_warns_before_it_is_used_up(any_rehearsal: Rehearsal) -> None:
    if any_rehearsal.stack == "ci":  # identities and rights cost nothing
        assert not any_rehearsal.of("consumption:Budget")
        return
    budget = any_rehearsal.one("consumption:Budget").inputs
    thresholds = {(n["thresholdType"], n["threshold"]) for n in budget["notifications"].values()}
    assert ("Forecasted", 100) in thresholds
    assert min(percent for kind, percent in thresholds if kind == "Actual") < 100
    assert len(budget["notifications"]) <= 5  # Azure takes no more


def test_logs_of_everything_that_has_some(stage_rehearsal: Rehearsal) -> None:
    watched = {record.inputs["resourceUri"] for record in stage_rehearsal.of("monitor:DiagnosticSetting")}
    for type_ in (
        "machinelearningservices:Workspace",
        "keyvault:Vault",
        "storage:StorageAccount",
        "containerregistry:Registry",
        "containerservice:ManagedCluster",
        "eventgrid:Topic",
        "servicebus:Namespace",
        "logic:Workflow",
    ):
        assert {record.id for record in stage_rehearsal.of(type_)} <= watched


def test_the_registry_promotes_privately_stored_models() -> None:
    registry = rehearsal_of("shared-people").one("machinelearningservices:Registry").inputs
    for region in registry["regionDetails"]:
        storage = region["storageAccountDetails"][0]["systemCreatedStorageAccount"]
        assert storage["allowBlobPublicAccess"] is False
        assert region["acrDetails"][0]["systemCreatedAcrAccount"]["acrAccountSku"] == "Premium"
    granted = {
        (record.inputs["principalId"], record.inputs["roleDefinitionId"].rsplit("/", 1)[1])
        for record in rehearsal_of("shared-people").of("authorization:RoleAssignment")
    }
    assert granted == {(GROUP, Role.READER.id), (GROUP, Role.REGISTRY_USER.id)}
