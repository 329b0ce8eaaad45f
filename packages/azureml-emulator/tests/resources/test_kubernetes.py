"""Deployments on an attached cluster: quantities, instance types, scaling."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.store import Resource
from azureml_emulator.resources.kubernetes import amount, attached, check_fit
from azureml_emulator.serving.deployment_plan import read_plan

CLUSTER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks"
COMPUTE = "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/computes/kubernetes"


def resource(name: str, properties: dict[str, Any]) -> Resource:
    return Resource(COMPUTE.lower(), "kind", "", {"id": COMPUTE, "name": name, "properties": properties}, {})


@pytest.fixture
def compute() -> Resource:
    """A cluster with the default instance type and `small`, which allows 1 CPU and 4Gi."""
    limits = {"cpu": "1", "memory": "4Gi"}
    types = {"small": {"resources": {"requests": limits, "limits": limits}}}
    properties = attached("kubernetes", {"resourceId": CLUSTER, "properties": {"instanceTypes": types}})
    return resource("kubernetes", {"computeType": "Kubernetes", "properties": properties})


@pytest.fixture
def endpoint() -> Resource:
    return resource("ep", {"compute": COMPUTE})


def request(**properties: Any) -> dict[str, Any]:
    return {"properties": {"endpointComputeType": "Kubernetes", **properties}}


def resources(requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    return {"containerResourceRequests": requests, "containerResourceLimits": limits}


QUANTITIES = [("500m", 0.5), ("2", 2.0), ("0.1", 0.1), ("1Gi", 1024.0**3), ("200Mi", 200 * 1024.0**2), ("1k", 1000.0)]


@pytest.mark.parametrize(("text", "number"), QUANTITIES)
def test_quantities(text: str, number: float) -> None:
    assert amount(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "2 Gi", "2Mii", "1Xi"])
def test_invalid_quantities_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="not a positive Kubernetes quantity"):
        amount(text)


def test_deployments_that_fit_are_accepted(endpoint: Resource, compute: Resource) -> None:
    check_fit(endpoint, compute, request())
    check_fit(endpoint, compute, request(instanceType="small"))
    within = resources({"cpu": "500m", "memory": "1Gi"}, {"cpu": "1", "memory": "4Gi"})
    check_fit(endpoint, compute, request(instanceType="small", containerResourceRequirements=within))
    check_fit(resource("ep", {}), None, {"properties": {"endpointComputeType": "Managed", "instanceType": "Standard"}})


MISFITS = {
    "another kind than the endpoint": (request(endpointComputeType="Managed"), "same type as its endpoint"),
    "an unknown instance type": (request(instanceType="Standard_DS3_v2"), "defaultinstancetype, small"),
    "limits above the instance type": (
        request(instanceType="small", containerResourceRequirements=resources({}, {"cpu": "2"})),
        "limits of the deployment are cpu 2, more than the instance type 'small' with 1",
    ),
    "requests above the limits": (
        request(containerResourceRequirements=resources({"memory": "2Gi"}, {"memory": "1Gi"})),
        "requests of the deployment are memory 2Gi, more than its limits with 1Gi",
    ),
    "requests above the instance type": (
        request(containerResourceRequirements=resources({"memory": "3Gi"}, {})),
        "requests of the deployment are memory 3Gi, more than the instance type 'defaultinstancetype'",
    ),
    "a model of a registry": (
        request(model="azureml://registries/r/models/m/versions/1"),
        "cannot use assets of a registry",
    ),
}


@pytest.mark.parametrize(("asked", "words"), MISFITS.values(), ids=MISFITS.keys())
def test_deployments_that_do_not_fit_are_refused(
    endpoint: Resource, compute: Resource, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        check_fit(endpoint, compute, asked)


def test_a_cluster_that_was_detached_is_refused(endpoint: Resource) -> None:
    with pytest.raises(BadRequest, match="no longer attached"):
        check_fit(endpoint, None, request())


@pytest.mark.parametrize("cluster", [None, "aks", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x"])
def test_an_attachment_without_a_cluster_is_refused(cluster: str | None) -> None:
    with pytest.raises(BadRequest, match="AKS or Arc-enabled"):
        attached("kubernetes", {"resourceId": cluster})


def scaled(kind: str, compute_type: str, **given: Any) -> dict[str, Any]:
    scale = {"scaleType": kind, **given}
    return {"sku": {"capacity": 3}, "properties": {"endpointComputeType": compute_type, "scaleSettings": scale}}


def test_the_minimum_of_a_range_is_used_on_a_cluster() -> None:
    assert read_plan(scaled("TargetUtilization", "Kubernetes", minInstances=2, maxInstances=5)).instances == 2
    assert read_plan(scaled("Default", "Kubernetes")).instances == 3


BAD_SCALES = {
    "a range on managed machines": (scaled("TargetUtilization", "Managed", minInstances=1), "scaleType"),
    "an unknown type": (scaled("Magic", "Kubernetes"), "scaleType"),
    "min above max": (scaled("TargetUtilization", "Kubernetes", minInstances=4, maxInstances=2), "between 4 and 2"),
    "max left out": (scaled("TargetUtilization", "Kubernetes", minInstances=2), "between 2 and 1"),
}


@pytest.mark.parametrize(("document", "words"), BAD_SCALES.values(), ids=BAD_SCALES.keys())
def test_impossible_scaling_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_plan(document)
