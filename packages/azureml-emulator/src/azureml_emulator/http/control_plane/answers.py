"""What an answer has beyond the stored document: fields the service fills in, ids of managed identities, and the
names that assets of registries have for their clients.
"""

from __future__ import annotations

import uuid
from typing import Any

from azureml_emulator.kernel.behaviours import Behaviours
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import ResourcePath, parse_resource_path, registry_id
from azureml_emulator.kernel.service_fields import filled
from azureml_emulator.kernel.store import Resource
from azureml_emulator.security.tokens import TENANT

_NOBODY = str(uuid.UUID(int=0))
# Registries answer these as their data plane does, by a type without a provider.
_PLAIN_TYPES = frozenset({"data", "environments", "models"})


def shown(behaviours: Behaviours, resource: Resource) -> dict[str, Any]:
    """The document of a resource as the service answers it."""
    kind = kind_of(resource.kind)
    document = behaviours.of(kind).present(resource)
    if document.get("properties") is None:
        return document
    document = with_identity(filled(document, kind.filled), resource)
    path = parse_resource_path(resource.id)
    return _in_registry(document, path) if path.scope.kind == "registries" and path.pairs else document


def with_identity(document: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """The document; a managed identity that the service creates has its ids."""
    identity = document.get("identity")
    if not isinstance(identity, dict) or "type" not in identity:
        return document
    if "SystemAssigned" in str(identity["type"]):
        ids = {"principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{resource.key}/identity")), "tenantId": TENANT}
    else:
        ids = {"principalId": _NOBODY, "tenantId": _NOBODY}
    return {**document, "identity": filled(identity, ids)}


def _in_registry(document: dict[str, Any], path: ResourcePath) -> dict[str, Any]:
    segment, name = path.pairs[0]
    answer = {**document, "id": registry_id(path)}
    if segment.lower() in _PLAIN_TYPES:
        answer["type"] = segment.lower()
    # The SDK reads the version from the id.
    return {**answer, "name": name} if segment.lower() == "models" else answer
