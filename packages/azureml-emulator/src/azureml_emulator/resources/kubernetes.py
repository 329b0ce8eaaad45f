"""Attached Kubernetes clusters: the attachment, and whether a deployment fits its instance types. Pure: no I/O.

Nothing is scheduled on a cluster: its deployments run on this machine like all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.store import Resource

KUBERNETES = "Kubernetes"
MANAGED = "Managed"
# Every cluster has this instance type, unless the attachment defines it differently.
DEFAULT_INSTANCE_TYPE = "defaultinstancetype"
_DEFAULT_LIMITS = {"cpu": "2", "memory": "2Gi"}
_DEFAULT_NAMESPACE = "default"
_CLUSTER_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
    r"(Microsoft\.ContainerService/managedClusters|Microsoft\.Kubernetes/connectedClusters)/[^/]+",
    re.IGNORECASE,
)
_REGISTRY_REFERENCE = "azureml://registries/"
_QUANTITY = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>m|[kKMGT]i?)?")
_UNITS = {"": 1.0, "m": 1e-3} | {
    letter + suffix: base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("", 1000.0), ("i", 1024.0))
}


def attached(name: str, compute: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an attachment with Azure's defaults. Raises BadRequest for one that Azure refuses."""
    cluster = compute.get("resourceId")
    if not isinstance(cluster, str) or not _CLUSTER_ID.fullmatch(cluster):
        raise BadRequest(
            f"The compute '{name}' needs 'resourceId', the ARM id of an AKS or Arc-enabled cluster; it is {cluster!r}.",
            code="UserError",
            target="resourceId",
        )
    given = compute.get("properties") or {}
    return {"namespace": _DEFAULT_NAMESPACE, "defaultInstanceType": DEFAULT_INSTANCE_TYPE, **given}


def check_fit(endpoint: Resource, compute: Resource | None, request: Mapping[str, Any]) -> None:
    """Raise BadRequest when a deployment does not fit the compute of its endpoint."""
    properties = request["properties"]
    wanted = properties.get("endpointComputeType", MANAGED)
    offered = KUBERNETES if endpoint.properties.get("compute") else MANAGED
    if wanted != offered:
        raise BadRequest(
            f"endpointComputeType is {wanted}, but the endpoint '{endpoint.name}' is {offered}: "
            "a deployment must be of the same type as its endpoint.",
            target="endpointComputeType",
        )
    if wanted != KUBERNETES:
        return
    if compute is None:
        where = endpoint.properties["compute"]
        raise BadRequest(f"The compute of the endpoint, {where}, is no longer attached.", target="compute")
    _refuse_registry(properties)
    _check_resources(compute, properties)


def _refuse_registry(properties: Mapping[str, Any]) -> None:
    for name in ("model", "environmentId"):
        reference = properties.get(name)
        if isinstance(reference, str) and reference.lower().startswith(_REGISTRY_REFERENCE):
            raise BadRequest(
                f"'{name}' is {reference}: Kubernetes deployments cannot use assets of a registry. "
                "Register it in the workspace.",
                target=name,
            )


def _check_resources(compute: Resource, properties: Mapping[str, Any]) -> None:
    name = properties.get("instanceType") or DEFAULT_INSTANCE_TYPE
    types = instance_types(compute)
    if name not in types:
        known = ", ".join(sorted(types))
        raise BadRequest(
            f"The cluster '{compute.name}' has no instance type '{name}' (it has: {known}).", target="instanceType"
        )
    required = properties.get("containerResourceRequirements") or {}
    requests = required.get("containerResourceRequests") or {}
    limits = required.get("containerResourceLimits") or {}
    for what, lower, upper, where in (
        ("requests", requests, limits, "its limits"),
        ("limits", limits, types[name], f"the instance type '{name}'"),
        ("requests", requests, types[name], f"the instance type '{name}'"),
    ):
        for resource, less, more in _exceeding(lower, upper):
            raise BadRequest(
                f"The {what} of the deployment are {resource} {less}, more than {where} with {more}.",
                target="containerResourceRequirements",
            )


def instance_types(compute: Resource) -> dict[str, dict[str, str]]:
    """The limits of each instance type of an attached cluster."""
    given = compute.properties["properties"].get("instanceTypes") or {}
    limits = {name: (each.get("resources") or {}).get("limits") or {} for name, each in given.items()}
    return {DEFAULT_INSTANCE_TYPE: _DEFAULT_LIMITS, **limits}


def amount(quantity: str) -> float:
    """A Kubernetes quantity such as 500m or 2Gi as a number. Raises BadRequest for any other text."""
    match = _QUANTITY.fullmatch(quantity)
    unit = (match["unit"] or "") if match else ""
    scale = _UNITS.get(unit if unit == "m" else unit[:1].upper() + unit[1:])
    if match is None or scale is None or float(match["number"]) == 0:
        raise BadRequest(f"'{quantity}' is not a positive Kubernetes quantity such as 500m, 2 or 2Gi.")
    return float(match["number"]) * scale


def _exceeding(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for resource in ("cpu", "memory"):
        less, more = lower.get(resource), upper.get(resource)
        # Both are parsed, so that an invalid one is refused even without a counterpart.
        sizes = [amount(str(each)) for each in (less, more) if each is not None]
        if len(sizes) > 1 and sizes[0] > sizes[1]:
            yield resource, str(less), str(more)
