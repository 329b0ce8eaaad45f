"""The KINDS table: every type of resource, its name rule, what of it may change once it exists, and what it does.

A new kind is one line here. What it does beyond being stored is a Behaviour (`behaviours.py`), which the line names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from azureml_emulator.kernel.errors import BadRequest

_SCOPE_NAME = r"^[a-zA-Z0-9][\w-]{1,32}$"
_ASSET_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"
_ENDPOINT_NAME = r"^[a-zA-Z](?:[a-zA-Z0-9-]{1,30}[a-zA-Z0-9])$"
_COMPUTE_NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$"
_CONNECTION_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$"
_JOB_NAME = r"^[a-zA-Z0-9][\w-]{0,254}$"
_WORKSPACES = ("workspaces",)
_ANY_SCOPE = ("workspaces", "registries")

# As recorded from Azure, where every version has them.
_ENVIRONMENT: Mapping[str, Any] = {
    "description": None,
    "environmentType": "UserCreated",
    "isAnonymous": False,
    "isArchived": False,
    "osType": "Linux",
    "properties": {},
    "tags": {},
}

BehaviourName = Literal[
    "stored",
    "asset_container",
    "asset_version",
    "uploaded_version",
    "code_version",
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
    models/m/versions/1. `scopes` are the kinds of scope that it can be in. `filled` are properties that the
    service fills in where a body has none, or null.
    """

    path: str
    name_pattern: str = _ASSET_NAME
    behaviour: BehaviourName = "stored"
    content: tuple[str, ...] = ()
    is_container: bool = False
    scopes: tuple[str, ...] = _WORKSPACES
    filled: Mapping[str, Any] = field(default_factory=dict)

    def with_filled(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Properties as they are stored, with what the service fills in."""
        given = {name: value for name, value in properties.items() if value is not None or name not in self.filled}
        return {**self.filled, **given}

    def check_name(self, name: str) -> None:
        """Raise BadRequest when the name breaks the kind's pattern."""
        if not re.match(self.name_pattern, name):
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
    path: str, *content: str, version: BehaviourName = "asset_version", filled: Mapping[str, Any] | None = None
) -> tuple[Kind, Kind]:
    """The two kinds of an asset: the container, which has the name, and its versions, which have the content."""
    return (
        Kind(path, is_container=True, behaviour="asset_container", scopes=_ANY_SCOPE),
        Kind(f"{path}/versions", content=content, behaviour=version, scopes=_ANY_SCOPE, filled=filled or {}),
    )


KINDS: dict[str, Kind] = {
    kind.path.lower(): kind
    for kind in (
        Kind("workspaces", _SCOPE_NAME, "scope", scopes=()),
        Kind("registries", _SCOPE_NAME, "scope", scopes=()),
        Kind("batchEndpoints", _ENDPOINT_NAME, "batch_endpoint", filled={"defaults": {"deploymentName": None}}),
        Kind("batchEndpoints/deployments", _ENDPOINT_NAME, "batch_deployment"),
        Kind("computes", _COMPUTE_NAME, "compute"),
        Kind("datastores", r"^[a-zA-Z0-9_]{1,255}$", "datastore"),
        Kind("jobs", _JOB_NAME, "job"),
        Kind("onlineEndpoints", _ENDPOINT_NAME, "online_endpoint"),
        Kind("onlineEndpoints/deployments", _ENDPOINT_NAME, "online_deployment"),
        Kind("schedules", _JOB_NAME, "schedule"),
        *asset("codes", "codeUri", version="code_version"),
        *asset("components", "componentSpec"),
        *asset("data", "dataUri", "dataType", version="uploaded_version"),
        *asset("environments", "image", "condaFile", "build", filled=_ENVIRONMENT),
        *asset("models", "modelUri", "modelType", version="model_version"),
        # Kept as documents: nothing of them runs.
        Kind("connections", _CONNECTION_NAME, "connection"),
        *asset("featuresets"),
        *asset("featurestoreEntities"),
    )
}


def find_kind(path: str) -> Kind | None:
    """The kind with this path ("models/versions"), compared without case; None when it is not modelled."""
    return KINDS.get(path.lower())


def kind_of(path: str) -> Kind:
    """The same for a path that is known to be modelled. Raises KeyError."""
    return KINDS[path.lower()]
