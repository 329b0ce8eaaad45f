"""From what the program declares to what Azure Resource Manager is sent.

The provider takes inputs flattened; here they are put back where Microsoft's model has them. A key that the model
does not know stays where it is, for validation to find.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from rehearsal.arm_ids import PATHS, SCOPES, arm_type
from rehearsal.records import Record
from tests.arm.shapes import Kind, shape_of

RENAMED = {
    "storage:StorageAccount": {"enableHttpsTrafficOnly": "supportsHttpsTrafficOnly", "networkRuleSet": "networkAcls"},
    "applicationinsights:Component": {
        "applicationType": "Application_Type",
        "flowType": "Flow_Type",
        "requestSource": "Request_Source",
        "workspaceResourceId": "WorkspaceResourceId",
        "ingestionMode": "IngestionMode",
        "disableLocalAuth": "DisableLocalAuth",
        "retentionInDays": "RetentionInDays",
    },
    "monitor:MetricAlert": {"odataType": "odata.type"},
}
MODELS = {
    "resources:ResourceGroup": "azure.mgmt.resource.resources.models.ResourceGroup",
    "network:VirtualNetwork": "azure.mgmt.network.models.VirtualNetwork",
    "network:Subnet": "azure.mgmt.network.models.Subnet",
    "network:NetworkSecurityGroup": "azure.mgmt.network.models.NetworkSecurityGroup",
    "network:PublicIPAddress": "azure.mgmt.network.models.PublicIPAddress",
    "network:NatGateway": "azure.mgmt.network.models.NatGateway",
    "network:PrivateEndpoint": "azure.mgmt.network.models.PrivateEndpoint",
    "network:PrivateDnsZoneGroup": "azure.mgmt.network.models.PrivateDnsZoneGroup",
    "privatedns:PrivateZone": "azure.mgmt.privatedns.models.PrivateZone",
    "privatedns:VirtualNetworkLink": "azure.mgmt.privatedns.models.VirtualNetworkLink",
    "storage:StorageAccount": "azure.mgmt.storage.models.StorageAccountCreateParameters",
    "storage:BlobServiceProperties": "azure.mgmt.storage.models.BlobServiceProperties",
    "storage:FileServiceProperties": "azure.mgmt.storage.models.FileServiceProperties",
    "storage:BlobContainer": "azure.mgmt.storage.models.BlobContainer",
    "storage:BlobContainerImmutabilityPolicy": "azure.mgmt.storage.models.ImmutabilityPolicy",
    "storage:Queue": "azure.mgmt.storage.models.StorageQueue",
    "keyvault:Vault": "azure.mgmt.keyvault.models.VaultCreateOrUpdateParameters",
    "operationalinsights:Workspace": "azure.mgmt.loganalytics.models.Workspace",
    "applicationinsights:Component": "azure.mgmt.applicationinsights.models.ApplicationInsightsComponent",
    "monitor:ActionGroup": "azure.mgmt.monitor.models.ActionGroupResource",
    "monitor:MetricAlert": "azure.mgmt.monitor.models.MetricAlertResource",
    "monitor:AzureMonitorWorkspace": "azure.mgmt.monitor.models.AzureMonitorWorkspaceResource",
    "monitor:DataCollectionEndpoint": "azure.mgmt.monitor.models.DataCollectionEndpointResource",
    "monitor:DataCollectionRule": "azure.mgmt.monitor.models.DataCollectionRuleResource",
    "monitor:DataCollectionRuleAssociation": "azure.mgmt.monitor.models.DataCollectionRuleAssociationProxyOnlyResource",
    "alertsmanagement:PrometheusRuleGroup": "azure.mgmt.prometheusrulegroups.models.PrometheusRuleGroupResource",
    "dashboard:Grafana": "azure.mgmt.dashboard.models.ManagedGrafana",
    "monitor:DiagnosticSetting": "azure.mgmt.monitor.models.DiagnosticSettingsResource",
    "containerregistry:Registry": "azure.mgmt.containerregistry.models.Registry",
    "managedidentity:UserAssignedIdentity": "azure.mgmt.msi.models.Identity",
    "managedidentity:FederatedIdentityCredential": "azure.mgmt.msi.models.FederatedIdentityCredential",
    "authorization:RoleAssignment": "azure.mgmt.authorization.models.RoleAssignmentCreateParameters",
    "authorization:ManagementLockByScope": "azure.mgmt.resource.locks.models.ManagementLockObject",
    "machinelearningservices:Workspace": "azure.ai.ml._restclient.arm_ml_service.models.Workspace",
    "machinelearningservices:Compute": "azure.ai.ml._restclient.arm_ml_service.models.ComputeResource",
    "machinelearningservices:Datastore": "azure.ai.ml._restclient.arm_ml_service.models.Datastore",
    "machinelearningservices:Registry": "azure.ai.ml._restclient.arm_ml_service.models.Registry",
    "containerservice:ManagedCluster": "azure.mgmt.containerservice.models.ManagedCluster",
    "containerservice:AgentPool": "azure.mgmt.containerservice.models.AgentPool",
    "containerservice:ManagedNamespace": "azure.mgmt.containerservice.models.ManagedNamespace",
    "kubernetesconfiguration:Extension": "azure.mgmt.kubernetesconfiguration.models.Extension",
    "eventgrid:SystemTopic": "azure.mgmt.eventgrid.models.SystemTopic",
    "eventgrid:SystemTopicEventSubscription": "azure.mgmt.eventgrid.models.EventSubscription",
    "eventgrid:Topic": "azure.mgmt.eventgrid.models.Topic",
    "eventgrid:TopicEventSubscription": "azure.mgmt.eventgrid.models.EventSubscription",
    "servicebus:Namespace": "azure.mgmt.servicebus.models.SBNamespace",
    "servicebus:Queue": "azure.mgmt.servicebus.models.SBQueue",
    "logic:Workflow": "azure.mgmt.logic.models.Workflow",
    "consumption:Budget": "azure.mgmt.consumption.models.Budget",
}
NOT_SENT = {"resourceGroupName", "clusterRp", "clusterResourceName", "clusterName", "skipValidation"}


def type_of(record: Record) -> str:
    """The provider's type without its package: `storage:StorageAccount`."""
    return record.type.removeprefix("azure-native:")


def model_of(record: Record) -> type:
    """Microsoft's model of a resource. Raises LookupError for a type without one: add it to MODELS."""
    if type_of(record) not in MODELS:
        raise LookupError(f"tests/arm/export.py knows no model of {type_of(record)}; add it to MODELS")
    module, name = MODELS[type_of(record)].rsplit(".", maxsplit=1)
    return getattr(importlib.import_module(module), name)


def body_of(record: Record) -> dict[str, Any]:
    """What Azure is sent for a resource, without type, name and API version."""
    type_ = type_of(record)
    path_keys = {key for _, key in PATHS[type_].parts} if type_ in PATHS else {"resourceGroupName"}
    path_keys |= NOT_SENT | ({SCOPES[type_]} if type_ in SCOPES else set()) | {"blobServicesName", "fileServicesName"}
    path_keys |= {"immutabilityPolicyName"}
    kept = {key: value for key, value in record.inputs.items() if key not in path_keys}
    return _placed(_renamed(kept, RENAMED.get(type_, {})), Kind("model", model=model_of(record)))


def arm_resource(record: Record) -> dict[str, Any]:
    """A resource as it would stand in an ARM template."""
    name = record.id.rsplit("/", maxsplit=1)[-1]
    return {
        "type": arm_type(type_of(record)),
        "apiVersion": api_version(record),
        "name": name,
        "id": record.id,
        **body_of(record),
    }


def api_version(record: Record) -> str:
    """The API version that the provider uses, which stands in the docstring of the resource's class."""
    module, kind = type_of(record).split(":")
    source = inspect.getsource(getattr(importlib.import_module(f"pulumi_azure_native.{module}"), kind))
    found = re.search(r"API version (\d{4}-\d\d-\d\d(?:-preview)?)", source)
    if found is None:
        raise LookupError(f"the docstring of {record.type} names no API version")
    return found.group(1)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(part, names) for key, part in value.items()}
    return [_renamed(part, names) for part in value] if isinstance(value, list) else value


def _placed(value: Any, kind: Kind | None) -> Any:
    if kind is None or kind.what in ("scalar", "any"):
        return value
    if kind.what == "list":
        return [_placed(item, kind.inner) for item in value] if isinstance(value, list) else value
    if not isinstance(value, dict):
        identities = isinstance(value, list) and kind.what == "map"
        return {identity: {} for identity in value} if identities else value
    if kind.what == "map":
        return {key: _placed(item, kind.inner) for key, item in value.items()}
    return _placed_in_model(value, kind.model)


def _placed_in_model(value: dict[str, Any], model: type | None) -> dict[str, Any]:
    if model is None:
        return value
    shape = shape_of(model)
    chosen = shape.descendants.get(str(value.get(shape.discriminator))) if shape.discriminator else None
    if chosen is not None and chosen is not model:
        return _placed_in_model(value, chosen)
    paths = {entry.path[-1]: (entry.path[:-1], entry.kind) for entry in shape.fields if len(entry.path) > 1}
    top = {entry.path[0]: entry.kind for entry in shape.fields if len(entry.path) == 1}
    bag = top.get("properties")
    if bag is not None and bag.model is not None:
        inner = shape_of(bag.model)
        paths |= {entry.path[0]: (("properties",), entry.kind) for entry in inner.fields if entry.path[0] not in top}
    placed: dict[str, Any] = {}
    for key, item in value.items():
        if key in top:
            placed[key] = _placed(item, top[key])
        else:
            prefix, kind = paths.get(key, ((), None))
            branch = placed
            for part in prefix:
                branch = branch.setdefault(part, {})
            branch[key] = _placed(item, kind)
    return placed
