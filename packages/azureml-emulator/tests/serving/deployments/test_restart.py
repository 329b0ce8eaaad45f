"""Deployments after the end of the emulator: stopped by a signal, or killed in the middle of operations."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("serving")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_deployments_serve_again_after_a_restart(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any], tmp_path: Path, how: str
) -> None:
    # given a deployment that serves, one that is being created, and one that is being updated
    emulator = fresh_emulator()
    service = service_of(emulator)
    service.deploy("blue")
    service.deploy("amber", TEXT="first")
    service.traffic({"blue": 100})
    key, pid = service.key, service.counts("blue")["pid"]
    service.begin("green", INIT_WAITS_FOR=tmp_path / "never")
    service.begin("amber", TEXT="second", INIT_WAITS_FOR=tmp_path / "never")
    # when the emulator ends, and starts again
    getattr(emulator, how)()
    wait_for(lambda: process_start_time(pid) is None)
    emulator.restart()
    # then the first request waits for the server and is answered, with the same key
    assert service.score({}, key=key).json()["text"] == "blue"
    # and the deployment that was being updated serves as before
    assert service.score({}, key=key, to="amber").json()["text"] == "first"
    # and both interrupted operations failed, with the reason
    for name in ("green", "amber"):
        failed = service.deployment(name)["properties"]
        assert failed["provisioningState"] == "Failed"
        assert "stopped during" in failed["properties"]["azureml.failureReason"]
        assert "stopped during" in service.logs(name)
    # and can be repeated
    service.deploy("green")
    assert service.score({}, key=key, to="green").json()["text"] == "green"


@pytest.mark.parametrize("how", ["move", "copytree"])
def test_deployments_serve_from_where_the_state_folder_is(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any], tmp_path: Path, how: str
) -> None:
    # given a workspace that was stopped, and its folder moved, or copied beside the original
    emulator = fresh_emulator()
    service = service_of(emulator)
    service.deploy("blue")
    key, elsewhere = service.key, tmp_path / "else where"
    emulator.stop()
    getattr(shutil, how)(emulator.settings.state, elsewhere)
    # when it is started there
    emulator.settings = emulator.settings.model_copy(update={"state": elsewhere})
    emulator.restart()
    # then the deployment serves, from the files there
    assert service.score({}, key=key, to="blue").json()["text"] == "blue"
    pid = service.counts("blue")["pid"]
    assert Path(f"/proc/{pid}/cwd").resolve().is_relative_to(elsewhere)
    emulator.stop()


def test_one_deployment_without_its_files_does_not_keep_the_workspace_from_starting(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any]
) -> None:
    # given two deployments, of which one loses its files while the emulator is stopped
    emulator = fresh_emulator()
    service = service_of(emulator)
    service.deploy("blue")
    service.deploy("green")
    key, code = service.key, Path(f"/proc/{service.counts('blue')['pid']}/cwd").resolve()
    emulator.stop()
    shutil.rmtree(code.parent)
    # when
    emulator.restart()
    # then the other one serves, and this one says what to do
    assert service.score({}, key=key, to="green").json()["text"] == "green"
    failed = service.deployment("blue")["properties"]
    assert failed["provisioningState"] == "Failed"
    assert "Create or update the deployment again" in failed["properties"]["azureml.failureReason"]
    service.deploy("blue")
    assert service.score({}, key=key, to="blue").json()["text"] == "blue"
