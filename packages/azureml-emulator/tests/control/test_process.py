"""The emulator's process: start time, one per state folder, port, permissions, damaged state, restart after a kill."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.control import daemon
from azureml_emulator.control.client_variables import variables
from azureml_emulator.control.ready_file import ALREADY_RUNNING, LastPort
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.server import bind
from azureml_emulator.testing import RunningEmulator

IMPORTS = "import os, azureml_emulator.app, azureml_emulator.server, uvicorn; print(sum(os.times()[:2]))"
READY_FACTOR = 2
# SQLite's.
PAGE = 4096


def processor_seconds(pid: int) -> float:
    """The processor time of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="processor times are read from /proc")
def test_it_is_ready_soon_after_its_imports(fresh_emulator: Callable[..., RunningEmulator]) -> None:
    imports = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert processor_seconds(fresh_emulator().record.pid) < READY_FACTOR * float(imports.stdout)


def test_a_second_emulator_on_one_folder_is_refused(emulator: RunningEmulator) -> None:
    # when another process is started on the folder of an emulator
    line = [sys.executable, "-m", "azureml_emulator.server", emulator.settings.model_dump_json()]
    second = subprocess.run(line, capture_output=True, text=True, check=False)
    # then it ends and names the running one
    assert second.returncode == ALREADY_RUNNING
    assert f"process {emulator.record.pid} at {emulator.base_url}" in second.stderr
    # and so does one in the foreground, without the hint how to stop it
    line = [sys.executable, "-m", "azureml_emulator", "start", "--foreground", "--state", str(emulator.settings.state)]
    foreground = subprocess.run(line, capture_output=True, text=True, check=False)
    assert foreground.returncode == 1
    assert "already runs" in foreground.stderr
    assert "Ctrl-C" not in foreground.stderr


def test_only_the_owner_can_read_the_state(emulator: RunningEmulator) -> None:
    state = emulator.settings.state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    private = [
        state / "secrets.json",
        state / "emulator.json",
        state / "emulator.log",
        *(state / "tls").iterdir(),
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}


def test_it_listens_on_loopback_only(emulator: RunningEmulator) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this system has no /proc/net/tcp")
    wanted = f":{emulator.record.port:04X}"
    local = {line.split()[1] for line in table.read_text().splitlines()[1:] if line.split()[3] == "0A"}
    assert {address for address in local if address.endswith(wanted)} == {f"0100007F{wanted}"}


def test_it_has_a_session_of_its_own(emulator: RunningEmulator) -> None:
    assert os.getsid(emulator.record.pid) == emulator.record.pid


def test_proxies_are_not_used_for_loopback(emulator: RunningEmulator) -> None:
    assert "NO_PROXY" not in variables(emulator.record, {})
    given = variables(emulator.record, {"HTTPS_PROXY": "http://proxy.example.org", "no_proxy": "intern.example.org"})
    assert given["NO_PROXY"] == given["no_proxy"] == "intern.example.org,127.0.0.1,localhost"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningEmulator]:
    """An emulator that ran on some port."""
    running = RunningEmulator(Settings(state=tmp_path_factory.mktemp("stopped") / "state", background_start="lazy"))
    running.stop()
    yield running
    running.stop()


@pytest.mark.parametrize("damage", [b"not a database at all", None], ids=["overwritten", "a lost page"])
def test_a_damaged_database_is_named_with_the_way_out(
    stopped: RunningEmulator, tmp_path: Path, damage: bytes | None
) -> None:
    # given a state folder with a damaged database
    shutil.copytree(stopped.settings.state, tmp_path / "state")
    file = tmp_path / "state" / "emulator.sqlite"
    whole = file.read_bytes()
    file.write_bytes(damage or whole[:PAGE] + b"\xff" * PAGE + whole[2 * PAGE :])
    # when an emulator is started, then the message names the file and the command to use
    with pytest.raises(daemon.DaemonError) as refused:
        daemon.start(stopped.settings.model_copy(update={"state": tmp_path / "state"}))
    assert str(file) in str(refused.value)
    assert "azureml-emulator reset" in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_the_port_is_kept_unless_it_is_in_use(stopped: RunningEmulator) -> None:
    # when an emulator starts again, then the port is the same
    before = stopped.record.port
    stopped.restart()
    assert stopped.record.port == before
    stopped.stop()
    # but a free one is used when another process has it
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", before))
        taken.listen()
        stopped.restart()
        assert stopped.record.port != before


def test_everything_is_there_after_a_kill(
    fresh_emulator: Callable[..., Any], client_of: Callable[..., Any], workspace_of: Callable[..., str]
) -> None:
    # given resources, a blob, and an upload in progress
    running = fresh_emulator()
    path = workspace_of(running)
    with client_of(running) as client:
        body = {"properties": {"image": "example.org/image:1"}}
        assert client.put(f"{path}/environments/kept/versions/1", json=body).status_code == 201
        datastore = client.get(f"{path}/datastores/workspaceblobstore").json()["properties"]
        secret = client.post(f"{path}/datastores/workspaceblobstore/listSecrets", json={}).json()["sasToken"]
        account = datastore["accountName"].rstrip("?").rpartition("/")[2]
        blob = f"/{account}/{datastore['containerName']}/kept.txt?{secret}"
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-meta-colour": "blue"}
        assert client.put(blob, content=b"kept", headers=headers).status_code == 201
    # when the process is killed and started again
    running.kill()
    line = [sys.executable, "-m", "azureml_emulator", "status", "--json", "--state", str(running.settings.state)]
    status = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    assert json.loads(status)["running"] is False
    partial = running.settings.state / "uploads" / "partial"
    (partial / "half").write_bytes(b"half")
    running.restart()
    # then all of it is there, and clients' variables and signatures are still valid
    with client_of(running) as client:
        kept = client.get(f"{path}/environments/kept/versions/1").json()
        assert kept["properties"]["image"] == "example.org/image:1"
        reply = client.get(blob)
        assert (reply.content, reply.headers["x-ms-meta-colour"]) == (b"kept", "blue")
    # and the unfinished upload is removed
    assert list(partial.iterdir()) == []


def test_a_strict_emulator_creates_nothing_on_first_use(
    fresh_emulator: Callable[..., Any],
    client_of: Callable[..., Any],
    workspace_of: Callable[..., str],
    assert_azure_error: Callable[..., None],
) -> None:
    running = fresh_emulator(strict=True)
    path = workspace_of(running)
    with client_of(running) as client:
        assert_azure_error(client.get(path), 404, "ResourceNotFound", "strict")
        discovery = client.get("/registrymanagement/v1.0/registries/none/discovery")
        assert_azure_error(discovery, 404, "ResourceNotFound")
        # a workspace is created by a request, or by a template as that of the SDK
        assert client.put(path, json={"location": "eastus"}).status_code == 201
        assert client.get(f"{path}/datastores/workspaceblobstore").status_code == 200
        assert client.delete(path).status_code == 204
        assert_azure_error(client.get(path), 404, "ResourceNotFound")
        group, _, name = path.partition("/providers/Microsoft.MachineLearningServices/workspaces/")
        resources = [{"type": "Microsoft.MachineLearningServices/workspaces", "name": name}]
        body = {"properties": {"mode": "incremental", "template": {"resources": resources}}}
        assert client.put(f"{group}/providers/Microsoft.Resources/deployments/d", json=body).status_code in {200, 201}
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"99999999",
        b"65536",
        b"-1",
        b"0",
        b"",
        b"8080\n8081",
        b"\xff\xfe",
        "\u0665\u0665\u0665\u0665".encode(),
        b"1" * 9_999,
    ],
    ids=["huge", "one too many", "negative", "zero", "empty", "two", "not text", "other digits", "long"],
)
def test_a_damaged_port_file_names_no_port(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "port").write_bytes(content)
    assert LastPort(tmp_path).read() == 0
    with bind(Settings(state=tmp_path)) as listening:
        assert listening.getsockname()[1] > 0


def test_a_port_file_that_is_a_folder_names_no_port(tmp_path: Path) -> None:
    (tmp_path / "port").mkdir()
    assert LastPort(tmp_path).read() == 0
