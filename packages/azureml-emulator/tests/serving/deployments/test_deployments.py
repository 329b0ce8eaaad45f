"""Deployments: failures with their reason, restarts of servers, updates without failed requests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("serving")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"AT_INIT": "raise"}, "the model cannot be read", id="init raises"),
        pytest.param({"AT_INIT": "end"}, "exited with code", id="process ends"),
        pytest.param({"script": "gone.py"}, "not in the code folder, which has: score.py", id="no script"),
        pytest.param({"script": "../score.py"}, "inside the code folder", id="script outside"),
        pytest.param(
            {
                "INIT_WAITS_FOR": "nothing",
                "livenessProbe": {"initialDelay": "PT1S", "period": "PT1S", "failureThreshold": 1},
            },
            "not ready within 2 seconds",
            id="never ready",
        ),
    ],
)
def test_a_deployment_that_cannot_start_fails_with_the_reason(service: Any, given: dict, words: str) -> None:
    # when it is created
    reply = service.begin("blue", **given)
    # then the operation fails with the reason, and the deployment can have no traffic
    error = service.failure(reply)
    assert words in error["message"]
    assert service.deployment("blue")["properties"]["provisioningState"] == "Failed"
    assert service.put({"blue": 100}).status_code == 400
    assert service.delete("blue").status_code in {202, 204}


def test_code_and_model_of_a_deployment_must_exist(service: Any, assert_azure_error: Callable[..., None]) -> None:
    code = f"{service.workspace}/codes/missing/versions/1"
    assert_azure_error(service.begin("blue", code=code), 404, "ResourceNotFound", "missing")
    model = f"{service.workspace}/models/missing/versions/1"
    assert_azure_error(service.begin("blue", model=model), 404, "ResourceNotFound", "missing")


def test_a_second_operation_on_a_deployment_is_refused(
    service: Any, assert_azure_error: Callable[..., None], tmp_path: Path
) -> None:
    # given a deployment that is being created
    service.begin("blue", INIT_WAITS_FOR=tmp_path / "go")
    # when it is updated or deleted, then both are refused, and the first operation succeeds
    assert_azure_error(service.begin("blue", TEXT="other"), 409, "Conflict")
    assert_azure_error(service.delete("blue"), 409, "Conflict")
    (tmp_path / "go").touch()
    assert service.settled("blue") == "Succeeded"


def test_the_same_request_again_changes_nothing(service: Any) -> None:
    service.deploy("blue")
    pid = service.counts("blue")["pid"]
    reply = service.begin("blue")
    assert (reply.status_code, reply.json()["properties"]["provisioningState"]) == (200, "Succeeded")
    assert service.counts("blue")["pid"] == pid


def test_a_deployment_with_traffic_is_not_deleted(service: Any, assert_azure_error: Callable[..., None]) -> None:
    service.deploy("blue")
    service.traffic({"blue": 100})
    assert_azure_error(service.delete("blue"), 400, "DeploymentHasTraffic", "100 %")
    # when its traffic is removed
    service.traffic({"blue": 0})
    pid = service.counts("blue")["pid"]
    assert service.delete("blue").status_code in {202, 204}
    # then it is deleted, and its process ended
    wait_for(lambda: service.deployment("blue").get("error"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_deleting_an_endpoint_ends_its_deployments(service: Any) -> None:
    service.deploy("blue")
    service.traffic({"blue": 100})
    pid = service.counts("blue")["pid"]
    uri, key = service.uri, service.key
    assert service.client.delete(service.path).status_code in {202, 204}
    wait_for(lambda: service.client.get(service.path).status_code == 404)
    assert service.client.post(uri, headers={"Authorization": f"Bearer {key}"}).status_code == 404
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_request_beyond_its_timeout_is_a_408(
    service: Any, assert_azure_error: Callable[..., None], tmp_path: Path
) -> None:
    service.deploy("blue", requestSettings={"requestTimeout": "PT0.3S"})
    slow = service.score({"wait_for": str(tmp_path / "go")}, to="blue")
    assert_azure_error(slow, 408, "RequestTimeout", "0.3 seconds")
    assert service.counts("blue")["live"]["statuses"] == {"408": 1}
    (tmp_path / "go").touch()


def test_too_many_requests_are_a_429(service: Any, tmp_path: Path) -> None:
    # given a deployment for one request at a time, which has one, and one more may wait for a short while
    limits = {"maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.2S", "requestTimeout": "PT180S"}
    service.deploy("blue", requestSettings=limits)
    key, go = service.key, tmp_path / "go"
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(service.score, {"wait_for": str(go)}, to="blue", key=key)
        wait_for(go.with_name("go.waiting").exists)
        # when three more arrive
        refused = list(pool.map(lambda _: service.score({}, to="blue", key=key), range(3)))
        go.touch()
    # then none of them is accepted: two find the queue full, one waits too long
    assert first.result().status_code == 200
    assert [reply.status_code for reply in refused] == [429, 429, 429]
    assert refused[0].headers["ms-azureml-model-error-reason"] == "too_many_pending_requests"
    assert service.score(to="blue").status_code == 200


def test_a_killed_server_is_restarted(service: Any) -> None:
    # given a deployment under load
    service.deploy("blue", WORKER_COUNT=2)
    service.traffic({"blue": 100})
    pid = service.counts("blue")["pid"]

    async def kill_under_load() -> dict[int, int]:
        async with service.steady_load() as statuses:
            await service.answered(statuses)
            # when its whole server is killed
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(wait_for, lambda: _restarted(service, pid))
            await service.answered(statuses)
        return dict(statuses)

    statuses = asyncio.run(kill_under_load())
    # then it is restarted, the restart is counted, and callers get nothing but documented errors meanwhile
    assert set(statuses) <= {200, 502, 503}
    assert service.counts("blue")["restarts"] == 1


def test_a_worker_that_dies_fails_only_the_request_that_killed_it(service: Any) -> None:
    service.deploy("blue")
    reply = service.score({"die": True}, to="blue")
    assert reply.status_code == 502
    assert reply.headers["ms-azureml-model-error-reason"] == "model_connection_lost"
    assert service.score(to="blue").status_code == 200


def test_an_update_in_place_fails_no_request(service: Any, tmp_path: Path) -> None:
    # given a deployment under load, with a long request in progress
    service.deploy("blue", TEXT="first")
    service.traffic({"blue": 100})
    pid, go = service.counts("blue")["pid"], tmp_path / "go"

    async def update_under_load() -> dict[int, int]:
        async with service.steady_load() as statuses:
            slow = asyncio.create_task(asyncio.to_thread(service.score, {"wait_for": str(go)}))
            await asyncio.to_thread(wait_for, go.with_name("go.waiting").exists)
            # when it is updated, until the new server has replaced the old one
            service.begin("blue", TEXT="second")
            await asyncio.to_thread(wait_for, lambda: service.counts("blue")["pid"] != pid)
            go.touch()
            # then the old server has still answered the long request
            assert (await slow).json()["text"] == "first"
            await service.answered(statuses)
        return dict(statuses)

    # and no request failed
    assert set(asyncio.run(update_under_load())) == {200}
    assert service.settled("blue") == "Succeeded"
    assert service.score().json()["text"] == "second"


def test_an_update_that_fails_leaves_the_old_server(service: Any) -> None:
    service.deploy("blue", TEXT="first")
    service.traffic({"blue": 100})
    error = service.failure(service.begin("blue", TEXT="second", AT_INIT="raise"))
    assert "the model cannot be read" in error["message"]
    assert service.deployment("blue")["properties"]["provisioningState"] == "Failed"
    assert service.score().json()["text"] == "first"


def test_logs_are_those_of_the_server(service: Any) -> None:
    service.deploy("blue", TEXT="a phrase to find")
    assert "initialised a phrase to find" in service.logs("blue")
    url = f"{service.path}/deployments/blue/getLogs"
    short = service.client.post(url, json={"tail": 2}).json()["content"]
    assert len(short.splitlines()) == 2
    storage = service.client.post(url, json={"containerType": "StorageInitializer"}).json()["content"]
    assert "Copied the model" in storage


def test_an_endpoint_name_is_unique_in_a_region(service: Any, assert_azure_error: Callable[..., None]) -> None:
    other = service.path.replace("/workspaces/", "/workspaces/other-")
    reply = service.client.put(other, json={"location": "eastus", "properties": {"authMode": "Key"}})
    assert_azure_error(reply, 409, "EndpointAlreadyExists", service.name)


def test_with_model_errors_as_azure_an_error_of_the_model_is_a_424(
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


def test_a_server_that_keeps_crashing_is_reported(service: Any) -> None:
    # given a deployment whose first start succeeds and every later one fails
    began = time.monotonic()
    service.deploy("blue", CRASH_FROM_START="2")
    one_start = time.monotonic() - began
    service.traffic({"blue": 100})
    key = service.key
    # when its process ends
    os.kill(service.counts("blue")["pid"], signal.SIGKILL)
    wait_for(lambda: service.counts("blue")["restarts"] >= 2)
    # then its document says so, although its creation succeeded
    properties = service.deployment("blue")["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["properties"]["azureml.health"] == "restarting"
    assert "before it was ready" in properties["properties"]["azureml.healthReason"]
    # and callers get 503 without waiting for a server, and it is counted
    times = []
    for _ in range(5):
        began = time.monotonic()
        assert service.score({}, key=key).status_code == 503
        times.append(time.monotonic() - began)
    assert min(times) < one_start
    assert service.counts("blue")["live"]["statuses"]["503"] == len(times)


def test_an_endpoint_that_is_being_deleted_refuses_changes(
    service: Any, assert_azure_error: Callable[..., None]
) -> None:
    # given an endpoint with a server that has to end first
    service.deploy("blue")
    version = {"api-version": "2022-02-01-preview"}

    # when it is deleted, then changes before its end are refused
    assert service.client.delete(service.path, params=version).status_code == 202
    refused = (service.put({}), service.begin("green"), service.client.delete(service.path, params=version))
    for reply in refused:
        assert_azure_error(reply, 409, "Conflict", "Deleting")

    # and changes after it are not
    wait_for(lambda: service.client.get(service.path, params=version).status_code == 404)
    assert service.put({}).status_code == 201
