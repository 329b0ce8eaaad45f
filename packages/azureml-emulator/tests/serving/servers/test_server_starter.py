"""Forked servers and servers started as fresh processes behave the same."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("serving")
PROBE = """\
import json
import os
import sys

import numpy

LEFT_TO_THE_SCRIPT = "polars" not in sys.modules

import flask
import polars

AT_START = dict(os.environ)


def init():
    pass


def run(data):
    return {
        "given": AT_START.get("GIVEN"),
        "names": sorted(os.environ),
        "left": LEFT_TO_THE_SCRIPT,
        "path": sys.path,
        "folder": os.getcwd(),
        "flask": flask.__file__,
        "root": sys.modules["azureml_inference_server_http.server.config"].config.app_root,
        "leader": os.getpgid(os.getppid()) == os.getppid(),
        "random": float(numpy.random.random()),
    }
"""
FORKED = pytest.mark.skipif(sys.platform != "linux", reason="servers are forked on Linux only")


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@FORKED
def test_forked_and_fresh_servers_find_the_same_environment(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any]
) -> None:
    worlds = []
    for launcher in ("fork", "plain"):
        # given two deployments, of which the second finds the imports of the first in the fork server
        service = service_of(fresh_emulator(launcher, step_launcher=launcher))
        code = service.upload({"score.py": PROBE, "flask.py": "raise RuntimeError('in the way')"})
        for name in ("blue", "green"):
            service.deploy(name, code=code, GIVEN=name)
            found = service.score({}, to=name).json()
            # then each has its own variables, settings and random numbers
            assert found["given"] == name
            assert Path(found["root"]).is_relative_to(service.emulator.settings.state)
            assert found["leader"]
            assert found["left"]
            assert found["random"] not in {each["random"] for each in worlds}
            assert (parent_of(service.counts(name)["pid"]) == service.emulator.record.pid) == (launcher == "plain")
            places = [found["folder"], *found["path"]]
            worlds.append(found | {"path": [place.replace(found["root"], "root") for place in places]})
    # and all else is the same
    for part in ("names", "path", "flask"):
        assert all(each[part] == worlds[0][part] for each in worlds), [each[part] for each in worlds]


@FORKED
def test_a_variable_that_libraries_read_on_import_prevents_forking(service: Any) -> None:
    service.deploy("blue")
    service.deploy("green", OMP_NUM_THREADS="1")

    parents = [parent_of(service.counts(name)["pid"]) for name in ("blue", "green")]

    assert parents[0] != service.emulator.record.pid
    assert parents[1] == service.emulator.record.pid


@FORKED
def test_servers_are_restarted_after_the_end_of_their_fork_server(
    fresh_emulator: Callable[..., Any], service_of: Callable[[Any], Any]
) -> None:
    service = service_of(fresh_emulator())
    service.deploy("blue")
    before = service.counts("blue")["pid"]

    os.kill(parent_of(before), signal.SIGKILL)

    wait_for(lambda: service.counts("blue")["pid"] not in {before, None})
    wait_for(lambda: service.score(to="blue").status_code == 200)
    assert parent_of(service.counts("blue")["pid"]) != service.emulator.record.pid
