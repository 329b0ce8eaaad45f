"""Which resource id Azure would give to a resource, read from its type and inputs.

Ids are real in form, so that a scope, a duplicate or a wrong parent shows.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Path(NamedTuple):
    """How an ARM id is put together: the provider, and types with the inputs that name them."""

    provider: str
    parts: tuple[tuple[str, str], ...]


def _path(provider: str, *parts: str) -> Path:
    return Path(f"Microsoft.{provider}", tuple(zip(parts[::2], parts[1::2], strict=True)))


ML = "MachineLearningServices"
PATHS: dict[str, Path] = {
    "network:VirtualNetwork": _path("Network", "virtualNetworks", "virtualNetworkName"),
    "network:Subnet": _path("Network", "virtualNetworks", "virtualNetworkName", "subnets", "subnetName"),
    "network:NetworkSecurityGroup": _path("Network", "networkSecurityGroups", "networkSecurityGroupName"),
    "network:PublicIPAddress": _path("Network", "publicIPAddresses", "publicIpAddressName"),
    "network:NatGateway": _path("Network", "natGateways", "natGatewayName"),
    "network:PrivateEndpoint": _path("Network", "privateEndpoints", "privateEndpointName"),
    "network:PrivateDnsZoneGroup": _path(
        "Network", "privateEndpoints", "privateEndpointName", "privateDnsZoneGroups", "privateDnsZoneGroupName"
    ),
    "privatedns:PrivateZone": _path("Network", "privateDnsZones", "privateZoneName"),
    "privatedns:VirtualNetworkLink": _path(
        "Network", "privateDnsZones", "privateZoneName", "virtualNetworkLinks", "virtualNetworkLinkName"
    ),
    "storage:StorageAccount": _path("Storage", "storageAccounts", "accountName"),
    "storage:BlobServiceProperties": _path("Storage", "storageAccounts", "accountName", "blobServices", "=default"),
    "storage:FileServiceProperties": _path("Storage", "storageAccounts", "accountName", "fileServices", "=default"),
    "storage:BlobContainer": _path(
        "Storage", "storageAccounts", "accountName", "blobServices", "=default", "containers", "containerName"
    ),
    "storage:BlobContainerImmutabilityPolicy": _path(
        "Storage",
        "storageAccounts",
        "accountName",
        "blobServices",
        "=default",
        "containers",
        "containerName",
        "immutabilityPolicies",
        "=default",
    ),
    "storage:Queue": _path(
        "Storage", "storageAccounts", "accountName", "queueServices", "=default", "queues", "queueName"
    ),
    "keyvault:Vault": _path("KeyVault", "vaults", "vaultName"),
    "operationalinsights:Workspace": _path("OperationalInsights", "workspaces", "workspaceName"),
    "applicationinsights:Component": _path("Insights", "components", "resourceName"),
    "monitor:ActionGroup": _path("Insights", "actionGroups", "actionGroupName"),
    "monitor:MetricAlert": _path("Insights", "metricAlerts", "ruleName"),
    "monitor:AzureMonitorWorkspace": _path("Monitor", "accounts", "azureMonitorWorkspaceName"),
    "monitor:DataCollectionEndpoint": _path("Insights", "dataCollectionEndpoints", "dataCollectionEndpointName"),
    "monitor:DataCollectionRule": _path("Insights", "dataCollectionRules", "dataCollectionRuleName"),
    "alertsmanagement:PrometheusRuleGroup": _path("AlertsManagement", "prometheusRuleGroups", "ruleGroupName"),
    "dashboard:Grafana": _path("Dashboard", "grafana", "workspaceName"),
    "containerregistry:Registry": _path("ContainerRegistry", "registries", "registryName"),
    "managedidentity:UserAssignedIdentity": _path("ManagedIdentity", "userAssignedIdentities", "resourceName"),
    "managedidentity:FederatedIdentityCredential": _path(
        "ManagedIdentity",
        "userAssignedIdentities",
        "resourceName",
        "federatedIdentityCredentials",
        "federatedIdentityCredentialResourceName",
    ),
    "machinelearningservices:Workspace": _path(ML, "workspaces", "workspaceName"),
    "machinelearningservices:Compute": _path(ML, "workspaces", "workspaceName", "computes", "computeName"),
    "machinelearningservices:Datastore": _path(ML, "workspaces", "workspaceName", "datastores", "name"),
    "machinelearningservices:Registry": _path(ML, "registries", "registryName"),
    "containerservice:ManagedCluster": _path("ContainerService", "managedClusters", "resourceName"),
    "containerservice:AgentPool": _path(
        "ContainerService", "managedClusters", "resourceName", "agentPools", "agentPoolName"
    ),
    "containerservice:ManagedNamespace": _path(
        "ContainerService", "managedClusters", "resourceName", "managedNamespaces", "managedNamespaceName"
    ),
    "kubernetesconfiguration:Extension": _path("KubernetesConfiguration", "extensions", "extensionName"),
    "eventgrid:SystemTopic": _path("EventGrid", "systemTopics", "systemTopicName"),
    "eventgrid:SystemTopicEventSubscription": _path(
        "EventGrid", "systemTopics", "systemTopicName", "eventSubscriptions", "eventSubscriptionName"
    ),
    "eventgrid:Topic": _path("EventGrid", "topics", "topicName"),
    "eventgrid:TopicEventSubscription": _path(
        "EventGrid", "topics", "topicName", "eventSubscriptions", "eventSubscriptionName"
    ),
    "servicebus:Namespace": _path("ServiceBus", "namespaces", "namespaceName"),
    "servicebus:Queue": _path("ServiceBus", "namespaces", "namespaceName", "queues", "queueName"),
    "logic:Workflow": _path("Logic", "workflows", "workflowName"),
    "authorization:RoleAssignment": _path("Authorization", "roleAssignments", "roleAssignmentName"),
    "authorization:ManagementLockByScope": _path("Authorization", "locks", "lockName"),
    "monitor:DataCollectionRuleAssociation": _path("Insights", "dataCollectionRuleAssociations", "associationName"),
    "monitor:DiagnosticSetting": _path("Insights", "diagnosticSettings", "name"),
    "consumption:Budget": _path("Consumption", "budgets", "budgetName"),
}
SCOPES = {
    "authorization:RoleAssignment": "scope",
    "authorization:ManagementLockByScope": "scope",
    "monitor:DataCollectionRuleAssociation": "resourceUri",
    "monitor:DiagnosticSetting": "resourceUri",
    "consumption:Budget": "scope",
}


def arm_id(type_: str, inputs: dict[str, Any], subscription_id: str) -> str:
    """The id of a resource. Raises LookupError for a type that PATHS does not know: add it there."""
    if type_ == "resources:ResourceGroup":
        return f"/subscriptions/{subscription_id}/resourceGroups/{inputs['resourceGroupName']}"
    if type_ not in PATHS:
        raise LookupError(f"rehearsal/arm_ids.py does not know how Azure names {type_}; add it to PATHS")
    path = PATHS[type_]
    parts = [part for kind, key in path.parts for part in (kind, _name(inputs, key))]
    return "/".join([_scope(type_, inputs, subscription_id), "providers", path.provider, *parts])


def arm_type(type_: str) -> str:
    """The ARM type of a resource: `Microsoft.Storage/storageAccounts`."""
    if type_ == "resources:ResourceGroup":
        return "Microsoft.Resources/resourceGroups"
    path = PATHS[type_]
    return "/".join([path.provider, *(kind for kind, _ in path.parts)])


def _scope(type_: str, inputs: dict[str, Any], subscription_id: str) -> str:
    if type_ in SCOPES:
        return str(inputs[SCOPES[type_]])
    group = f"/subscriptions/{subscription_id}/resourceGroups/{inputs['resourceGroupName']}"
    if type_ == "kubernetesconfiguration:Extension":
        cluster = f"{inputs['clusterRp']}/{inputs['clusterResourceName']}/{inputs['clusterName']}"
        return f"{group}/providers/{cluster}"
    return group


def _name(inputs: dict[str, Any], key: str) -> str:
    return key[1:] if key.startswith("=") else str(inputs[key])
