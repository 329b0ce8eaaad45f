"""Compute targets as documents with Azure's rules: clusters, instances, attached Kubernetes clusters.

Jobs and deployments run on this machine, whatever compute they name.
"""

from __future__ import annotations

from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, NotModelled
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.operations import Operation, Operations
from azureml_emulator.kernel.resource_id import ResourcePath
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.kubernetes import KUBERNETES, attached

_CLUSTER = "AmlCompute"
_INSTANCE = "ComputeInstance"
_CLUSTER_DEFAULTS: dict[str, Any] = {
    "vmPriority": "Dedicated",
    "osType": "Linux",
    "remoteLoginPortPublicAccess": "NotSpecified",
    "allocationState": "Steady",
    "currentNodeCount": 0,
    "targetNodeCount": 0,
}
_SCALE_DEFAULTS: dict[str, Any] = {"minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"}


class Computes(Behaviour):
    """Clusters (AmlCompute), instances (ComputeInstance) and attached clusters (Kubernetes)."""

    def __init__(self, store: Store, clock: Clock, operations: Operations) -> None:
        super().__init__(store, clock)
        self._operations = operations

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store a compute. Raises BadRequest for a size or node counts that Azure refuses."""
        outer = body.get("properties", {})
        inner = outer.get("properties") or {}
        match outer.get("computeType"):
            case "AmlCompute":
                _check_size(path.name, inner)
                inner = _cluster(path.name, inner)
            case "ComputeInstance":
                _check_size(path.name, inner)
                inner = {"state": "Running", **inner}
            case "Kubernetes":
                inner = attached(path.name, outer)
            case other:
                known = f"{_CLUSTER}, {_INSTANCE} and {KUBERNETES}"
                raise NotModelled(f"The emulator does not model computes of the type '{other}', only {known}.")
        location = {"computeLocation": body.get("location", "")} if body.get("location") else {}
        return self.put_now(kind, path, {**body, "properties": {**location, **outer, "properties": inner}})

    def actions(self) -> dict[str, Action]:
        """POST start, stop and restart of instances; listNodes of clusters."""
        return {
            "start": lambda resource, _: self._set_state(resource, "Running"),
            "restart": lambda resource, _: self._set_state(resource, "Running"),
            "stop": lambda resource, _: self._set_state(resource, "Stopped"),
            "listnodes": self._nodes,
        }

    async def _set_state(self, resource: Resource, state: str) -> Operation:
        if resource.properties["computeType"] != _INSTANCE:
            raise BadRequest(f"'{resource.name}' is a cluster, which cannot be started or stopped.", code="UserError")

        async def work() -> None:
            current = self.store.get(resource.key)
            if current is not None:
                inner = {**current.properties["properties"], "state": state}
                self.store.put(current.with_properties(properties=inner))

        return self._operations.start(resource.id, work())

    async def _nodes(self, resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        if resource.properties["computeType"] != _CLUSTER:
            raise BadRequest(f"'{resource.name}' is not a cluster.", code="UserError")
        return {"nodes": []}


def _check_size(name: str, inner: Any) -> None:
    if not isinstance(inner, dict) or not isinstance(inner.get("vmSize"), str) or not inner["vmSize"]:
        raise BadRequest(f"The compute '{name}' needs 'vmSize'.", code="UserError", target="vmSize")


def _cluster(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    given = inner.get("scaleSettings") or {}
    if not isinstance(given, dict):
        raise BadRequest("'scaleSettings' must be an object.", code="UserError", target="scaleSettings")
    scale = {**_SCALE_DEFAULTS, **given}
    low, high = scale.get("minNodeCount"), scale.get("maxNodeCount")
    if not isinstance(low, int) or not isinstance(high, int) or not 0 <= low <= high or high == 0:
        raise BadRequest(
            f"The cluster '{name}' cannot have between {low} and {high} nodes: minNodeCount must be 0 or "
            "more and at most maxNodeCount, which must be 1 or more.",
            code="UserError",
            target="scaleSettings",
        )
    return {**_CLUSTER_DEFAULTS, **inner, "scaleSettings": scale}
