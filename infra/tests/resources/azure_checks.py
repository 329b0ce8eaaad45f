"""The checks of azure_rules.py: each yields a sentence for every resource that breaks its rule."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from dry_run.result import DryRun, ResourceRecord
from roles import Role
from tests.resources.checklist import IMAGES, value_at

CLUSTER, POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"
EXTENSION, NAMESPACE = "kubernetesconfiguration:Extension", "containerservice:ManagedNamespace"
COMPUTE, WORKSPACE = "machinelearningservices:Compute", "machinelearningservices:Workspace"
ACCOUNT, VAULT = "storage:StorageAccount", "keyvault:Vault"
BUDGET, ASSIGNMENT = "consumption:Budget", "authorization:RoleAssignment"
LOCK, SETTING = "authorization:ManagementLockByScope", "monitor:DiagnosticSetting"
SUBSCRIPTIONS = ("eventgrid:SystemTopicEventSubscription", "eventgrid:TopicEventSubscription")
ASSOCIATION, RULE = "monitor:DataCollectionRuleAssociation", "monitor:DataCollectionRule"
POLICY = "storage:BlobContainerImmutabilityPolicy"
RETIRED_EVENTS = {"Microsoft.MachineLearningServices.DatasetDriftDetected"}
RETIRED_SIZES = ("Standard_DS", "Standard_D1_", "Standard_NC6s_v3", "Standard_F", "Standard_A")
ROUTER_NODES = 3
STORAGE_METRICS = {"Capacity", "Transaction"}
ROLE_TRIPLE = ("scope", "principalId", "roleDefinitionId")


def _of(run: DryRun, *types: str) -> Iterator[ResourceRecord]:
    for type_ in types:
        yield from run.of(type_)


def _pools(run: DryRun) -> Iterator[tuple[ResourceRecord, dict[str, Any], str]]:
    """Each node pool: its resource, its inputs, and the path of its number of nodes."""
    for record in run.of(POOL):
        yield record, record.inputs, "count"
    for record in run.of(CLUSTER):
        for number, pool in enumerate(record.inputs["agentPoolProfiles"]):
            yield record, pool, f"agentPoolProfiles[{number}].count"


def budget_is_replaced(run: DryRun) -> Iterator[str]:
    for budget in run.of(BUDGET):
        options = budget.options
        if options.replacing != ("*",) or not options.delete_first:
            yield f"{budget.name} would be updated without the eTag that Azure asks for"
        if "timePeriod" not in options.ignored:
            yield f"{budget.name} would be made again in every month"


def budget_starts_on_the_first(run: DryRun) -> Iterator[str]:
    for budget in run.of(BUDGET):
        if not str(value_at(budget, "timePeriod.startDate")).endswith("-01T00:00:00Z"):
            yield f"{budget.name} starts at {value_at(budget, 'timePeriod.startDate')}"


def autoscaler_owns_the_count(run: DryRun) -> Iterator[str]:
    for record, pool, path in _pools(run):
        if pool.get("enableAutoScaling") and path not in record.options.ignored:
            yield f"{record.name}: an update sets {path} back"


def ephemeral_disks_fit(run: DryRun) -> Iterator[str]:
    for record, pool, _ in _pools(run):
        size = str(pool["vmSize"])
        family, _, features = size.removeprefix("Standard_").partition("_v")
        letters = family.lstrip("DE").lstrip("0123456789")
        if pool["osDiskType"] == "Ephemeral" and ("d" not in letters or not features):
            yield f"{record.name}: {size} has no local disk for an ephemeral one"


def zones_are_a_setting(run: DryRun) -> Iterator[str]:
    for record, pool, _ in _pools(run):
        if len(pool.get("availabilityZones", ())) not in (0, 3):
            yield f"{record.name} is in some zones only"


def nodes_fit_their_subnet(run: DryRun) -> Iterator[str]:
    subnets = {record.id: record for record in run.of("network:Subnet")}
    taken: dict[str, int] = {}
    for _, pool, _ in _pools(run):
        if pool.get("vnetSubnetID"):
            nodes = int(pool["maxCount"]) + 1  # one more while the pool is upgraded
            taken[pool["vnetSubnetID"]] = taken.get(pool["vnetSubnetID"], 0) + nodes * (int(pool["maxPods"]) + 1)
    for id_, addresses in taken.items():
        free = ip_network(subnets[id_].inputs["addressPrefix"]).num_addresses - 5
        if addresses >= free:
            yield f"{subnets[id_].name}: nodes take {addresses} of {free} addresses"


def router_has_its_nodes(run: DryRun) -> Iterator[str]:
    sure = sum(int(pool["minCount"]) for _, pool, _ in _pools(run))
    for extension in run.of(EXTENSION):
        if extension.inputs["configurationSettings"]["inferenceRouterHA"] == "True" and sure < ROUTER_NODES:
            yield f"{extension.name}: three copies of the router on {sure} nodes"


def namespace_admits_the_router(run: DryRun) -> Iterator[str]:
    for namespace in run.of(NAMESPACE):
        if value_at(namespace, "properties.defaultNetworkPolicy.ingress") != "AllowAll":
            yield f"{namespace.name} keeps the router out"


def events_reach_closed_storage(run: DryRun) -> Iterator[str]:
    closed = {each.id for each in run.of(ACCOUNT) if value_at(each, "networkRuleSet.defaultAction") == "Deny"}
    for record in _of(run, *SUBSCRIPTIONS):
        for way, target in (
            ("deliveryWithResourceIdentity", "destination"),
            ("deadLetterWithResourceIdentity", "deadLetterDestination"),
        ):
            account = value_at(record, f"{way}.{target}.resourceId")
            if account in closed and value_at(record, f"{way}.identity.type") != "SystemAssigned":
                yield f"{record.name}: {way} by a user-assigned identity to closed storage"


def topics_have_the_identity_that_delivers(run: DryRun) -> Iterator[str]:
    wanted = "SystemAssigned" if any(run.of(each) for each in SUBSCRIPTIONS) else None
    for topic in _of(run, "eventgrid:SystemTopic"):
        if wanted and value_at(topic, "identity.type") != wanted:
            yield f"{topic.name} has no identity of its own"


def events_exist(run: DryRun) -> Iterator[str]:
    for record in _of(run, *SUBSCRIPTIONS):
        retired = RETIRED_EVENTS & set(value_at(record, "filter.includedEventTypes") or ())
        if retired:
            yield f"{record.name} waits for {retired}, which Azure no longer sends"


def policies_are_retained(run: DryRun) -> Iterator[str]:
    for policy in run.of(POLICY):
        if not policy.options.retain:
            yield f"{policy.name} cannot be deleted without its eTag"
        containers = [each for each in run.of("storage:BlobContainer") if policy.id.startswith(f"{each.id}/")]
        for container in containers:
            if not container.options.deleted_with:
                yield f"{container.name} is under retention, and would be deleted by itself"


def locks_wait_for_what_they_cover(run: DryRun) -> Iterator[str]:
    for lock in run.of(LOCK):
        scope, before = str(lock.inputs["scope"]), run.dependencies_of(lock)
        for record in run.resources:
            under = record.id.startswith(f"{scope}/") and record.azure_type != LOCK
            if under and record.urn not in before:
                yield f"{record.name} lies under {lock.name}, which would be deleted after it"


def locks_are_removable(run: DryRun) -> Iterator[str]:
    for lock in run.of(LOCK):
        if lock.protect:
            yield f"{lock.name} is protected, so that no right under it could be revoked"


def assignments_are_unique(run: DryRun) -> Iterator[str]:
    seen: dict[tuple[str, ...], str] = {}
    for record in run.of(ASSIGNMENT):
        triple = tuple(str(record.inputs[key]).lower() for key in ROLE_TRIPLE)
        if triple in seen:
            yield f"{record.name} grants what {seen[triple]} grants"
        seen[triple] = record.name


def principals_are_typed(run: DryRun) -> Iterator[str]:
    for record in run.of(ASSIGNMENT):
        if record.inputs.get("principalType") not in ("ServicePrincipal", "Group"):
            yield f"{record.name}: a new identity is not found in time without its type"


def insights_have_their_rule(run: DryRun) -> Iterator[str]:
    streams = {
        rule.id: {each for source in value_at(rule, "dataSources.extensions") or () for each in source["streams"]}
        for rule in run.of(RULE)
    }
    for cluster in run.of(CLUSTER):
        if not value_at(cluster, "addonProfiles.omsagent.enabled"):
            continue
        found = [each for each in run.of(ASSOCIATION) if each.inputs["resourceUri"] == cluster.id]
        if not any("Microsoft-ContainerLogV2" in streams[each.inputs["dataCollectionRuleId"]] for each in found):
            yield f"{cluster.name}: the add-on collects nothing without a rule"


def storage_metrics_exist(run: DryRun) -> Iterator[str]:
    for record in run.of(SETTING):
        if "/storageaccounts/" in str(record.inputs["resourceUri"]).lower():
            wrong = {each["category"] for each in record.inputs["metrics"]} - STORAGE_METRICS
            if wrong:
                yield f"{record.name}: storage has no metrics {wrong}"


def audit_of_clusters_is_chosen(run: DryRun) -> Iterator[str]:
    clusters = {each.id for each in run.of(CLUSTER)}
    for record in run.of(SETTING):
        categories = {each.get("category") or each.get("categoryGroup") for each in record.inputs["logs"]}
        if record.inputs["resourceUri"] in clusters and categories & {"allLogs", "audit", "kube-audit"}:
            yield f"{record.name} takes every read of the cluster's API"


def caps_are_watched(run: DryRun) -> Iterator[str]:
    watched = {scope for alert in run.of("monitor:ScheduledQueryRule") for scope in alert.inputs["scopes"]}
    for logs in run.of("operationalinsights:Workspace"):
        if value_at(logs, "workspaceCapping.dailyQuotaGb") and logs.id not in watched:
            yield f"nobody notices when {logs.name} reaches its cap"


def changes_that_azure_ignores_replace(run: DryRun) -> Iterator[str]:
    for compute in run.of(COMPUTE):
        kind = value_at(compute, "properties.computeType")
        fixed = "properties.properties.vmSize" if kind == "AmlCompute" else "properties.resourceId"
        if fixed not in compute.options.replacing:
            yield f"{compute.name}: Azure accepts another {fixed} and ignores it"


def images_can_be_built(run: DryRun) -> Iterator[str]:
    for workspace in run.of(WORKSPACE):
        built_here = any(each.id == workspace.inputs["containerRegistry"] for each in run.of(IMAGES))
        if not (built_here and workspace.inputs.get("imageBuildCompute")):
            continue
        for group in run.of("network:NetworkSecurityGroup"):
            rules = group.inputs["securityRules"]
            open_ = [r for r in rules if r["access"] == "Allow" and r["destinationAddressPrefix"] == "Internet"]
            if group.name == "security-training" and not open_:
                yield f"{workspace.name}: {workspace.inputs['imageBuildCompute']} reaches no package index"


def images_are_reached_privately(run: DryRun) -> Iterator[str]:
    reached = {
        connection["privateLinkServiceId"]
        for endpoint in run.of("network:PrivateEndpoint")
        for connection in endpoint.inputs["privateLinkServiceConnections"]
        if connection["groupIds"] == ["registry"]
    }
    pulling = {
        each.inputs["scope"]
        for each in run.of(ASSIGNMENT)
        if each.inputs["roleDefinitionId"].endswith(Role.ACR_PULL.id)
    }
    for workspace in run.of(WORKSPACE):
        images = workspace.inputs["containerRegistry"]
        if workspace.inputs["publicNetworkAccess"] == "Disabled" and images not in reached:
            yield f"{workspace.name}: nothing in the network reaches {images}"
        if images not in pulling:
            yield f"{workspace.name}: no identity may pull images from {images}"


def training_reaches_azure(run: DryRun) -> Iterator[str]:
    for group in run.of("network:NetworkSecurityGroup"):
        if group.name != "security-training":
            continue
        allowed = {
            (rule["destinationAddressPrefix"].split(".")[0], rule["destinationPortRange"])
            for rule in group.inputs["securityRules"]
            if rule["direction"] == "Outbound" and rule["access"] == "Allow"
        }
        for tag, port in (
            ("AzureActiveDirectory", "80"),
            ("AzureActiveDirectory", "443"),
            ("AzureResourceManager", "443"),
            ("AzureMachineLearning", "5831"),
            ("AzureMachineLearning", "18881"),
            ("MicrosoftContainerRegistry", "443"),
            ("AzureFrontDoor", "443"),
            ("BatchNodeManagement", "443"),
            ("Storage", "443"),
        ):
            if (tag, port) not in allowed:
                yield f"{group.name}: training cannot reach {tag} on port {port}"


def studio_reads_private_endpoints(run: DryRun) -> Iterator[str]:
    readers = {
        each.inputs["scope"] for each in run.of(ASSIGNMENT) if each.name.startswith("workspace-reader-on-private")
    }
    for endpoint in run.of("network:PrivateEndpoint"):
        group = endpoint.inputs["privateLinkServiceConnections"][0]["groupIds"][0]
        if group in ("blob", "file") and endpoint.id not in readers:
            yield f"{endpoint.name}: studio shows no data, because the workspace's identity may not read it"


def sizes_are_not_retired(run: DryRun) -> Iterator[str]:
    sizes = [(record.name, str(pool["vmSize"])) for record, pool, _ in _pools(run)]
    sizes += [(each.name, str(value_at(each, "properties.properties.vmSize"))) for each in run.of(COMPUTE)]
    for name, size in sizes:
        if size.startswith(RETIRED_SIZES):
            yield f"{name}: new subscriptions get little quota of {size}, which Azure retires"


def vaults_leave_false_out(run: DryRun) -> Iterator[str]:
    for vault in run.of(VAULT):
        if value_at(vault, "properties.enablePurgeProtection") is False:
            yield f"{vault.name}: Azure refuses purge protection of false"
