"""A deployment's document read: defaults, limits, refusals."""

from __future__ import annotations

import pytest

from azureml_emulator.kernel.clock import parse_duration
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.resources.service_catalog import DEPLOYMENTS_PER_ENDPOINT
from azureml_emulator.serving.deployment_plan import read_plan


def test_defaults_are_those_of_azure() -> None:
    plan = read_plan({"properties": {}})
    assert (plan.concurrent, plan.request_timeout, plan.queue_wait, plan.instances) == (1, 5.0, 0.5, 1)
    assert plan.start_limit == 310
    assert plan.managed


def test_limits_grow_with_the_instances() -> None:
    settings = {"maxConcurrentRequestsPerInstance": 3, "maxQueueWait": "PT1.5S", "requestTimeout": "PT1M"}
    plan = read_plan({"sku": {"capacity": 2}, "properties": {"requestSettings": settings}})
    assert (plan.max_concurrent, plan.max_admitted, plan.queue_wait, plan.request_timeout) == (6, 12, 1.5, 60.0)


def test_a_number_is_the_text_of_an_environment_variable() -> None:
    assert read_plan({"properties": {"environmentVariables": {"A": 4}}}).variables == {"A": "4"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5S", 5), ("PT0.25S", 0.25), ("PT1M30S", 90), ("P1DT1H", 90000), ("PT5000.0S", 5000)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "PT5", "P1M", "PT-5S"])
def test_invalid_durations(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param({"sku": {"capacity": 0}}, "instance count", id="no instance"),
        pytest.param({"properties": {"environmentVariables": {"A=B": "c"}}}, "environment variable", id="name"),
        pytest.param({"properties": {"environmentVariables": {"A": 1.5}}}, "environment variable", id="number"),
        pytest.param({"properties": {"endpointComputeType": "Moon"}}, "endpointComputeType", id="compute"),
        pytest.param({"properties": {"livenessProbe": {"period": "soon"}}}, "ISO 8601", id="duration"),
        pytest.param({"properties": {"livenessProbe": {"failureThreshold": 0}}}, "livenessProbe", id="threshold"),
        pytest.param({"properties": {"scaleSettings": {"scaleType": "TargetUtilization"}}}, "scale", id="scaling"),
        pytest.param({"sku": {"capacity": 51}}, "at most 50", id="too many instances"),
        pytest.param(
            {"properties": {"requestSettings": {"requestTimeout": "PT181S"}}}, "181 seconds; .* at most 180", id="long"
        ),
        pytest.param(
            {"properties": {"requestSettings": {"requestTimeout": "PT301S"}, "endpointComputeType": "Kubernetes"}},
            "at most 300 seconds",
            id="long on Kubernetes",
        ),
    ],
)
def test_refused(document: dict, words: str) -> None:
    with pytest.raises(EmulatorError, match=words):
        read_plan({"properties": {}, **document})


def test_an_endpoint_has_at_most_as_many_deployments_as_the_service_allows() -> None:
    DEPLOYMENTS_PER_ENDPOINT.check(20, "name")
    with pytest.raises(EmulatorError, match="number of deployments of an endpoint is 21; it must be at most 20"):
        DEPLOYMENTS_PER_ENDPOINT.check(21, "name")
