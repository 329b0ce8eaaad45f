"""The KINDS table: every type of resource, its name rule, and what of it may change once it exists.

Data only. What a kind does beyond being stored is a Behaviour (`behaviours.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from azureml_emulator.kernel.errors import BadRequest

# Of workspaces and registries.
SCOPE_NAME = r"^[a-zA-Z0-9][\w-]{1,32}$"
_ASSET_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$"
_ENDPOINT_NAME = r"^[a-zA-Z](?:[a-zA-Z0-9-]{1,30}[a-zA-Z0-9])$"
_COMPUTE_NAME = r"^[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$"


@dataclass(frozen=True)
class Kind:
    """One type of resource.

    `content` names the properties that make an asset version what it is: a PUT that changes one of
    them is refused, since a version is immutable. `container_of` names the kind whose containers
    (such as models/m above models/m/versions/1) come into being with their first version.
    """

    path: str
    name_pattern: str = _ASSET_NAME
    content: tuple[str, ...] = ()
    container_of: str | None = None
    scopes: tuple[str, ...] = ("workspaces",)

    def check_name(self, name: str) -> None:
        """Raise BadRequest when the name breaks the kind's pattern."""
        if not re.match(self.name_pattern, name):
            raise BadRequest(
                f"The name '{name}' is not valid for {self.path}: it must match {self.name_pattern}.",
                code="UserError",
                target="name",
            )

    def check_addresses(self, properties: dict[str, Any]) -> None:
        """Raise BadRequest when a property that says where the content lies is missing or no text."""
        for name in self.content:
            if name.endswith("Uri") and not (isinstance(properties.get(name), str) and properties[name]):
                raise BadRequest(f"{self.path} needs '{name}', a text.", code="UserError", target=name)


def _asset(segment: str, *content: str) -> tuple[Kind, Kind]:
    both = ("workspaces", "registries")
    return (
        Kind(segment, container_of=f"{segment}/versions", scopes=both),
        Kind(f"{segment}/versions", content=content, scopes=both),
    )


KINDS: dict[str, Kind] = {
    kind.path.lower(): kind
    for kind in (
        Kind("batchEndpoints", name_pattern=_ENDPOINT_NAME),
        Kind("batchEndpoints/deployments", name_pattern=_ENDPOINT_NAME),
        Kind("computes", name_pattern=_COMPUTE_NAME),
        Kind("datastores", name_pattern=r"^[a-zA-Z0-9_]{1,255}$"),
        Kind("jobs", name_pattern=r"^[a-zA-Z0-9][\w-]{0,254}$"),
        Kind("onlineEndpoints", name_pattern=_ENDPOINT_NAME),
        Kind("onlineEndpoints/deployments", name_pattern=_ENDPOINT_NAME),
        Kind("schedules", name_pattern=r"^[a-zA-Z0-9][\w-]{0,254}$"),
        *_asset("codes", "codeUri"),
        *_asset("components", "componentSpec"),
        *_asset("data", "dataUri", "dataType"),
        *_asset("environments", "image", "condaFile", "build"),
        *_asset("models", "modelUri", "modelType"),
    )
}


def kind_of(path: str) -> Kind | None:
    """The kind with this path ("models/versions"), compared without case; None when it is not modelled."""
    return KINDS.get(path.lower())
