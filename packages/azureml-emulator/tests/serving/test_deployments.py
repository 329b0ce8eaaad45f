"""Deployments in good and bad days: what fails says why, what dies comes back, what changes fails nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("serving")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"AT_INIT": "raise"}, "the model is not to my liking", id="init raises"),
        pytest.param({"AT_INIT": "end"}, "exited with code", id="process ends"),
        pytest.param({"script": "gone.py"}, "not in the code folder, which has: score.py", id="no script"),
        pytest.param({"script": "../score.py"}, "inside the code folder", id="script outside"),
        pytest.param(
            {
                "INIT_SECONDS": 30,
                "livenessProbe": {"initialDelay": "PT1S", "period": "PT1S", "failureThreshold": 1},
            },
            "not ready within 2 seconds",
            id="never up",
        ),
    ],
)
def test_a_deployment_that_does_not_come_up_fails_with_its_reason(service: Any, given: dict, words: str) -> None:
    # when it is made
    reply = service.begin("blue", **given)
    # then the operation fails and says why, and no traffic can go there
    error = service.failure(reply)
    assert words in error["message"]
    assert service.deployment("blue")["properties"]["provisioningState"] == "Failed"
    assert service.put({"blue": 100}).status_code == 400
    assert service.delete("blue").status_code in {202, 204}


def test_what_a_deployment_names_must_exist(service: Any, assert_azure_error: Callable[..., None]) -> None:
    missing = f"{service.workspace}/codes/nobody/versions/1"
    assert_azure_error(service.begin("blue", code=missing), 404, "ResourceNotFound", "nobody")
    model = f"{service.workspace}/models/nobody/versions/1"
    assert_azure_error(service.begin("blue", model=model), 404, "ResourceNotFound", "nobody")


def test_a_second_operation_on_a_deployment_waits(service: Any, assert_azure_error: Callable[..., None]) -> None:
    service.begin("blue", INIT_SECONDS=1)
    assert_azure_error(service.begin("blue", TEXT="other"), 409, "Conflict")
    assert_azure_error(service.delete("blue"), 409, "Conflict")
    assert service.settled("blue") == "Succeeded"


def test_the_same_again_changes_nothing(service: Any) -> None:
    service.deploy("blue")
    pid = service.counts("blue")["pid"]
    reply = service.begin("blue")
    assert (reply.status_code, reply.json()["properties"]["provisioningState"]) == (200, "Succeeded")
    assert service.counts("blue")["pid"] == pid


def test_a_deployment_with_traffic_is_not_deleted(
    service: Any, assert_azure_error: Callable[..., None], until: Callable[..., Any]
) -> None:
    service.deploy("blue")
    service.traffic({"blue": 100})
    assert_azure_error(service.delete("blue"), 400, "DeploymentHasTraffic", "100 %")
    # when its traffic is taken away
    service.traffic({"blue": 0})
    pid = service.counts("blue")["pid"]
    assert service.delete("blue").status_code in {202, 204}
    # then it and its process go
    until(lambda: True if service.deployment("blue").get("error") else None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_deleting_an_endpoint_ends_its_deployments(service: Any, until: Callable[..., Any]) -> None:
    service.deploy("blue")
    service.traffic({"blue": 100})
    pid = service.counts("blue")["pid"]
    uri, key = service.uri, service.key
    assert service.client.delete(service.path).status_code in {202, 204}
    until(lambda: True if service.client.get(service.path).status_code == 404 else None)
    assert service.client.post(uri, headers={"Authorization": f"Bearer {key}"}).status_code == 404
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_answer_that_takes_too_long_is_a_408(service: Any, assert_azure_error: Callable[..., None]) -> None:
    service.deploy("blue", requestSettings={"requestTimeout": "PT0.3S"})
    assert_azure_error(service.score({"seconds": 2}, to="blue"), 408, "RequestTimeout", "0.3 seconds")
    assert service.counts("blue")["live"]["statuses"] == {"408": 1}


def test_too_many_requests_are_a_429(service: Any) -> None:
    # given one request at a time, and one that may wait for a short while
    limits = {"maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.2S", "requestTimeout": "PT10S"}
    service.deploy("blue", requestSettings=limits)
    key = service.key
    # when four come at once
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: service.score({"seconds": 1}, to="blue", key=key), range(4)))
    # then one is answered, two find no place, one waits too long
    assert sorted(reply.status_code for reply in replies) == [200, 429, 429, 429]
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_requests"
    assert service.score(to="blue").status_code == 200


def test_a_killed_server_comes_back(service: Any, until: Callable[..., Any]) -> None:
    # given a deployment under load
    service.deploy("blue", WORKER_COUNT=2)
    service.traffic({"blue": 100})
    pid = service.counts("blue")["pid"]

    async def kill_under_load() -> dict[int, int]:
        async with service.steady_load() as statuses:
            await asyncio.sleep(0.3)
            # when its whole server is killed
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(until, lambda: True if _restarted(service, pid) else None)
            statuses_then = dict(statuses)
            await asyncio.sleep(0.3)
        assert statuses[200] > statuses_then[200]
        return dict(statuses)

    statuses = asyncio.run(kill_under_load())
    # then it is restarted, counted, and callers meanwhile heard so
    assert set(statuses) <= {200, 502, 503}
    assert service.counts("blue")["restarts"] == 1


def test_a_worker_that_dies_of_a_request_does_not_fail_the_others(service: Any) -> None:
    service.deploy("blue")
    reply = service.score({"die": True}, to="blue")
    assert reply.status_code == 502
    assert reply.headers["ms-azureml-model-error-reason"] == "model_connection_lost"
    assert service.score(to="blue").status_code == 200


def test_an_update_in_place_fails_no_request(service: Any) -> None:
    # given a deployment under load, with a request under way that takes a while
    service.deploy("blue", TEXT="first")
    service.traffic({"blue": 100})

    async def update_under_load() -> dict[int, int]:
        async with service.steady_load() as statuses:
            slow = asyncio.create_task(asyncio.to_thread(service.score, {"seconds": 1.5}))
            # when it is updated
            await asyncio.to_thread(lambda: service.deploy("blue", TEXT="second"))
            assert (await slow).json()["text"] == "first"
            await asyncio.sleep(0.2)
        return dict(statuses)

    # then every request was answered, and new ones by the new server
    assert set(asyncio.run(update_under_load())) == {200}
    assert service.score().json()["text"] == "second"


def test_an_update_that_fails_leaves_the_old_server(service: Any) -> None:
    service.deploy("blue", TEXT="first")
    service.traffic({"blue": 100})
    error = service.failure(service.begin("blue", TEXT="second", AT_INIT="raise"))
    assert "not to my liking" in error["message"]
    assert service.deployment("blue")["properties"]["provisioningState"] == "Failed"
    assert service.score().json()["text"] == "first"


def test_logs_are_the_servers(service: Any) -> None:
    service.deploy("blue", TEXT="a word to find")
    assert "initialised a word to find" in service.logs("blue")
    url = f"{service.path}/deployments/blue/getLogs"
    short = service.client.post(url, json={"tail": 2}).json()["content"]
    assert len(short.splitlines()) == 2
    storage = service.client.post(url, json={"containerType": "StorageInitializer"}).json()["content"]
    assert "Copied the model" in storage


def test_an_endpoint_name_is_taken_once_in_a_region(service: Any, assert_azure_error: Callable[..., None]) -> None:
    other = service.path.replace("/workspaces/", "/workspaces/other-")
    reply = service.client.put(other, json={"location": "eastus", "properties": {"authMode": "Key"}})
    assert_azure_error(reply, 409, "EndpointAlreadyExists", service.name)


def test_model_errors_are_a_424_where_the_emulator_is_told_so(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any]
) -> None:
    service = service_of(fresh_emulator(model_errors="as_azure"))
    service.deploy("blue")
    reply = service.score({"status": 418}, to="blue")
    assert (reply.status_code, reply.headers["ms-azureml-model-error-statuscode"]) == (424, "418")
    assert reply.json()["text"] == "blue"
    assert service.counts("blue")["live"]["model_statuses"] == {"418": 1}


def _restarted(service: Any, pid: int) -> bool:
    counts = service.counts("blue")
    return counts["health"] == "healthy" and counts["pid"] != pid


def test_a_server_that_keeps_crashing_is_seen_to_be_down(service: Any, until: Callable[..., Any]) -> None:
    # given a deployment whose first start goes well and whose every other one crashes
    began = time.monotonic()
    service.deploy("blue", CRASH_FROM_START="2")
    one_start = time.monotonic() - began
    service.traffic({"blue": 100})
    key = service.key
    # when its process ends
    os.kill(service.counts("blue")["pid"], signal.SIGKILL)
    until(lambda: True if service.counts("blue")["restarts"] >= 2 else None)
    # then its document says so, though it was made well
    properties = service.deployment("blue")["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["properties"]["azureml.health"] == "restarting"
    assert "before it was ready" in properties["properties"]["azureml.healthReason"]
    # and callers hear it without waiting for a server, and it is counted
    began = time.monotonic()
    assert service.score({}, key=key).status_code == 503
    assert time.monotonic() - began < one_start
    assert service.counts("blue")["live"]["statuses"]["503"] == 1


def test_an_endpoint_that_is_being_deleted_takes_nothing_more(
    service: Any, assert_azure_error: Callable[..., None], until: Callable[..., Any]
) -> None:
    # given an endpoint that takes a while to delete, for its server has to end
    service.deploy("blue")
    version = {"api-version": "2022-02-01-preview"}

    # when it is deleted, what comes before its end is refused
    assert service.client.delete(service.path, params=version).status_code == 202
    refused = (service.put({}), service.begin("green"), service.client.delete(service.path, params=version))
    for reply in refused:
        assert_azure_error(reply, 409, "Conflict", "Deleting")

    # and what comes after it is not
    until(lambda: service.client.get(service.path, params=version).status_code == 404 or None)
    assert service.put({}).status_code == 201
