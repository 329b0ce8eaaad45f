"""Workspaces and registries: created on first use, with the default datastores and compute of a new workspace.

A strict emulator creates none by itself: each needs a PUT, as on Azure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored, merge
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import NotFound, NotModelled
from azureml_emulator.kernel.kinds import Kind, kind_of
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.scope_answers import (
    addresses_of,
    diagnosis,
    plain_location,
    registry_properties,
    workspace_keys,
    workspace_properties,
)
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.curated_environments import SYSTEM_REGISTRY
from azureml_emulator.storage.run_artifacts import ARTIFACT_CONTAINER, RunArtifacts

DEFAULT_DATASTORE = "workspaceblobstore"
# Where the service keeps the logs and artifacts of jobs.
ARTIFACT_DATASTORE = "workspaceartifactstore"
DEFAULT_COMPUTE = "cpu-cluster"
_COMPUTE_SIZE = "STANDARD_DS3_V2"
_COMPUTE_NODES = 4


class Scopes(Behaviour):
    """The behaviour of workspaces and registries, and the only place that creates them."""

    def __init__(
        self, store: Store, clock: Clock, blobs: Blobs, artifacts: RunArtifacts, settings: Settings, base_url: str
    ) -> None:
        super().__init__(store, clock)
        self._blobs = blobs
        self._run_artifacts = artifacts
        self._settings = settings
        self._base_url = base_url
        # POST actions on a scope itself. Those whose implementations need this object are added by `app.py`.
        self.scope_actions: dict[str, Action] = {
            "listkeys": _of_workspaces(workspace_keys),
            "diagnose": _of_workspaces(lambda _: diagnosis()),
            # Keys never change here.
            "resynckeys": _of_workspaces(lambda _: {}),
        }

    def open(self) -> None:
        """At start: give workspaces of an earlier run the clusters of the settings, and their place for artifacts."""
        for workspace in self.store.of_kind("workspaces"):
            scope = parse_resource_path(workspace.id).scope
            self._put_computes(scope)
            self._run_artifacts.open(scope)

    def require(self, scope: Scope) -> Resource:
        """The resource of a scope; created on first use. Raises NotFound in strict mode when it does not exist.

        The registry of the service exists always.
        """
        existing = self.store.get(scope.key)
        if existing is not None:
            return existing
        if self._settings.strict and not _is_system(scope):
            raise NotFound(
                f"The Resource '{PROVIDER}/{scope.kind}/{scope.name}' under resource group "
                f"'{scope.resource_group}' was not found. This emulator is strict: create it first.",
                code="ResourceNotFound",
            )
        return self._create(scope, {"location": self._settings.location})

    def find_registry(self, name: str) -> Scope:
        """The registry of this name; created in the default resource group on first use. Raises NotFound if strict."""
        for resource in self.store.of_kind("registries"):
            if resource.name.lower() == name.lower():
                return parse_resource_path(resource.id).scope
        scope = Scope(self._settings.subscription, self._settings.resource_group, "registries", name)
        self.require(scope)
        return scope

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:  # noqa: ARG002
        """Create the scope with its default datastores and compute, or change its tags and description."""
        existing = self.store.get(path.scope.key)
        return Stored(self._create(path.scope, body), created=existing is None)

    async def patch(self, kind: Kind, resource: Resource, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Change what is named. Tags are replaced as a whole, as Azure Resource Manager does."""
        tags = {name: body[name] for name in ("tags",) if body.get(name) is not None}
        return await self.put(kind, path, {**merge(resource.document, body), **tags})

    async def delete(self, resource: Resource) -> Stored:
        """Delete the scope with everything in it, including its storage."""
        stored = await super().delete(resource)
        scope = parse_resource_path(resource.id).scope
        await asyncio.to_thread(self._blobs.delete_account, scope.storage_account)
        await asyncio.to_thread(self._run_artifacts.delete, scope)
        return stored

    def actions(self) -> dict[str, Action]:
        """POST actions of workspaces and registries."""
        return self.scope_actions

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with addresses of this process and what Azure would have created with the scope."""
        scope = parse_resource_path(resource.id).scope
        given = {name: value for name, value in resource.properties.items() if value is not None}
        document = resource.document
        if resource.kind == "workspaces":
            created = document["systemData"]["createdAt"]
            added = workspace_properties(scope, created, self._base_url)
            return {**document, "properties": {**added, **given, **addresses_of(added)}}
        location = plain_location(document["location"])
        added = registry_properties(scope, given, location, self._base_url)
        return {**document, "location": location, "properties": {**given, **added}}

    def _create(self, scope: Scope, body: dict[str, Any]) -> Resource:
        with self.store.transaction():
            resource = self.store.put(self._scope_resource(scope, body))
            if scope.kind == "workspaces":
                self._put_default(scope, "datastores", DEFAULT_DATASTORE, self._datastore(scope))
                self._put_default(scope, "datastores", ARTIFACT_DATASTORE, self._artifacts(scope))
                self._put_computes(scope)
                self._run_artifacts.open(scope)
        self._blobs.container(scope.storage_account, scope.default_container)
        return resource

    def _scope_resource(self, scope: Scope, body: dict[str, Any]) -> Resource:
        path = ResourcePath(scope, ())
        given = {"location": self._settings.location, **body}
        known = {"friendlyName": scope.name, "workspaceId": scope.guid} if scope.kind == "workspaces" else {}
        given["properties"] = {"publicNetworkAccess": "Enabled", **known, **body.get("properties", {})}
        return self.draft(kind_of(scope.kind), path, given, self.store.get(scope.key))

    def _put_default(self, scope: Scope, segment: str, name: str, body: dict[str, Any]) -> None:
        path = ResourcePath(scope, ((segment, name),))
        if self.store.get(path.key) is None:
            self.store.put(self.draft(kind_of(segment), path, body, None))

    def _put_computes(self, scope: Scope) -> None:
        for name in (DEFAULT_COMPUTE, *self._settings.computes):
            self._put_default(scope, "computes", name, self._compute())

    def _datastore(self, scope: Scope) -> dict[str, Any]:
        return {
            "properties": {
                "datastoreType": "AzureBlob",
                "isDefault": True,
                "accountName": scope.storage_account,
                "containerName": scope.default_container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentials": {"credentialsType": "Sas"},
                "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
            }
        }

    def _artifacts(self, scope: Scope) -> dict[str, Any]:
        properties = self._datastore(scope)["properties"]
        return {"properties": {**properties, "isDefault": False, "containerName": ARTIFACT_CONTAINER}}

    def _compute(self) -> dict[str, Any]:
        return {
            "location": self._settings.location,
            "properties": {
                "computeType": "AmlCompute",
                "computeLocation": self._settings.location,
                "disableLocalAuth": True,
                "properties": {
                    "vmSize": _COMPUTE_SIZE,
                    "vmPriority": "Dedicated",
                    "osType": "Linux",
                    "scaleSettings": {
                        "minNodeCount": 0,
                        "maxNodeCount": _COMPUTE_NODES,
                        "nodeIdleTimeBeforeScaleDown": "PT2M",
                    },
                    "remoteLoginPortPublicAccess": "NotSpecified",
                    "allocationState": "Steady",
                    "currentNodeCount": 0,
                    "targetNodeCount": 0,
                },
            },
        }


def _of_workspaces(answer: Callable[[Scope], dict[str, Any]]) -> Action:
    """An action that workspaces have and registries do not."""

    async def act(resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        scope = parse_resource_path(resource.id).scope
        if scope.kind != "workspaces":
            raise NotModelled(f"Only workspaces have this action, and '{scope.name}' is a registry.")
        return answer(scope)

    return act


def _is_system(scope: Scope) -> bool:
    return scope.kind == "registries" and scope.name.lower() == SYSTEM_REGISTRY
