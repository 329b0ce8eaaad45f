"""The KINDS table: every type of resource, its name rule, what of it may change once it exists, and what it does.

A new kind is one line here. What it does beyond being stored is a Behaviour (`behaviours.py`), which the line names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from azureml_emulator.kernel import service_fields
from azureml_emulator.kernel.errors import BadRequest

_SCOPE_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}$"
_ASSET_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"
_ENDPOINT_NAME = r"^[a-zA-Z](?:[a-zA-Z0-9-]{1,30}[a-zA-Z0-9])$"
_COMPUTE_NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$"
_CONNECTION_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{2,63}$"
_DATASTORE_NAME = r"^[a-zA-Z0-9_]{1,255}$"
_JOB_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"
_WORKSPACES = ("workspaces",)
_ANY_SCOPE = ("workspaces", "registries")

BehaviourName = Literal[
    "stored",
    "asset_container",
    "asset_version",
    "code_version",
    "component_version",
    "data_version",
    "environment_version",
    "model_version",
    "scope",
    "batch_endpoint",
    "batch_deployment",
    "compute",
    "connection",
    "datastore",
    "job",
    "online_endpoint",
    "online_deployment",
    "schedule",
]
"""What the composition root (`app.py`) has a behaviour for; "stored" keeps the document and nothing else."""


@dataclass(frozen=True)
class Kind:
    """One type of resource.

    `content` names the properties that make an asset version what it is: a PUT that changes one of them is refused,
    since a version is immutable. `is_container` marks what is created with its first version, such as models/m above
    models/m/versions/1. `scopes` are the kinds of scope that it can be in. `filled` are the fields that the service
    fills in where a document has none, or null. Not every kind `has_state`, a provisioning state. `missing_code` is
    the code of the error for one that does not exist.
    """

    path: str
    name_pattern: str = _ASSET_NAME
    behaviour: BehaviourName = "stored"
    content: tuple[str, ...] = ()
    is_container: bool = False
    scopes: tuple[str, ...] = _WORKSPACES
    filled: Mapping[str, Any] = field(default_factory=dict)
    has_state: bool = True
    missing_code: str = "UserError"

    def check_name(self, name: str) -> None:
        """Raise BadRequest when the name breaks the kind's pattern."""
        # Not `match`: `$` also matches before a line break at the end.
        if not re.fullmatch(self.name_pattern, name):
            raise BadRequest(
                f"The name '{name}' is not valid for {self.path}: it must match {self.name_pattern}.",
                code="UserError",
                target="name",
            )

    def check_addresses(self, properties: dict[str, Any]) -> None:
        """Raise BadRequest when a property that says where the content is, is missing or not a string."""
        for name in self.content:
            if name.endswith("Uri") and not (isinstance(properties.get(name), str) and properties[name]):
                raise BadRequest(f"{self.path} needs '{name}', a string.", code="UserError", target=name)


def asset(
    path: str,
    *content: str,
    version: BehaviourName = "asset_version",
    filled: Mapping[str, Any] = service_fields.VERSION,
    container: Mapping[str, Any] = service_fields.CONTAINER,
    has_state: bool = True,
) -> tuple[Kind, Kind]:
    """The two kinds of an asset: the container, which has the name, and its versions, which have the content."""
    given: dict[str, Any] = {"scopes": _ANY_SCOPE, "has_state": has_state}
    return (
        Kind(path, is_container=True, behaviour="asset_container", filled=container, **given),
        Kind(f"{path}/versions", content=content, behaviour=version, filled=filled, **given),
    )


def _scope(path: str, filled: Mapping[str, Any], *, has_state: bool = True) -> Kind:
    return Kind(
        path, _SCOPE_NAME, "scope", scopes=(), filled=filled, has_state=has_state, missing_code="ResourceNotFound"
    )


def _endpoint(path: str, behaviour: BehaviourName, filled: Mapping[str, Any]) -> Kind:
    return Kind(path, _ENDPOINT_NAME, behaviour, filled=filled, missing_code="NotFound")


KINDS: dict[str, Kind] = {
    kind.path.lower(): kind
    for kind in (
        _scope("workspaces", service_fields.WORKSPACE),
        _scope("registries", service_fields.REGISTRY, has_state=False),
        _endpoint("batchEndpoints", "batch_endpoint", service_fields.BATCH_ENDPOINT),
        _endpoint("batchEndpoints/deployments", "batch_deployment", service_fields.BATCH_DEPLOYMENT),
        Kind("computes", _COMPUTE_NAME, "compute", filled=service_fields.COMPUTE),
        Kind("datastores", _DATASTORE_NAME, "datastore", filled=service_fields.DATASTORE, has_state=False),
        Kind("jobs", _JOB_NAME, "job", has_state=False),
        _endpoint("onlineEndpoints", "online_endpoint", service_fields.ONLINE_ENDPOINT),
        _endpoint("onlineEndpoints/deployments", "online_deployment", service_fields.ONLINE_DEPLOYMENT),
        Kind("schedules", _JOB_NAME, "schedule", filled=service_fields.SCHEDULE),
        *asset("codes", "codeUri", version="code_version"),
        *asset("components", "componentSpec", version="component_version"),
        *asset(
            "data",
            "dataUri",
            "dataType",
            version="data_version",
            container=service_fields.DATA_CONTAINER,
            has_state=False,
        ),
        *asset("environments", "image", "condaFile", version="environment_version", filled=service_fields.ENVIRONMENT),
        *asset("models", "modelUri", "modelType", version="model_version", filled=service_fields.MODEL),
        # Kept as documents: nothing of them runs.
        Kind("connections", _CONNECTION_NAME, "connection", filled=service_fields.CONNECTION),
        *asset("featuresets", filled=service_fields.FEATURE_SET),
        *asset("featurestoreEntities"),
    )
}


def find_kind(path: str) -> Kind | None:
    """The kind with this path ("models/versions"), compared without case; None when it is not modelled."""
    return KINDS.get(path.lower())


def kind_of(path: str) -> Kind:
    """The same for a path that is known to be modelled. Raises KeyError."""
    return KINDS[path.lower()]
