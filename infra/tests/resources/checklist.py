"""The property checklist, one row per rule: what every stage must fulfil, but for the relaxations of development."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dry_run.result import DryRun, ResourceRecord

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Row:
    """One row: on every resource of a type, the value at a path must pass."""

    name: str
    type_: str
    checks: dict[str, Check]

    def failures(self, run: DryRun) -> list[str]:
        """What breaks the row, one sentence each. A stage without such a resource breaks nothing."""
        excepted = EXCEPTIONS.get(self.name, {})
        return [
            f"{record.name}: {path} is {value!r}"
            for record in run.of(self.type_)
            if record.name not in excepted
            for path, check in self.checks.items()
            if not check(value := value_at(record, path))
        ]


# Resources that need not fulfil a row in any stage, by the row's name, with the reason.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "key vault network": {
        "handler-vault": "a vault's firewall does not trust Logic Apps; the vault holds one token only"
    }
}


def value_at(record: ResourceRecord, path: str) -> Any:
    """The input at a dotted path, or None."""
    value: Any = record.inputs
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def equals(expected: object) -> Check:
    return lambda value: value == expected


def one_of(*expected: object) -> Check:
    return lambda value: value in expected


def at_least(limit: float) -> Check:
    return lambda value: value is not None and value >= limit


TRUE, FALSE = (lambda value: value is True), (lambda value: value is False)
DISABLED, DENY = equals("Disabled"), equals("Deny")
STORAGE, VAULT, IMAGES = "storage:StorageAccount", "keyvault:Vault", "containerregistry:Registry"
WORKSPACE, COMPUTE = "machinelearningservices:Workspace", "machinelearningservices:Compute"
CLUSTER, POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"
TOPIC, MESSAGES = "eventgrid:Topic", "servicebus:Namespace"
GRAFANA = "dashboard:Grafana"
LOGS, INSIGHTS = "operationalinsights:Workspace", "applicationinsights:Component"


def cluster_only(check: Check) -> Check:
    """A check of training clusters only: the attached Kubernetes compute has no such property."""
    return lambda value: value is None or check(value)


CHECKLIST: tuple[Row, ...] = (
    Row("storage keys", STORAGE, {"allowSharedKeyAccess": FALSE}),
    Row("storage anonymous", STORAGE, {"allowBlobPublicAccess": FALSE}),
    Row("storage tls", STORAGE, {"minimumTlsVersion": equals("TLS1_2")}),
    Row("storage https", STORAGE, {"enableHttpsTrafficOnly": TRUE}),
    Row("storage tenants", STORAGE, {"allowCrossTenantReplication": FALSE}),
    Row("storage oauth", STORAGE, {"defaultToOAuthAuthentication": TRUE}),
    Row("storage local users", STORAGE, {"isLocalUserEnabled": FALSE}),
    Row("storage encryption", STORAGE, {"encryption.requireInfrastructureEncryption": TRUE}),
    Row(
        "storage network",
        STORAGE,
        {
            "publicNetworkAccess": DISABLED,
            "networkRuleSet.defaultAction": DENY,
            "networkRuleSet.bypass": equals("AzureServices"),
        },
    ),
    Row("storage redundancy", STORAGE, {"sku.name": one_of("Standard_ZRS", "Standard_GZRS", "Standard_RAGZRS")}),
    Row(
        "storage soft delete",
        "storage:BlobServiceProperties",
        {
            "deleteRetentionPolicy.enabled": TRUE,
            "deleteRetentionPolicy.days": at_least(7),
            "containerDeleteRetentionPolicy.enabled": TRUE,
            "isVersioningEnabled": TRUE,
        },
    ),
    Row("storage share soft delete", "storage:FileServiceProperties", {"shareDeleteRetentionPolicy.enabled": TRUE}),
    Row("storage containers", "storage:BlobContainer", {"publicAccess": equals("None")}),
    Row("key vault roles", VAULT, {"properties.enableRbacAuthorization": TRUE}),
    Row("key vault soft delete", VAULT, {"properties.enableSoftDelete": TRUE}),
    Row("key vault retention", VAULT, {"properties.softDeleteRetentionInDays": equals(90)}),
    Row("key vault purge protection", VAULT, {"properties.enablePurgeProtection": TRUE}),
    Row(
        "key vault network",
        VAULT,
        {"properties.publicNetworkAccess": DISABLED, "properties.networkAcls.defaultAction": DENY},
    ),
    Row("container registry administrator", IMAGES, {"adminUserEnabled": FALSE}),
    Row("container registry anonymous", IMAGES, {"anonymousPullEnabled": FALSE}),
    Row("container registry tier", IMAGES, {"sku.name": equals("Premium")}),
    Row("container registry network", IMAGES, {"publicNetworkAccess": DISABLED}),
    Row("container registry zones", IMAGES, {"zoneRedundancy": equals("Enabled")}),
    Row("workspace network", WORKSPACE, {"publicNetworkAccess": DISABLED}),
    Row("workspace datastores", WORKSPACE, {"systemDatastoresAuthMode": equals("Identity")}),
    Row("workspace legacy", WORKSPACE, {"v1LegacyMode": FALSE}),
    Row(
        "workspace identity",
        WORKSPACE,
        {"identity.type": equals("UserAssigned"), "primaryUserAssignedIdentity": bool},
    ),
    Row("compute passwords", COMPUTE, {"properties.disableLocalAuth": TRUE}),
    Row(
        "compute idle",
        COMPUTE,
        {
            "properties.properties.scaleSettings.minNodeCount": cluster_only(equals(0)),
            "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown": cluster_only(
                one_of("PT2M", "PT3M", "PT4M", "PT5M")
            ),
        },
    ),
    Row(
        "compute remote login",
        COMPUTE,
        {"properties.properties.remoteLoginPortPublicAccess": cluster_only(DISABLED)},
    ),
    Row("compute public ip", COMPUTE, {"properties.properties.enableNodePublicIp": cluster_only(FALSE)}),
    Row("compute priority", COMPUTE, {"properties.properties.vmPriority": cluster_only(equals("Dedicated"))}),
    Row("compute identity", COMPUTE, {"identity.type": equals("UserAssigned")}),
    Row(
        "kubernetes roles",
        CLUSTER,
        {"enableRBAC": TRUE, "aadProfile.managed": TRUE, "aadProfile.enableAzureRBAC": TRUE},
    ),
    Row(
        "kubernetes workload identity",
        CLUSTER,
        {"oidcIssuerProfile.enabled": TRUE, "securityProfile.workloadIdentity.enabled": TRUE},
    ),
    Row("kubernetes policy", CLUSTER, {"addonProfiles.azurepolicy.enabled": TRUE}),
    Row("kubernetes autoscaler", CLUSTER, {"agentPoolProfiles.0.enableAutoScaling": TRUE}),
    Row("kubernetes upgrades", CLUSTER, {"autoUpgradeProfile.upgradeChannel": equals("stable")}),
    Row("kubernetes private", CLUSTER, {"apiServerAccessProfile.enablePrivateCluster": TRUE}),
    Row("kubernetes tier", CLUSTER, {"sku.tier": equals("Standard")}),
    Row("kubernetes scoring pool", POOL, {"enableAutoScaling": TRUE, "enableNodePublicIP": FALSE}),
    Row("telemetry passwords", INSIGHTS, {"disableLocalAuth": TRUE}),
    Row("telemetry store", INSIGHTS, {"ingestionMode": equals("LogAnalytics"), "workspaceResourceId": bool}),
    Row("grafana keys", GRAFANA, {"properties.apiKey": DISABLED, "sku.name": equals("Standard")}),
    Row("grafana identity", GRAFANA, {"identity.type": equals("UserAssigned")}),
    Row("logs passwords", LOGS, {"features.disableLocalAuth": TRUE}),
    Row("logs quota", LOGS, {"workspaceCapping.dailyQuotaGb": at_least(0.1)}),
    Row("logs retention", LOGS, {"retentionInDays": equals(30)}),
    Row("topic passwords", TOPIC, {"disableLocalAuth": TRUE}),
    Row("topic tls", TOPIC, {"minimumTlsVersionAllowed": equals("1.2")}),
    Row("topic network", TOPIC, {"publicNetworkAccess": DISABLED}),
    Row("drift queue passwords", MESSAGES, {"disableLocalAuth": TRUE}),
    Row("drift queue tls", MESSAGES, {"minimumTlsVersion": equals("1.2")}),
    Row("audit", "storage:BlobContainerImmutabilityPolicy", {"immutabilityPeriodSinceCreationInDays": at_least(365)}),
)
