"""Environments that the service provides: in the registry `azureml`, and by their reserved names in every workspace.

They exist without being registered, in every version that is asked for: here they are names, since jobs run in an
interpreter of this machine. The emulator does not know which versions Azure has; it answers LATEST for the label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, Scope
from azureml_emulator.kernel.store import Resource

SYSTEM_REGISTRY = "azureml"
LATEST = "1"
_CONTAINER = "environments"
_VERSION = "environments/versions"
_SERVICE = "Microsoft"
_CREATED = "2022-01-01T00:00:00+00:00"
# Names with this prefix are the service's, also without the registry.
_RESERVED = re.compile(r"azureml-[\w.-]+", re.IGNORECASE)
_IN_REGISTRY = re.compile(
    r"acpt-[\w.-]*pytorch[\w.-]*|sklearn-\d+\.\d+|lightgbm(-\d+\.\d+)?|tensorflow-\d+\.\d+(-cuda\d+(\.\d+)?)?"
    r"|responsibleai[\w.-]*|(ai-ml-)?automl[\w.-]*|python-sdk-v2|minimal-[\w.-]+-inference|[a-z]+-[\w.-]+-inference",
    re.IGNORECASE,
)
_BY_NAME = re.compile(r"(azureml:)?(?P<name>[^:@/]+)(:(?P<version>[1-9]\d*)|@[^:@/]+)")
_NUMBER = re.compile(r"[1-9]\d*")


def curated_environment(path: ResourcePath) -> Resource | None:
    """The version or the container of a curated environment, or None when the path is not that of one.

    The version `azureml_default` and any label is the latest.
    """
    if not path.pairs or not is_curated(path.pairs[0][1], path.scope) or path.pairs[0][0].lower() != _CONTAINER:
        return None
    if len(path.pairs) == 1:
        return _resource(path, _CONTAINER, {"latestVersion": LATEST, "nextVersion": str(int(LATEST) + 1)})
    segment, version = path.pairs[1]
    if segment.lower() == "labels":
        version = LATEST
    if segment.lower() not in {"versions", "labels"} or not _NUMBER.fullmatch(version):
        return None
    name = path.pairs[0][1]
    properties = {
        "image": f"mcr.microsoft.com/azureml/curated/{name.lower()}:{version}",
        "environmentType": "Curated",
        "osType": "Linux",
        "isAnonymous": False,
    }
    return _resource(path.parent.child("versions", version), _VERSION, properties)


def with_registry(reference: Any, scope: Scope) -> Any:
    """A reference to a curated environment by its name, as the service keeps it: with the registry and a version.

    Any other value is returned unchanged.
    """
    match = _BY_NAME.fullmatch(reference) if isinstance(reference, str) else None
    if match is None or scope.kind != "workspaces" or not is_curated(match["name"], scope):
        return reference
    version = match["version"] or LATEST
    return f"azureml://registries/{SYSTEM_REGISTRY}/environments/{match['name']}/versions/{version}"


def is_curated(name: str, scope: Scope) -> bool:
    """Whether the service provides an environment of this name in a workspace or registry."""
    if _RESERVED.fullmatch(name):
        return scope.kind == "workspaces" or scope.name.lower() == SYSTEM_REGISTRY
    return scope.kind == "registries" and scope.name.lower() == SYSTEM_REGISTRY and bool(_IN_REGISTRY.fullmatch(name))


def _resource(path: ResourcePath, kind: str, properties: Mapping[str, Any]) -> Resource:
    who = {"createdBy": _SERVICE, "createdByType": "Application", "createdAt": _CREATED}
    changed = {"lastModifiedBy": _SERVICE, "lastModifiedByType": "Application", "lastModifiedAt": _CREATED}
    document = {
        "id": path.id,
        "name": path.name,
        "type": f"{PROVIDER}/{path.scope.kind}/{kind}",
        "properties": {"description": None, "tags": {}, "properties": {}, "isArchived": False, **properties},
        "systemData": {**who, **changed},
    }
    return Resource(path.key, kind, path.parent.key, document)
