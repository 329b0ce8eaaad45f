"""Custom containers on a machine that cannot give them networks of their own: off, until a switch opens their ports."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.control.ready_file import ReadyFile
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = [
    pytest.mark.xdist_group("serving"),
    pytest.mark.skipif(not has_private_networks(), reason="this machine cannot make user namespaces"),
]
# Runs a command where the kernel grants no more networks, as on a machine that forbids them.
WITHOUT_NETWORKS = """\
import ctypes, os, sys
user, group = os.geteuid(), os.getegid()
if ctypes.CDLL(None).unshare(0x10000000):
    sys.exit("no user namespace")
for file, text in (
    ("self/setgroups", "deny"),
    ("self/uid_map", f"{user} {user} 1"),
    ("self/gid_map", f"{group} {group} 1"),
    ("sys/user/max_net_namespaces", "0"),
):
    with open(f"/proc/{file}", "w") as opened:
        opened.write(text)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def emulator_without_networks(state: Path, *, open_ports: bool) -> Generator[RunningEmulator]:
    settings = Settings(state=state, background_start="lazy", open_container_ports=open_ports)
    server = [sys.executable, "-m", "azureml_emulator.server", settings.model_dump_json()]
    process = subprocess.Popen([sys.executable, "-c", WITHOUT_NETWORKS, *server], start_new_session=True)
    try:
        wait_for(lambda: ReadyFile(state).read() or process.poll() is not None)
        assert process.poll() is None
        yield RunningEmulator(settings)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def routed(port: int) -> dict[str, Any]:
    paths = {"liveness": "/live", "readiness": "/ready?x=1", "scoring": "/v1/predict"}
    return {f"{kind}Route": {"port": port, "path": path} for kind, path in paths.items()}


@pytest.mark.long
def test_containers_are_off_until_their_ports_may_be_open_to_every_user(
    tmp_path: Path, service_of: Callable[[RunningEmulator], Any], module_of: Callable[[Path], Any]
) -> None:
    custom = module_of(Path(__file__).with_name("test_containers.py"))
    port = free_port()
    dockerfile = custom.DOCKERFILE.replace("PORT=5001", f"PORT={port}")
    with emulator_without_networks(tmp_path / "state", open_ports=False) as emulator:
        containers = custom.Containers(service_of(emulator))
        message = containers.failed("blue", containers.built(dockerfile, inferenceConfig=routed(port)))
        assert "Start the emulator with --open-container-ports to allow that" in message
        containers.service.client.close()

    with emulator_without_networks(tmp_path / "state", open_ports=True) as emulator:
        containers = custom.Containers(service_of(emulator))
        containers.serve("blue", containers.built(dockerfile, inferenceConfig=routed(port)))
        assert containers.service.score({}, to="blue").json()["path"] == "/v1/predict"
        # Whoever is on this machine gets an answer, without a key: what the switch warns of.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=60) as reply:
            assert reply.status == 200
