"""Fields that the service adds to what a request left out or sent as null, per kind, as recorded from Azure.

Whole documents, as a GET shows them. Only data and how it is merged; which kind has which is said in `kinds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_NOTES: Mapping[str, Any] = {"description": None, "properties": {}, "tags": {}}
_VERSION: Mapping[str, Any] = {**_NOTES, "isAnonymous": False, "isArchived": False}

WORKSPACE: Mapping[str, Any] = {
    "etag": None,
    "identity": {"type": "SystemAssigned"},
    "kind": "Default",
    "sku": {"name": "Basic", "tier": "Basic"},
    "tags": {},
    "properties": {
        "applicationInsights": None,
        "containerRegistry": "",
        "description": "",
        "enableDataIsolation": False,
        "hbiWorkspace": False,
        "imageBuildCompute": None,
        "keyVault": None,
        "linkedModelInventoryArmId": None,
        "notebookInfo": {
            "fqdn": None,
            "isPrivateLinkEnabled": False,
            "notebookPreparationError": None,
            "resourceId": None,
        },
        "privateLinkCount": 0,
        "sasGetterUri": "",
        "sdkTelemetryAppInsightsKey": None,
        "softDeleteEnabled": False,
        "storageHnsEnabled": False,
        "v1LegacyMode": False,
    },
}
REGISTRY: Mapping[str, Any] = {
    "identity": {"type": "SystemAssigned"},
    "tags": {},
    "properties": {
        "intellectualPropertyPublisher": None,
        "managedResourceGroupTags": {},
        "publicNetworkAccess": "Enabled",
        "regionDetails": [],
    },
}
BATCH_ENDPOINT: Mapping[str, Any] = {
    "identity": {"type": "None"},
    "tags": {},
    "properties": {"defaults": {"deploymentName": None}, "description": None, "properties": {}},
}
BATCH_DEPLOYMENT: Mapping[str, Any] = {
    "tags": {},
    "properties": {
        "description": None,
        "environmentVariables": {},
        "properties": {},
        "resources": {"instanceType": None, "properties": None},
    },
}
ONLINE_ENDPOINT: Mapping[str, Any] = {
    "identity": {"type": "None"},
    "tags": {},
    "properties": {"compute": None, "description": None, "properties": {}},
}
ONLINE_DEPLOYMENT: Mapping[str, Any] = {
    "sku": {"name": "Default", "tier": "Standard"},
    "tags": {},
    "properties": {
        "appInsightsEnabled": False,
        "codeConfiguration": None,
        "dataCollector": None,
        "description": None,
        "egressPublicNetworkAccess": "Enabled",
        "environmentId": None,
        "environmentVariables": {},
        "model": None,
        "modelMountPath": None,
        "properties": {},
    },
}
COMPUTE: Mapping[str, Any] = {
    "tags": {},
    "properties": {
        "description": None,
        "disableLocalAuth": False,
        "isAttachedCompute": False,
        "provisioningErrors": None,
        "resourceId": None,
    },
}
DATASTORE: Mapping[str, Any] = {
    "properties": {
        "description": None,
        "properties": None,
        "serviceDataAccessAuthIdentity": "None",
        "tags": None,
    }
}
SCHEDULE: Mapping[str, Any] = {
    "properties": {**_NOTES, "displayName": None, "isEnabled": True},
}
CONNECTION: Mapping[str, Any] = {"location": None, "tags": None, "properties": {"expiryTime": None}}
CONTAINER: Mapping[str, Any] = {
    "properties": {**_NOTES, "isArchived": False, "latestVersion": None, "nextVersion": "1"},
}
DATA_CONTAINER: Mapping[str, Any] = {
    "properties": {**CONTAINER["properties"], "dataType": None, "properties": None, "tags": None},
}
VERSION: Mapping[str, Any] = {"properties": _VERSION}
FEATURE_SET: Mapping[str, Any] = {
    "properties": {**_VERSION, "autoDeleteSetting": None, "materializationSettings": None},
}
MODEL: Mapping[str, Any] = {"properties": {**_VERSION, "flavors": {}, "jobName": None}}
ENVIRONMENT: Mapping[str, Any] = {
    "properties": {**_VERSION, "environmentType": "UserCreated", "osType": "Linux"},
}


def capitalised(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The properties, with these choices as the service answers them: the SDK sends `enabled`, as in its YAML."""
    given = {name: properties[name] for name in names if isinstance(properties.get(name), str)}
    return {**properties, **{name: value[:1].upper() + value[1:] for name, value in given.items()}}


def filled(document: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the fields that it does not have or has as null; objects are merged."""
    result = dict(document)
    for name, value in fields.items():
        given = result.get(name)
        if given is None:
            result[name] = deepcopy(value)
        elif isinstance(given, Mapping) and isinstance(value, Mapping):
            result[name] = filled(given, value)
    return result
