"""The metrics of endpoints in the format of Azure Monitor, after real requests."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("serving")

VERSIONS = ("2018-01-01", "2024-02-01")


def ask(service: Any, names: str, *, of: str = "", version: str = VERSIONS[1], **given: str) -> dict[str, Any]:
    """The metrics of an endpoint, or of what is below it."""
    reply = question(service, names, of=of, version=version, **given)
    assert reply.status_code == 200, reply.text
    return reply.json()


def question(service: Any, names: str, *, of: str = "", version: str = VERSIONS[1], **given: str) -> Any:
    parameters = {"api-version": version, "metricnames": names, **given}
    if "filter" in parameters:
        parameters["$filter"] = parameters.pop("filter")
    return service.client.get(f"{service.path}{of}/providers/microsoft.insights/metrics", params=parameters)


def series(answer: dict[str, Any], name: str) -> dict[tuple[str, ...], float]:
    """The totals of a metric's time series by the values of their dimensions."""
    metric = next(metric for metric in answer["value"] if metric["name"]["value"] == name)
    return {
        tuple(each["value"] for each in found["metadatavalues"]): sum(point.get("total", 0) for point in found["data"])
        for found in metric["timeseries"]
    }


def since(moment: datetime) -> str:
    return f"{moment.isoformat()}/{(datetime.now(UTC) + timedelta(minutes=1)).isoformat()}"


@pytest.fixture(scope="module")
def loaded(serve: Any) -> Any:
    """The module's endpoint after requests of every kind, and the time before the first of them."""
    key = serve.key
    serve.traffic({"blue": 100}, {"green": 50})
    began = datetime.now(UTC).replace(microsecond=0)
    statuses = [serve.score(body, key=key).status_code for body in [{}] * 20 + [{"status": 404}, {"raise": True}] * 2]
    assert statuses.count(200) == 20
    serve.score({"seconds": 0.2}, key=key, to="green")
    return serve, began


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_are_counted_by_deployment_and_status(loaded: Any, version: str) -> None:
    # given requests to blue, of which some were mirrored to green
    service, began = loaded
    ours = {"timespan": since(began), "aggregation": "Total"}

    def counted(**given: str) -> tuple[dict[tuple[str, ...], float], int] | None:
        """The series, and how many requests were mirrored: both at one time, for mirroring goes on in between."""
        before = service.counts("green")["mirrored"]["requests"]
        found = series(ask(service, "RequestsPerMinute", version=version, **given), "RequestsPerMinute")
        return (found, before) if before and before == service.counts("green")["mirrored"]["requests"] else None

    # when their number is requested by deployment and class of status
    by_class = "deployment eq '*' and statusCodeClass eq '*'"
    found, copies = wait_for(lambda: counted(**ours | {"aggregation": "Total,Average"}, filter=by_class))
    # then live and mirrored requests are in the series of their deployments
    assert found["blue", "2xx"] == 20
    assert (found["blue", "4xx"], found["blue", "5xx"]) == (2, 2)
    assert found["green", "2xx"] <= copies + 1
    assert sum(count for (deployment, _), count in found.items() if deployment == "green") == copies + 1
    # and one deployment can be requested, its failures only, and all together
    only = ask(service, "RequestsPerMinute", **ours, filter="deployment eq 'blue'")
    assert series(only, "RequestsPerMinute") == {("blue",): 24}
    failed = ask(service, "requestsperminute", **ours, filter="deployment eq 'blue' and modelStatusCode eq '500'")
    assert series(failed, "RequestsPerMinute") == {("blue", "500"): 2}
    either = "statusCode eq '404' or statusCode eq '500' and deployment eq 'blue'"
    assert series(ask(service, "RequestsPerMinute", **ours, filter=either), "RequestsPerMinute") == {
        ("404", "blue"): 2,
        ("500", "blue"): 2,
    }
    total, copies = wait_for(lambda: counted(**ours))
    assert total == {(): 24 + copies + 1}


def test_the_answer_has_the_documented_shape(loaded: Any) -> None:
    # when several metrics of five minutes are requested
    service, began = loaded
    window = f"{(began - timedelta(minutes=4)).isoformat()}/{(began + timedelta(minutes=1)).isoformat()}"
    names = "RequestLatency,RequestLatency_P95,RequestLatency_P99"
    answer = ask(
        service,
        names,
        timespan=window,
        aggregation="average,maximum,count",
        interval="PT1M",
        filter="deployment eq '*'",
    )
    # then the reply repeats the request, and each metric has its series
    assert set(answer) == {"cost", "timespan", "interval", "value", "namespace", "resourceregion"}
    assert answer["namespace"] == "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
    assert answer["resourceregion"] == "eastus"
    assert [metric["name"]["value"] for metric in answer["value"]] == names.split(",")
    for metric in answer["value"]:
        assert metric["id"].endswith(f"/providers/Microsoft.Insights/metrics/{metric['name']['value']}")
        assert (metric["type"], metric["unit"]) == ("Microsoft.Insights/metrics", "Milliseconds")
        assert metric["errorCode"] == "Success"
        for found in metric["timeseries"]:
            assert [each["name"]["value"] for each in found["metadatavalues"]] == ["deployment"]
            # one point per minute, with or without requests
            starts = [datetime.fromisoformat(point["timeStamp"]) for point in found["data"]]
            assert {start.second for start in starts} == {0}
            assert {after - before for before, after in itertools.pairwise(starts)} == {timedelta(minutes=1)}
            measured = [point for point in found["data"] if len(point) > 1]
            assert measured
            assert all(set(point) == {"timeStamp", "average", "maximum", "count"} for point in measured)


def test_latency_is_that_of_the_deployment(loaded: Any) -> None:
    # given one slow request to green
    service, began = loaded
    given = {"timespan": since(began), "aggregation": "average", "interval": "FULL", "filter": "deployment eq 'green'"}
    # when its latency over the whole window is requested
    answer = ask(service, "RequestLatency_P99,RequestLatency_P50", **given)
    # then the one point of each is in milliseconds
    slow, usual = (metric["timeseries"][0]["data"][0]["average"] for metric in answer["value"])
    assert 200 <= slow <= 1000 * (time.time() - began.timestamp())
    assert usual <= slow


def test_a_window_has_only_its_own_requests(loaded: Any) -> None:
    # when the seconds before the first request are requested
    service, began = loaded
    window = f"{(began - timedelta(seconds=30)).isoformat()}/{began.isoformat()}"
    answer = ask(service, "RequestsPerMinute", timespan=window, aggregation="Total")
    # then nothing is in them, although the minute may be the same
    points = answer["value"][0]["timeseries"][0]["data"]
    assert points
    assert all(set(point) == {"timeStamp"} for point in points)
    # and a deployment without requests has no series
    none = ask(service, "RequestsPerMinute", timespan=since(began), filter="deployment eq 'red'")
    assert none["value"][0]["timeseries"] == []


def test_a_deployment_has_metrics_of_its_own(loaded: Any) -> None:
    service, began = loaded
    given = {"timespan": since(began), "aggregation": "Total", "filter": "envoy_response_code eq '*'"}
    answer = ask(service, "RequestsPerMinute", of="/deployments/blue", **given)
    assert series(answer, "RequestsPerMinute") == {("200",): 20, ("404",): 2, ("500",): 2}


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        pytest.param("Nothing", {}, ["Nothing", "Valid metrics: RequestsPerMinute"], id="unknown metric"),
        pytest.param("RequestLatency", {"filter": "statusCode eq '200'"}, ["dimension", "statuscode"], id="dimension"),
        pytest.param("RequestLatency", {"filter": "deployment is blue"}, ["deployment eq 'blue'"], id="filter"),
        pytest.param(
            "RequestsPerMinute", {"filter": "deployment eq 'a' or statusCode eq '200'"}, ["'or'"], id="two by or"
        ),
        pytest.param("RequestLatency", {"interval": "PT2M"}, ["PT2M", "PT5M"], id="interval"),
        pytest.param("RequestLatency", {"timespan": "yesterday"}, ["yesterday", "ISO 8601"], id="timespan"),
        pytest.param("RequestLatency", {"aggregation": "Median"}, ["median", "Average"], id="aggregation"),
    ],
)
def test_what_azure_refuses_is_refused(serve: Any, names: str, given: dict[str, str], words: list[str]) -> None:
    reply = question(serve, names, **given)
    assert reply.status_code == 400, reply.text
    assert all(word in reply.json()["error"]["message"] for word in words), reply.text


def test_metrics_require_a_token_and_an_endpoint(serve: Any) -> None:
    path = f"{serve.path}/providers/Microsoft.Insights/metrics"
    assert serve.client.get(path, headers={"Authorization": ""}).status_code == 401
    other = serve.client.get(path.replace(serve.name, "missing"), params={"api-version": VERSIONS[0]})
    assert other.status_code == 404
    workspace = serve.client.get(f"{serve.workspace}/providers/microsoft.insights/metrics")
    assert workspace.status_code == 501


def test_the_definitions_name_every_metric(serve: Any) -> None:
    reply = serve.client.get(f"{serve.path}/providers/microsoft.insights/metricDefinitions")
    found = {each["name"]["value"]: each for each in reply.json()["value"]}
    assert set(found) == {
        "RequestsPerMinute",
        "RequestLatency",
        *(f"RequestLatency_P{percent}" for percent in (50, 90, 95, 99)),
    }
    dimensions = [each["value"] for each in found["RequestsPerMinute"]["dimensions"]]
    assert dimensions == ["deployment", "statusCode", "statusCodeClass", "modelStatusCode"]
    assert found["RequestLatency_P95"]["metricAvailabilities"][0]["timeGrain"] == "PT1M"
