"""What a kind of resource does beyond being stored: the default, which only stores, and its extension points.

A kind with a behaviour of its own subclasses Behaviour in the package that it belongs to (`jobs/`, `serving/`). Which
kind has which behaviour is said by name in `kinds.py`; `app.py` creates one for each name. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.immutability import refuse_changed_content, with_kept_content
from azureml_emulator.kernel.kinds import KINDS, BehaviourName, Kind, kind_of
from azureml_emulator.kernel.operations import Operation
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath
from azureml_emulator.kernel.store import Resource, Store

Action = Callable[[Resource, dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Stored:
    """The result of a PUT or DELETE: the resource as it is now, and the long-running operation if there is one."""

    resource: Resource | None
    created: bool = False
    operation: Operation | None = None


class Behaviour:
    """Stores documents as they are sent. A subclass overrides what its kind does differently."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or replace the resource at `path` from the request's body."""
        return self.put_now(kind, path, body)

    def put_now(self, kind: Kind, path: ResourcePath, body: dict[str, Any], **internal: Any) -> Stored:
        """The same without an await, for use inside a transaction, and with internal fields."""
        existing = self.store.get(path.key)
        kind.check_addresses(body.get("properties", {}))
        refuse_changed_content(kind, existing, body)
        kept = with_kept_content(existing, body)
        resource = self.store.put(self.draft(kind, path, kept, existing, **internal))
        return Stored(resource, created=existing is None)

    async def patch(self, kind: Kind, resource: Resource, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Merge the body into the resource (RFC 7396) and put it."""
        return await self.put(kind, path, merge(resource.document, body))

    async def delete(self, resource: Resource) -> Stored:
        """Delete the resource and everything below it."""
        self.store.delete(resource.key)
        return Stored(None)

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document that a GET or a list answers. Changes nothing."""
        return resource.document

    def actions(self) -> dict[str, Action]:
        """POST actions by their name in lower case. Each takes the resource and the body, and returns JSON."""
        return {}

    def draft(
        self,
        kind: Kind,
        path: ResourcePath,
        body: dict[str, Any],
        existing: Resource | None,
        **internal: Any,
    ) -> Resource:
        """The resource for a body: what was sent, plus id, name, type, systemData and provisioning state."""
        state = {"provisioningState": "Succeeded"} if kind.has_state else {}
        properties = {**body.get("properties", {}), **state}
        above = f"{PROVIDER}/{path.scope.kind}" if path.pairs else PROVIDER
        document = {
            **{key: value for key, value in body.items() if key != "properties"},
            "id": existing.id if existing else path.id,
            "name": path.name,
            "type": f"{above}/{kind.path}",
            "properties": properties,
            "systemData": self._system_data(existing),
        }
        kept = existing.internal if existing else {}
        return Resource(path.key, kind.path.lower(), path.parent.key, document, {**kept, **internal})

    def _system_data(self, existing: Resource | None) -> dict[str, str]:
        now = self.clock.timestamp()
        before = existing.document["systemData"] if existing else {}
        return {
            "createdAt": before.get("createdAt", now),
            "createdBy": before.get("createdBy", "emulator"),
            "createdByType": "User",
            "lastModifiedAt": now,
            "lastModifiedBy": "emulator",
            "lastModifiedByType": "User",
        }


# The asset whose versions the service counts by the clock.
_TIMED = "components"


class VersionBehaviour(Behaviour):
    """The version of an asset: its content is immutable, and its container exists because of it."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store the version, and its container with the latest and the next version number."""
        return self.put_version(kind, path, body)

    def put_version(self, kind: Kind, path: ResourcePath, body: dict[str, Any], **internal: Any) -> Stored:
        """The same without an await, and with internal fields."""
        with self.store.transaction():
            stored = self.put_now(kind, path, body, **internal)
            self._put_container(path, stored)
        return stored

    def of_container(self, stored: Stored) -> dict[str, Any]:  # noqa: ARG002
        """What the container shows of its newest version, besides its number."""
        return {}

    def _put_container(self, path: ResourcePath, stored: Stored) -> None:
        container = path.parent
        existing = self.store.get(container.key)
        if existing is not None and not stored.created:
            return
        known = existing.properties if existing else {}
        properties: dict[str, Any] = {**known, **self.of_container(stored)}
        properties["latestVersion"] = path.name
        # The next integer above all versions so far; versions that are not integers do not count.
        highest = int(properties.get("nextVersion") or "1") - 1
        properties["nextVersion"] = str(max(highest, int(path.name) if path.name.isdigit() else 0) + 1)
        body = {"properties": properties}
        self.store.put(self.draft(kind_of(container.kind), container, body, existing))


class ContainerBehaviour(Behaviour):
    """The container of an asset's versions: its description, its tags and whether it is archived may change."""

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Change the container, except for what follows from its versions."""
        existing = self.store.get(path.key)
        kept = {
            name: existing.properties[name]
            for name in ("latestVersion", "nextVersion")
            if existing is not None and name in existing.properties
        }
        return self.put_now(kind, path, {**body, "properties": {**body.get("properties", {}), **kept}})

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document. The next version of a component is a moment, which the SDK takes for one without a version."""
        if resource.kind != _TIMED:
            return resource.document
        now = self.clock.now()
        return resource.with_properties(nextVersion=f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond * 10:07}").document


class Behaviours:
    """The behaviour of every kind. Raises KeyError when one that the table of kinds names is missing."""

    def __init__(self, by_name: Mapping[BehaviourName, Behaviour]) -> None:
        self._by_name = by_name
        for kind in KINDS.values():
            self.of(kind)

    def of(self, kind: Kind) -> Behaviour:
        """The behaviour that the table of kinds names."""
        return self._by_name[kind.behaviour]


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces."""
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def with_state(resource: Resource, state: str) -> Resource:
    """A copy of the resource in another provisioning state."""
    return resource.with_properties(provisioningState=state)
