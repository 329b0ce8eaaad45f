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
from azureml_emulator.kernel.service_fields import filled
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.kubernetes import KUBERNETES, attached
from azureml_emulator.security.tokens import PRINCIPAL, TENANT

_CLUSTER = "AmlCompute"
_INSTANCE = "ComputeInstance"
_NODE_STATES = (
    "idleNodeCount",
    "leavingNodeCount",
    "preemptedNodeCount",
    "preparingNodeCount",
    "runningNodeCount",
    "unusableNodeCount",
)
_CLUSTER_DEFAULTS: dict[str, Any] = {
    "vmPriority": "Dedicated",
    "osType": "Linux",
    "remoteLoginPortPublicAccess": "NotSpecified",
    "allocationState": "Steady",
    "currentNodeCount": 0,
    "targetNodeCount": 0,
}
# What a GET shows of any compute of a type, with nulls where nothing was asked for.
_SHOWN: dict[str, dict[str, Any]] = {
    _CLUSTER: {
        "errors": None,
        "isolatedNetwork": False,
        "nodeStateCounts": dict.fromkeys(_NODE_STATES, 0),
        "propertyBag": {},
        "subnet": None,
        "virtualMachineImage": None,
    },
    _INSTANCE: {
        "applicationSharingPolicy": "Shared",
        "applications": [],
        "autologgerSettings": None,
        "computeInstanceAuthorizationType": "personal",
        "connectivityEndpoints": {"privateIpAddress": "127.0.0.1", "publicIpAddress": None},
        "containers": None,
        "createdBy": {"userId": PRINCIPAL, "userOrgId": TENANT},
        "customServices": [],
        "dataDisks": None,
        "dataMounts": None,
        "errors": [],
        "osImageMetadata": None,
        "personalComputeInstanceSettings": None,
        "schedules": {"computeStartStop": []},
        "setupScripts": None,
        "sshSettings": {
            "adminPublicKey": None,
            "adminUserName": "azureuser",
            "sshPort": None,
            "sshPublicAccess": "Disabled",
        },
        "subnet": None,
        "updateStatus": None,
        "versions": {"runtime": None},
    },
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
                inner = {**_sized(inner), "state": "Running", "lastOperation": self._operation("Create")}
            case "Kubernetes":
                outer = {**outer, "isAttachedCompute": True}
                inner = attached(path.name, outer)
            case other:
                known = f"{_CLUSTER}, {_INSTANCE} and {KUBERNETES}"
                raise NotModelled(f"The emulator does not model computes of the type '{other}', only {known}.")
        location = {"computeLocation": body.get("location", "")} if body.get("location") else {}
        return self.put_now(kind, path, {**body, "properties": {**location, **outer, "properties": inner}})

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document; it has the times of its changes among its properties, and no password."""
        document = dict(resource.document)
        history = document.pop("systemData")
        times = {"createdOn": history["createdAt"], "modifiedOn": history["lastModifiedAt"]}
        inner = resource.properties.get("properties") or {}
        shown = filled(inner, _SHOWN.get(resource.properties["computeType"], {}))
        if inner.get("userAccountCredentials"):
            shown["userAccountCredentials"] = {**inner["userAccountCredentials"], "adminUserPassword": None}
        if resource.properties["computeType"] == _CLUSTER:
            shown.setdefault("allocationStateTransitionTime", times["modifiedOn"])
        return {**document, "properties": {**resource.properties, **times, "properties": shown}}

    def actions(self) -> dict[str, Action]:
        """POST start, stop and restart of instances; listNodes of clusters."""
        return {
            "start": lambda resource, _: self._set_state(resource, "Start", "Running"),
            "restart": lambda resource, _: self._set_state(resource, "Restart", "Running"),
            "stop": lambda resource, _: self._set_state(resource, "Stop", "Stopped"),
            "listnodes": self._nodes,
        }

    def _operation(self, name: str) -> dict[str, Any]:
        return {
            "operationName": name,
            "operationStatus": "Succeeded",
            "operationTime": self.clock.timestamp(),
            "operationTrigger": "User",
        }

    async def _set_state(self, resource: Resource, operation: str, state: str) -> Operation:
        if resource.properties["computeType"] != _INSTANCE:
            raise BadRequest(f"'{resource.name}' is a cluster, which cannot be started or stopped.", code="UserError")

        async def work() -> None:
            current = self.store.get(resource.key)
            if current is not None:
                done = {"state": state, "lastOperation": self._operation(operation)}
                inner = {**current.properties["properties"], **done}
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
    return {**_CLUSTER_DEFAULTS, **_sized(inner), "scaleSettings": scale}


def _sized(inner: dict[str, Any]) -> dict[str, Any]:
    """The properties of a compute; the service answers sizes in capitals."""
    return {**inner, "vmSize": inner["vmSize"].upper()}
