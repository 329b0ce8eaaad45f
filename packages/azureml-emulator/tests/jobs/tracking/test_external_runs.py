"""Runs that a program starts itself, by MLflow's REST API at its own address: followed, canceled, kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from azureml_emulator.other_users import unlisted
from azureml_emulator.testing import RunningEmulator, wait_for

Track = Callable[[str, dict[str, Any]], dict[str, Any]]
Job = Callable[[str], dict[str, Any]]


@pytest.fixture
def running(fresh_emulator: Callable[..., RunningEmulator]) -> RunningEmulator:
    return fresh_emulator()


@pytest.fixture
def track(running: RunningEmulator, client_of: Callable[[RunningEmulator], httpx.Client]) -> Track:
    """Sends a request to MLflow's own address, as a client without Azure's plugin does."""
    token = running.variables["MLFLOW_TRACKING_TOKEN"]

    def send(route: str, body: dict[str, Any]) -> dict[str, Any]:
        client = client_of(running)
        address = client.get("/_emulator/summary").json()["mlflow"]
        headers = {"Authorization": f"Bearer {token}"}
        reply = client.post(f"{address}/api/2.0/mlflow/{route}", json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return send


@pytest.fixture
def job(
    running: RunningEmulator,
    client_of: Callable[[RunningEmulator], httpx.Client],
    workspace_of: Callable[[RunningEmulator], str],
) -> Job:
    """The job of a run, as a GET shows it."""

    def get(name: str) -> dict[str, Any]:
        reply = client_of(running).get(
            f"{workspace_of(running)}/jobs/{name}", params={"api-version": "2024-01-01-preview"}
        )
        assert reply.status_code == 200, reply.text
        return reply.json()["properties"]

    return get


def test_runs_outside_of_jobs_are_followed(
    running: RunningEmulator,
    track: Track,
    job: Job,
    client_of: Callable[[RunningEmulator], httpx.Client],
    workspace_of: Callable[[RunningEmulator], str],
) -> None:
    # given a run: the first request by azureml:// starts MLflow
    http, workspace = client_of(running), workspace_of(running)
    started = http.post(f"/mlflow/v2.0{workspace}/api/2.0/mlflow/experiments/create", json={"name": "mine"}).json()
    body = {"experiment_id": started["experiment_id"], "run_name": "first", "tags": [{"key": "a", "value": "b"}]}
    run = track("runs/create", {**body, "start_time": int(time.time() * 1000)})["run"]["info"]["run_id"]
    shown = job(run)
    assert (shown["status"], shown["displayName"], shown["experimentName"]) == ("Running", "first", "mine")
    # when it changes, then its job does
    track("runs/set-tag", {"run_id": run, "key": "mlflow.note.content", "value": "what it is"})
    track("runs/log-batch", {"run_id": run, "tags": [{"key": "c", "value": "d"}]})
    track("runs/delete-tag", {"run_id": run, "key": "a"})
    track("runs/update", {"run_id": run, "status": "FAILED", "run_name": "renamed"})
    shown = job(run)
    assert (shown["status"], shown["displayName"]) == ("Failed", "renamed")
    assert (shown["tags"], shown["description"]) == ({"c": "d"}, "what it is")
    # also when it is resumed, deleted and restored
    track("runs/update", {"run_id": run, "status": "RUNNING"})
    assert job(run)["status"] == "Running"
    track("runs/delete", {"run_id": run})
    assert job(run)["isArchived"] is True
    track("runs/restore", {"run_id": run})
    assert job(run)["isArchived"] is False
    # when the emulator is killed, then the program goes on: so does its job
    running.kill()
    running.restart()
    assert job(run)["status"] == "Running"
    # and MLflow's server cannot be asked otherwise
    if sys.platform == "linux":
        assert unlisted(running.settings.state) == []
    # and it can be canceled
    client_of(running).post(f"{workspace}/jobs/{run}/cancel", params={"api-version": "2024-01-01-preview"})
    assert job(run)["status"] == "Canceled"
    route, asked = f"/mlflow/v2.0{workspace}/api/2.0/mlflow/runs/get", {"run_id": run}
    wait_for(lambda: client_of(running).get(route, params=asked).json()["run"]["info"]["status"] == "KILLED")
