"""Deployments over the end of the emulator: by a signal, and by SIGKILL in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("serving")


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_served_serves_again(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any], until: Callable[..., Any], how: str
) -> None:
    # given a deployment that serves and one that is just being made
    emulator = fresh_emulator()
    service = service_of(emulator)
    service.deploy("blue")
    service.traffic({"blue": 100})
    key, pid = service.key, service.counts("blue")["pid"]
    service.begin("green", INIT_SECONDS=20)
    # when the emulator ends, and starts again
    getattr(emulator, how)()
    until(lambda: True if _gone(pid) else None)
    emulator.restart()
    # then the first request waits for the server and is answered, with the same key
    assert service.score({}, key=key).json()["text"] == "blue"
    # and the one in the making failed, and can be made again
    failed = service.deployment("green")["properties"]
    assert failed["provisioningState"] == "Failed"
    assert "stopped during" in failed["properties"]["azureml.failureReason"]
    assert "stopped during" in service.logs("green")
    service.deploy("green")
    assert service.score({}, key=key, to="green").json()["text"] == "green"


def test_an_update_cut_off_leaves_the_old_server(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any]
) -> None:
    # given an update in the middle
    emulator = fresh_emulator()
    service = service_of(emulator)
    service.deploy("blue", TEXT="first")
    service.traffic({"blue": 100})
    service.begin("blue", TEXT="second", INIT_SECONDS=20)
    # when the emulator is killed and started
    emulator.kill()
    emulator.restart()
    # then what served before serves
    assert service.score().json()["text"] == "first"
    assert service.deployment("blue")["properties"]["provisioningState"] == "Failed"


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
