"""Batch endpoints as resources: their addresses, and their default deployments."""

from __future__ import annotations

from typing import Any

from azureml_emulator.kernel.behaviours import Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.endpoint_names import refuse_taken_name

KIND = "batchendpoints"
DEPLOYMENT_KIND = "batchendpoints/deployments"
BATCH_PREFIX = "/batch/"
_AUTH_MODE = "AADToken"


class BatchEndpoints(Behaviour):
    """The behaviour of batchEndpoints."""

    def __init__(self, store: Store, clock: Clock, base_url: str) -> None:
        super().__init__(store, clock)
        self._base_url = base_url

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or change an endpoint. Raises BadRequest or Conflict as Azure does."""
        existing = self.store.get(path.key)
        properties = {**body.get("properties", {})}
        mode = str(properties.get("authMode") or _AUTH_MODE)
        if mode.lower() != _AUTH_MODE.lower():
            raise BadRequest(f"authMode is '{mode}'; a batch endpoint supports {_AUTH_MODE} only.", target="authMode")
        refuse_taken_name(self.store, KIND, path, body.get("location"), "a batch endpoint")
        self._check_default(path, properties)
        given = {"properties": {}, **properties, "authMode": _AUTH_MODE}
        resource = self.store.put(self.draft(kind, path, {**body, "properties": given}, existing))
        return Stored(resource, created=existing is None)

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with addresses of this process."""
        scope = parse_resource_path(resource.id).scope
        base = f"{self._base_url}{BATCH_PREFIX}{scope.guid}/{resource.name}"
        addresses = {"scoringUri": f"{base}/jobs", "swaggerUri": f"{base}/swagger.json"}
        return {**resource.document, "properties": {**resource.properties, **addresses}}

    def find(self, guid: str, name: str) -> Resource | None:
        """The endpoint of an address; names are compared without case."""
        for resource in self.store.of_kind(KIND):
            same = parse_resource_path(resource.id).scope.guid == guid.lower()
            if same and resource.name.lower() == name.lower():
                return resource
        return None

    def _check_default(self, path: ResourcePath, properties: dict[str, Any]) -> None:
        name = (properties.get("defaults") or {}).get("deploymentName")
        if name and self.store.get(path.child("deployments", name).key) is None:
            raise BadRequest(
                f"The default deployment '{name}' does not exist in the endpoint '{path.name}'.",
                code="DeploymentNotFound",
                target="defaults.deploymentName",
            )


def default_deployment(endpoint: Resource) -> str | None:
    """The name of the default deployment."""
    return (endpoint.properties.get("defaults") or {}).get("deploymentName")
