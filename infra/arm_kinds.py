"""Every kind of Azure resource that the program declares: its resource id, Microsoft's model of it, its label.

One row per kind, by its type in the provider. A fork's own kinds are in extra.py, in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

GROUP = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}"
ML_MODELS = "azure.ai.ml._restclient.arm_ml_service.models"
STORAGE = "Microsoft.Storage/storageAccounts/{accountName}"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces/{workspaceName}"
CLUSTER = "Microsoft.ContainerService/managedClusters/{resourceName}"


@dataclass(frozen=True)
class Kind:
    """A kind of Azure resource. `{…}` in `arm` and `scope` is an input of the provider's type.

    `model` is Microsoft's class for what Azure is sent, which the tests validate with; `label` is how the diagram shows
    it, or empty for a detail of another resource.
    """

    arm: str
    model: str = ""
    scope: str = GROUP
    label: str = ""
    monitoring: bool = False

    def id(self, inputs: Mapping[str, Any], subscription_id: str) -> str:
        """The resource id that Azure would give to a resource with these inputs."""
        if self.arm == "Microsoft.Resources/resourceGroups/{resourceGroupName}":
            return GROUP.format_map({**inputs, "subscription": subscription_id})
        return f"{self.scope}/providers/{self.arm}".format_map({**inputs, "subscription": subscription_id})

    @property
    def arm_type(self) -> str:
        """The ARM type: `Microsoft.Storage/storageAccounts`."""
        provider, *path = self.arm.split("/")
        return "/".join([provider, *path[::2]])

    @property
    def id_inputs(self) -> frozenset[str]:
        """The inputs that are a part of the id, and not of what Azure is sent."""
        return frozenset(name for _, name, _, _ in Formatter().parse(f"{self.scope}/{self.arm}") if name)

    @property
    def name_input(self) -> str | None:
        """The input that names the resource; None where Azure has only one such resource."""
        last = self.arm.rsplit("/", maxsplit=1)[-1]
        return last.strip("{}") if last.startswith("{") else None


KINDS: dict[str, Kind] = {
    "resources:ResourceGroup": Kind(
        "Microsoft.Resources/resourceGroups/{resourceGroupName}", "azure.mgmt.resource.resources.models.ResourceGroup"
    ),
    "network:VirtualNetwork": Kind(
        "Microsoft.Network/virtualNetworks/{virtualNetworkName}", "azure.mgmt.network.models.VirtualNetwork"
    ),
    "network:Subnet": Kind(
        "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
        "azure.mgmt.network.models.Subnet",
    ),
    "network:NetworkSecurityGroup": Kind(
        "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
        "azure.mgmt.network.models.NetworkSecurityGroup",
    ),
    "network:PublicIPAddress": Kind(
        "Microsoft.Network/publicIPAddresses/{publicIpAddressName}", "azure.mgmt.network.models.PublicIPAddress"
    ),
    "network:NatGateway": Kind(
        "Microsoft.Network/natGateways/{natGatewayName}",
        "azure.mgmt.network.models.NatGateway",
        label="outbound gateway",
    ),
    "network:RouteTable": Kind(
        "Microsoft.Network/routeTables/{routeTableName}", "azure.mgmt.network.models.RouteTable", label="route"
    ),
    "network:VirtualNetworkPeering": Kind(
        "Microsoft.Network/virtualNetworks/{virtualNetworkName}/virtualNetworkPeerings/{virtualNetworkPeeringName}",
        "azure.mgmt.network.models.VirtualNetworkPeering",
        label="peering",
    ),
    "network:PrivateEndpoint": Kind(
        "Microsoft.Network/privateEndpoints/{privateEndpointName}",
        "azure.mgmt.network.models.PrivateEndpoint",
        label="private endpoint",
    ),
    "network:PrivateDnsZoneGroup": Kind(
        "Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}",
        "azure.mgmt.network.models.PrivateDnsZoneGroup",
    ),
    "privatedns:PrivateZone": Kind(
        "Microsoft.Network/privateDnsZones/{privateZoneName}", "azure.mgmt.privatedns.models.PrivateZone"
    ),
    "privatedns:VirtualNetworkLink": Kind(
        "Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}",
        "azure.mgmt.privatedns.models.VirtualNetworkLink",
    ),
    "storage:StorageAccount": Kind(
        STORAGE, "azure.mgmt.storage.models.StorageAccountCreateParameters", label="storage"
    ),
    "storage:BlobServiceProperties": Kind(
        STORAGE + "/blobServices/default", "azure.mgmt.storage.models.BlobServiceProperties"
    ),
    "storage:FileServiceProperties": Kind(
        STORAGE + "/fileServices/default", "azure.mgmt.storage.models.FileServiceProperties"
    ),
    "storage:BlobContainer": Kind(
        STORAGE + "/blobServices/default/containers/{containerName}", "azure.mgmt.storage.models.BlobContainer"
    ),
    "storage:BlobContainerImmutabilityPolicy": Kind(
        STORAGE + "/blobServices/default/containers/{containerName}/immutabilityPolicies/default",
        "azure.mgmt.storage.models.ImmutabilityPolicy",
    ),
    "storage:Queue": Kind(
        STORAGE + "/queueServices/default/queues/{queueName}", "azure.mgmt.storage.models.StorageQueue"
    ),
    "keyvault:Vault": Kind(
        "Microsoft.KeyVault/vaults/{vaultName}",
        "azure.mgmt.keyvault.models.VaultCreateOrUpdateParameters",
        label="key vault",
    ),
    "operationalinsights:Workspace": Kind(
        "Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "azure.mgmt.loganalytics.models.Workspace",
        label="logs",
        monitoring=True,
    ),
    "applicationinsights:Component": Kind(
        "Microsoft.Insights/components/{resourceName}",
        "azure.mgmt.applicationinsights.models.ApplicationInsightsComponent",
        label="telemetry",
        monitoring=True,
    ),
    "monitor:ActionGroup": Kind(
        "Microsoft.Insights/actionGroups/{actionGroupName}",
        "azure.mgmt.monitor.models.ActionGroupResource",
        label="action group",
        monitoring=True,
    ),
    "monitor:MetricAlert": Kind(
        "Microsoft.Insights/metricAlerts/{ruleName}", "azure.mgmt.monitor.models.MetricAlertResource"
    ),
    "monitor:ScheduledQueryRule": Kind(
        "Microsoft.Insights/scheduledQueryRules/{ruleName}",
        "azure.mgmt.monitor.v2022_08_01_preview.models.ScheduledQueryRuleResource",
        monitoring=True,
    ),
    "monitor:AzureMonitorWorkspace": Kind(
        "Microsoft.Monitor/accounts/{azureMonitorWorkspaceName}",
        "azure.mgmt.monitor.models.AzureMonitorWorkspaceResource",
        label="metrics",
        monitoring=True,
    ),
    "monitor:DataCollectionEndpoint": Kind(
        "Microsoft.Insights/dataCollectionEndpoints/{dataCollectionEndpointName}",
        "azure.mgmt.monitor.models.DataCollectionEndpointResource",
    ),
    "monitor:DataCollectionRule": Kind(
        "Microsoft.Insights/dataCollectionRules/{dataCollectionRuleName}",
        "azure.mgmt.monitor.models.DataCollectionRuleResource",
    ),
    "alertsmanagement:PrometheusRuleGroup": Kind(
        "Microsoft.AlertsManagement/prometheusRuleGroups/{ruleGroupName}",
        "azure.mgmt.prometheusrulegroups.models.PrometheusRuleGroupResource",
    ),
    "dashboard:Grafana": Kind(
        "Microsoft.Dashboard/grafana/{workspaceName}",
        "azure.mgmt.dashboard.models.ManagedGrafana",
        label="Grafana",
        monitoring=True,
    ),
    "containerregistry:Registry": Kind(
        "Microsoft.ContainerRegistry/registries/{registryName}",
        "azure.mgmt.containerregistry.models.Registry",
        label="container registry",
    ),
    "containerregistry:Replication": Kind(
        "Microsoft.ContainerRegistry/registries/{registryName}/replications/{replicationName}",
        "azure.mgmt.containerregistry.models.Replication",
    ),
    "managedidentity:UserAssignedIdentity": Kind(
        "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}", "azure.mgmt.msi.models.Identity"
    ),
    "managedidentity:FederatedIdentityCredential": Kind(
        "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}",
        "azure.mgmt.msi.models.FederatedIdentityCredential",
    ),
    "machinelearningservices:Workspace": Kind(WORKSPACE, f"{ML_MODELS}.Workspace", label="Azure ML workspace"),
    "machinelearningservices:Compute": Kind(
        WORKSPACE + "/computes/{computeName}", f"{ML_MODELS}.ComputeResource", label="compute"
    ),
    "machinelearningservices:Datastore": Kind(WORKSPACE + "/datastores/{name}", f"{ML_MODELS}.Datastore"),
    "machinelearningservices:Registry": Kind(
        "Microsoft.MachineLearningServices/registries/{registryName}",
        f"{ML_MODELS}.Registry",
        label="Azure ML registry",
    ),
    "containerservice:ManagedCluster": Kind(
        CLUSTER, "azure.mgmt.containerservice.models.ManagedCluster", label="Kubernetes cluster"
    ),
    "containerservice:AgentPool": Kind(
        CLUSTER + "/agentPools/{agentPoolName}", "azure.mgmt.containerservice.models.AgentPool", label="node pool"
    ),
    "containerservice:ManagedNamespace": Kind(
        CLUSTER + "/managedNamespaces/{managedNamespaceName}", "azure.mgmt.containerservice.models.ManagedNamespace"
    ),
    "containerservice:MaintenanceConfiguration": Kind(
        CLUSTER + "/maintenanceConfigurations/{configName}",
        "azure.mgmt.containerservice.models.MaintenanceConfiguration",
    ),
    "kubernetesconfiguration:Extension": Kind(
        "Microsoft.KubernetesConfiguration/extensions/{extensionName}",
        "azure.mgmt.kubernetesconfiguration.models.Extension",
        scope=GROUP + "/providers/{clusterRp}/{clusterResourceName}/{clusterName}",
    ),
    "eventgrid:SystemTopic": Kind(
        "Microsoft.EventGrid/systemTopics/{systemTopicName}",
        "azure.mgmt.eventgrid.models.SystemTopic",
        label="workspace events",
        monitoring=True,
    ),
    "eventgrid:SystemTopicEventSubscription": Kind(
        "Microsoft.EventGrid/systemTopics/{systemTopicName}/eventSubscriptions/{eventSubscriptionName}",
        "azure.mgmt.eventgrid.models.EventSubscription",
    ),
    "eventgrid:Topic": Kind(
        "Microsoft.EventGrid/topics/{topicName}",
        "azure.mgmt.eventgrid.models.Topic",
        label="event topic",
        monitoring=True,
    ),
    "eventgrid:TopicEventSubscription": Kind(
        "Microsoft.EventGrid/topics/{topicName}/eventSubscriptions/{eventSubscriptionName}",
        "azure.mgmt.eventgrid.models.EventSubscription",
    ),
    "servicebus:Namespace": Kind(
        "Microsoft.ServiceBus/namespaces/{namespaceName}",
        "azure.mgmt.servicebus.models.SBNamespace",
        label="drift queue",
        monitoring=True,
    ),
    "servicebus:Queue": Kind(
        "Microsoft.ServiceBus/namespaces/{namespaceName}/queues/{queueName}", "azure.mgmt.servicebus.models.SBQueue"
    ),
    "logic:Workflow": Kind(
        "Microsoft.Logic/workflows/{workflowName}",
        "azure.mgmt.logic.models.Workflow",
        label="drift handler",
        monitoring=True,
    ),
    "authorization:RoleAssignment": Kind(
        "Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        "azure.mgmt.authorization.models.RoleAssignmentCreateParameters",
        scope="{scope}",
    ),
    "authorization:ManagementLockByScope": Kind(
        "Microsoft.Authorization/locks/{lockName}",
        "azure.mgmt.resource.locks.models.ManagementLockObject",
        scope="{scope}",
    ),
    "monitor:DataCollectionRuleAssociation": Kind(
        "Microsoft.Insights/dataCollectionRuleAssociations/{associationName}",
        "azure.mgmt.monitor.models.DataCollectionRuleAssociationProxyOnlyResource",
        scope="{resourceUri}",
    ),
    "monitor:DiagnosticSetting": Kind(
        "Microsoft.Insights/diagnosticSettings/{name}",
        "azure.mgmt.monitor.models.DiagnosticSettingsResource",
        scope="{resourceUri}",
    ),
    "consumption:Budget": Kind(
        "Microsoft.Consumption/budgets/{budgetName}", "azure.mgmt.consumption.models.Budget", scope="{scope}"
    ),
}
