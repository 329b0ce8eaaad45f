"""The router by raw HTTPS: keys, choice of a deployment, headers, bodies, mirrored traffic, counts."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("serving")


def test_the_response_is_the_models(serve: Any) -> None:
    reply = serve.score({"a": 1}, to="blue", headers={"x-request-id": "mine", "x-ms-client-request-id": "theirs"})
    assert reply.status_code == 200
    assert reply.json()["text"] == "blue"
    assert reply.headers["x-from-model"] == "yes"
    assert reply.headers["azureml-model-deployment"] == "blue"
    assert reply.headers["x-request-id"] == "mine"
    assert reply.headers["x-ms-client-request-id"] == "theirs"
    assert reply.headers["content-type"] == "application/json"


def test_the_connection_to_a_deployment_is_kept(serve: Any) -> None:
    connections = {serve.score({}, to="blue").json()["connection"] for _ in range(20)}

    # A probe may have needed one more at the same time.
    assert len(connections) <= 2


def test_each_of_many_requests_at_once_is_scored_once_and_gets_its_own_answer(serve: Any) -> None:
    key = serve.key

    def ask(number: int) -> dict[str, Any]:
        # A busy machine may let requests wait for too long; such a one was not scored.
        while (reply := serve.score({}, key=key, to="blue", headers={"x-number": str(number)})).status_code == 429:
            pass
        return reply.json()

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, range(200)))

    assert [answer["headers"]["X-Number"] for answer in answers] == [str(number) for number in range(200)]
    places = sorted(answer["requests before"] for answer in answers)
    assert places == list(range(places[0], places[0] + 200))


def test_the_model_never_sees_the_key(serve: Any) -> None:
    headers = {name.lower() for name in serve.score(to="blue").json()["headers"]}
    assert "authorization" not in headers
    assert "x-request-id" in headers


@pytest.mark.parametrize("credential", ["", "Bearer", "Bearer wrong", "Basic abc"])
def test_a_missing_or_wrong_key_is_refused(
    serve: Any, assert_azure_error: Callable[..., None], credential: str
) -> None:
    reply = serve.score(to="blue", headers={"Authorization": credential})
    assert_azure_error(reply, 401, "Unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"


def test_an_unknown_deployment_is_refused(serve: Any, assert_azure_error: Callable[..., None]) -> None:
    assert_azure_error(serve.score(to="red"), 404, "DeploymentNotFound", "'red'", "blue, green")


def test_an_unknown_endpoint_is_refused(serve: Any, assert_azure_error: Callable[..., None]) -> None:
    uri = serve.uri.replace(serve.name, "missing")
    assert_azure_error(serve.client.post(uri, json={}), 404, "NotFound")


def test_without_traffic_only_the_header_reaches_a_deployment(
    serve: Any, assert_azure_error: Callable[..., None]
) -> None:
    serve.traffic({})
    assert_azure_error(serve.score(), 404, "NoDeploymentWithTraffic")
    assert serve.score(to="green").json()["text"] == "green"


def test_traffic_is_split_and_counted(serve: Any) -> None:
    # given a split of 75 to 25
    serve.traffic({"blue": 75, "green": 25})
    before = {name: serve.counts(name)["live"]["requests"] for name in ("blue", "green")}
    # when requests are sent
    key, uri = serve.key, serve.uri
    headers = {"Authorization": f"Bearer {key}"}
    names = Counter(
        serve.client.post(uri, headers=headers, json={}).headers["azureml-model-deployment"] for _ in range(200)
    )
    # then both answer about their share, and the counts agree with the callers
    assert names["green"] == pytest.approx(50, abs=32)
    for name in ("blue", "green"):
        assert serve.counts(name)["live"]["requests"] - before[name] == names[name]


def test_mirrored_requests_are_counted_separately_and_do_not_affect_callers(serve: Any) -> None:
    # given half of blue's traffic mirrored to green
    serve.traffic({"blue": 100}, {"green": 50})
    before = serve.counts("green")
    # when requests are sent
    replies = [serve.score() for _ in range(60)]
    # then only blue answered, and green got about half of them
    assert {reply.headers["azureml-model-deployment"] for reply in replies} == {"blue"}

    def mirrored() -> int:
        return serve.counts("green")["mirrored"]["requests"] - before["mirrored"]["requests"]

    wait_for(lambda: mirrored() > 10)
    assert mirrored() < 50
    assert serve.counts("green")["live"] == before["live"]


def test_a_mirror_that_fails_does_not_fail_the_caller(serve: Any) -> None:
    # given traffic mirrored to a deployment that is too slow for its own timeout
    serve.deploy("stuck", requestSettings={"requestTimeout": "PT0.05S", "maxConcurrentRequestsPerInstance": 1})
    serve.traffic({"blue": 100}, {"stuck": 50})

    # when requests are sent until a mirrored one has failed
    def failed() -> int | None:
        assert serve.score({"seconds": 0.1}).status_code == 200
        return serve.counts("stuck")["mirrored"]["statuses"].get("408")

    # then callers have got their responses all the same
    assert wait_for(failed)
    serve.traffic({"blue": 100})


def test_a_body_of_ten_megabytes_is_accepted(serve: Any) -> None:
    body = json.dumps({"rows": base64.b64encode(bytes(7_500_000)).decode()}).encode()
    assert len(body) > 10_000_000
    assert serve.score(body, to="blue").json()["bytes"] == len(body)


def test_a_body_that_is_not_json_reaches_the_script(serve: Any) -> None:
    reply = serve.score(b"\xff\x00 no json", to="blue")
    assert (reply.status_code, reply.json()) == (400, {"no json": 10})
    assert reply.headers["ms-azureml-model-error-statuscode"] == "400"


def test_a_script_that_raises_is_a_500_with_a_header(serve: Any) -> None:
    reply = serve.score({"raise": True}, to="blue")
    assert reply.status_code == 500
    assert reply.headers["x-ms-run-function-failed"].lower() == "true"
    assert reply.headers["ms-azureml-model-error-reason"] == "model_error"
    assert "this request fails" in serve.logs("blue")


def test_the_swagger_address_answers(serve: Any) -> None:
    endpoint = serve.client.get(serve.path, params={"api-version": "2022-02-01-preview"}).json()
    uri = endpoint["properties"]["swaggerUri"]
    serve.traffic({"blue": 100})
    reply = serve.client.get(uri, params={"version": "3"}, headers={"Authorization": f"Bearer {serve.key}"})
    assert reply.status_code == 200
    assert "openapi" in reply.json()


def test_other_methods_are_refused(serve: Any, assert_azure_error: Callable[..., None]) -> None:
    headers = {"Authorization": f"Bearer {serve.key}"}
    assert_azure_error(serve.client.put(serve.uri, headers=headers, json={}), 405, "MethodNotAllowed")


def test_keys_rotate_one_at_a_time(serve: Any, emulator: RunningEmulator) -> None:
    # given both keys
    before = serve.action("listKeys").json()
    # when the primary is regenerated, with the SDK's request
    reply = serve.action("regenerateKeys", {"keyType": "Primary", "keyValue": before["primaryKey"]})
    after = serve.action("listKeys").json()
    # then the old primary is refused, the secondary still serves
    assert reply.status_code == 200
    assert after["primaryKey"] != before["primaryKey"]
    assert after["secondaryKey"] == before["secondaryKey"]
    assert serve.score(to="blue", key=before["primaryKey"]).status_code == 401
    assert serve.score(to="blue", key=before["secondaryKey"]).status_code == 200
    assert before["secondaryKey"] not in serve.client.get(serve.path).text


@pytest.mark.parametrize(
    ("mode", "audience"),
    [("AMLToken", None), ("AADToken", "https://ml.azure.com")],
)
def test_tokens_authorize_where_keys_do_not(
    service: Any, emulator: RunningEmulator, mode: str, audience: str | None
) -> None:
    # given an endpoint that takes tokens
    name = f"{service.name}-t"
    service.path, service.name = service.path.replace(service.name, name), name
    assert service.put({}, mode=mode).status_code == 201
    good = emulator.token(audience) if audience else service.action("token").json()["accessToken"]
    # then its token is accepted (no deployment has traffic); others and keys are not
    assert service.score(key=good).status_code == 404
    assert service.score(key=emulator.token("https://other")).status_code == 401
    assert service.score(key="a-key").status_code == 401
    assert service.action("listKeys").status_code == 400


@pytest.mark.parametrize(
    ("headers", "status", "closes"),
    [
        pytest.param({}, 200, False, id="kept open"),
        pytest.param({"connection": "close"}, 200, True, id="closed on request"),
        pytest.param({}, 204, False, id="without a body"),
    ],
)
def test_responses_are_valid_http(serve: Any, headers: dict[str, str], status: int, *, closes: bool) -> None:
    reply = serve.score({"status": status}, to="blue", headers=headers)
    assert reply.status_code == status
    assert (reply.headers.get("connection") == "close") == closes
    assert reply.headers["x-from-model"] == "yes"
    # and the connection, or the next one, answers again
    assert serve.score({}, to="blue").json()["text"] == "blue"
