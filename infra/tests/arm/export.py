"""From what the program declares to what Azure Resource Manager is sent.

The provider takes flattened inputs; here they are put back to where Microsoft's model has them. A key that is not in
the model stays in place, for the validation to find.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from dry_run.kinds import kind_of
from dry_run.result import ResourceRecord
from tests.arm.shapes import ValueType, shape_of

RENAMED = {
    "storage:StorageAccount": {
        "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
        "networkRuleSet": "networkAcls",
        "keyVaultProperties": "keyvaultproperties",
        "keyVaultUri": "keyvaulturi",
        "keyName": "keyname",
        "encryptionIdentity": "identity",
        "encryptionUserAssignedIdentity": "userAssignedIdentity",
    },
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
# Inputs of the provider that are neither in the id nor in what Azure is sent.
NOT_SENT = {"resourceGroupName", "skipValidation", "blobServicesName", "fileServicesName", "immutabilityPolicyName"}


def model_of(record: ResourceRecord) -> type:
    """Microsoft's model of a resource. Raises LookupError for a kind without one."""
    if not has_model(record):
        raise LookupError(f"arm_kinds.py has no model for {record.azure_type}; add Microsoft's class to its row")
    module, name = kind_of(record.azure_type).model.rsplit(".", maxsplit=1)
    return getattr(importlib.import_module(module), name)


def has_model(record: ResourceRecord) -> bool:
    """Whether Microsoft's model of a resource is known: a fork's own kinds may do without."""
    return bool(kind_of(record.azure_type).model)


def body_of(record: ResourceRecord) -> dict[str, Any]:
    """What Azure is sent for a resource, without type, name and API version."""
    left_out = NOT_SENT | kind_of(record.azure_type).id_inputs
    kept = {key: value for key, value in record.inputs.items() if key not in left_out}
    if not has_model(record):
        return kept
    return _placed(_renamed(kept, RENAMED.get(record.azure_type, {})), ValueType("model", model=model_of(record)))


def arm_resource(record: ResourceRecord) -> dict[str, Any]:
    """A resource as it would be in an ARM template."""
    return {
        "type": kind_of(record.azure_type).arm_type,
        "apiVersion": api_version(record),
        "name": record.id.rsplit("/", maxsplit=1)[-1],
        "id": record.id,
        **body_of(record),
    }


def api_version(record: ResourceRecord) -> str:
    """The API version that the provider uses, read from the docstring of the resource's class."""
    module, kind = record.azure_type.split(":")
    source = inspect.getsource(getattr(importlib.import_module(f"pulumi_azure_native.{module}"), kind))
    found = re.search(r"API version (\d{4}-\d\d-\d\d(?:-preview)?)", source)
    if found is None:
        raise LookupError(f"the docstring of {record.type} names no API version")
    return found.group(1)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(part, names) for key, part in value.items()}
    return [_renamed(part, names) for part in value] if isinstance(value, list) else value


def _placed(value: Any, kind: ValueType | None) -> Any:
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
