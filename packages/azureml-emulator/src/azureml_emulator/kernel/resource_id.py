"""Azure Resource Manager ids, parsed into frozen values. Pure: no I/O."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
import uuid
from dataclasses import dataclass
from typing import Literal

from azureml_emulator.kernel.errors import BadRequest

PROVIDER = "Microsoft.MachineLearningServices"
ScopeKind = Literal["workspaces", "registries"]
_SCOPE = re.compile(
    r"^/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    rf"/providers/{re.escape(PROVIDER)}/(?P<kind>workspaces|registries)/(?P<name>[^/]+)(?P<rest>(?:/[^/]+)*)/?$",
    re.IGNORECASE,
)
_IDENTITY_NAMESPACE = uuid.UUID("5e2c1f0e-2b1f-4a59-9a3e-0d6a8b1c7f42")


@dataclass(frozen=True)
class Scope:
    """A workspace or a registry, which contains every other resource."""

    subscription: str
    resource_group: str
    kind: ScopeKind
    name: str

    @property
    def id(self) -> str:
        """The full ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/{self.kind}/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id in lower case, since ARM ids are case-insensitive."""
        return self.id.lower()

    @property
    def guid(self) -> str:
        """The immutable id (workspaceId), derived from the name."""
        return str(uuid.uuid5(_IDENTITY_NAMESPACE, self.key))

    @property
    def storage_account(self) -> str:
        """The name of the storage account that belongs to this scope: `emu` and twelve hex digits."""
        return "emu" + hashlib.sha256(self.key.encode()).hexdigest()[:12]

    @property
    def default_container(self) -> str:
        """The blob container behind the default datastore."""
        return f"azureml-blobstore-{self.guid}"


@dataclass(frozen=True)
class ResourcePath:
    """What an ARM path names: (type, name) pairs below a scope, and optionally a collection or an action.

    `/…/workspaces/w/models/m/versions` has pairs (("models", "m"),) and tail "versions".
    """

    scope: Scope
    pairs: tuple[tuple[str, str], ...]
    tail: str | None = None

    @property
    def id(self) -> str:
        """The ARM id of the resource that the pairs name."""
        return self.scope.id + "".join(f"/{kind}/{name}" for kind, name in self.pairs)

    @property
    def key(self) -> str:
        """The same in lower case."""
        return self.id.lower()

    @property
    def kind(self) -> str:
        """The types, joined as in the KINDS table: "models/versions"; for a scope "workspaces" or "registries"."""
        return "/".join(kind for kind, _ in self.pairs) or self.scope.kind

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.pairs[-1][1] if self.pairs else self.scope.name

    @property
    def parent(self) -> ResourcePath:
        """The path one level up; the scope is its own parent."""
        return ResourcePath(self.scope, self.pairs[:-1])

    def child(self, kind: str, name: str) -> ResourcePath:
        """The path of a resource below this one."""
        return ResourcePath(self.scope, (*self.pairs, (kind, name)))


def short_name(key: str) -> str:
    """A short name for a key, for folders and user names: 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def registry_id(path: ResourcePath) -> str:
    """The id of an asset in a registry as clients know it: azureml://registries/r/models/m/versions/1.

    The registry's name is in small letters, however it is written.
    """
    pairs = "".join(f"/{kind}/{name}" for kind, name in path.pairs)
    return f"azureml://registries/{path.scope.name.lower()}{pairs}"


def is_in_scope(path: str) -> bool:
    """Whether a path is that of a workspace or registry, or below one."""
    return _SCOPE.match(path) is not None


def parse_resource_path(path: str) -> ResourcePath:
    """Parse an ARM path of or below a workspace or registry. Raises BadRequest for any other."""
    match = _SCOPE.match(path)
    if match is None:
        raise BadRequest(f"'{path}' is not the id of a workspace, of a registry, or of a resource in one.")
    scope_kind: ScopeKind = "workspaces" if match["kind"].lower() == "workspaces" else "registries"
    scope = Scope(match["subscription"], match["group"], scope_kind, match["name"])
    parts = match["rest"].strip("/").split("/") if match["rest"].strip("/") else []
    pairs = tuple((parts[i], parts[i + 1]) for i in range(0, len(parts) - 1, 2))
    return ResourcePath(scope, pairs, parts[-1] if len(parts) % 2 else None)


def parse_request_path(encoded: str) -> ResourcePath:
    """Parse the path of a request, where an encoded slash belongs to a name. Raises BadRequest."""
    path = parse_resource_path(encoded)
    decoded = urllib.parse.unquote
    scope = Scope(
        decoded(path.scope.subscription), decoded(path.scope.resource_group), path.scope.kind, decoded(path.scope.name)
    )
    if any("/" in part for part in (scope.subscription, scope.resource_group, scope.name)):
        raise BadRequest(
            f"'{decoded(encoded)}' has a slash in the name of a subscription, a resource group or one of {scope.kind}."
        )
    pairs = tuple((decoded(kind), decoded(name)) for kind, name in path.pairs)
    return ResourcePath(scope, pairs, decoded(path.tail) if path.tail else None)
