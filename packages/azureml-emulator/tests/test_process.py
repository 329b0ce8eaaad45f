"""The command and the process: start, stop, status, env, reset, and what a kill -9 leaves behind."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.control.client_variables import variables
from azureml_emulator.control.ready_file import ALREADY_RUNNING

# What the emulator has imported when it is ready: measured beside it, on a machine that may have much to do.
IMPORTS = [sys.executable, "-c", "import azureml_emulator.app, azureml_emulator.server, uvicorn"]
READY_FACTOR = 5
# SQLite's.
PAGE = 4096


def command(*arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    given = [*arguments, *(["--state", str(state)] if state else [])]
    line = [sys.executable, "-m", "azureml_emulator", *given]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def test_start_status_env_stop(tmp_path: Path) -> None:
    state = tmp_path / "state"
    # given nothing that runs
    assert command("status", state=state).returncode == 3
    assert "Start one" in command("env", state=state).stderr
    try:
        # when it is started twice
        first, second = command("start", state=state), command("start", state=state)
        # then it runs once, and says where
        assert "ready in" in first.stdout
        assert "already running" in second.stdout
        shown = json.loads(command("status", "--json", state=state).stdout)
        assert shown["running"]
        assert shown["address"] in first.stdout
        assert shown["jobs"] == {}
        values = json.loads(command("env", "--json", state=state).stdout)
        assert values["ARM_CLOUD_METADATA_URL"] == f"{shown['address']}/metadata/endpoints"
        assert values["AZUREML_CURRENT_CLOUD"].endswith(shown["address"].rpartition(":")[2])
        alone = json.loads(command("env", "--json", "--no-public-roots", state=state).stdout)
        assert {Path(alone[name]).name for name, value in values.items() if alone[name] != value} == {"authority.pem"}
        assert Path(alone["SSL_CERT_FILE"]).read_text() in Path(values["SSL_CERT_FILE"]).read_text()
        assert command("reset", "--yes", state=state).returncode == 1
    finally:
        stopped = command("stop", state=state)
    assert "Stopped" in stopped.stdout
    assert "No emulator is running" in command("stop", state=state).stdout
    assert command("reset", "--yes", state=state).returncode == 0
    assert not state.exists()


def test_env_survives_a_shell(tmp_path: Path) -> None:
    # given a state folder with a name that shells read as more than text
    state = tmp_path / "it's a $HOME `folder`"
    assert command("start", state=state).returncode == 0
    try:
        text = command("env", state=state).stdout
    finally:
        command("stop", state=state)
    # when a shell evaluates the lines
    shown = subprocess.run(
        ["sh", "-c", 'eval "$1" && printf %s "$SSL_CERT_FILE"', "sh", text],
        capture_output=True,
        text=True,
        check=True,
    )
    # then the value is the one that was meant
    assert shown.stdout == str(state / "tls" / "bundle.pem")


def processor_seconds() -> float:
    """What this process's children have used so far: others may share the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_takes_less_than_the_imports_of_a_server_and_has_examples() -> None:
    began = processor_seconds()
    shown = command("--help")
    helped = processor_seconds()
    subprocess.run(IMPORTS, check=True)
    assert helped - began < processor_seconds() - helped
    assert 'eval "$(azureml-emulator env)"' in shown.stdout
    slow = "import sys, azureml_emulator.__main__; print({'starlette', 'uvicorn', 'mlflow'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", slow], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_it_is_ready_soon_after_its_imports(fresh_emulator: Callable[..., Any]) -> None:
    began = time.monotonic()
    subprocess.run(IMPORTS, check=True)
    imported = time.monotonic()
    fresh_emulator()
    assert time.monotonic() - imported < READY_FACTOR * (imported - began)


def test_a_second_emulator_on_one_folder_is_refused(fresh_emulator: Callable[..., Any]) -> None:
    # given an emulator
    running = fresh_emulator()
    # when another process wants the same folder
    settings = running.settings.model_dump_json()
    line = [sys.executable, "-m", "azureml_emulator.server", settings]
    second = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)
    # then it ends and names the one that has it
    assert second.returncode == ALREADY_RUNNING
    assert f"process {running.record.pid} at {running.base_url}" in second.stderr
    # and neither does one in the foreground say how to stop it
    front = command("start", "--foreground", state=running.settings.state)
    assert front.returncode == 1
    assert "already runs" in front.stderr
    assert "Ctrl-C" not in front.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = command("start", "--port", str(port), state=tmp_path / "state")
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr
    assert "--port" in refused.stderr
    assert "ERROR" not in refused.stderr


def test_two_starts_at_once_lead_to_one_emulator(tmp_path: Path) -> None:
    # given two starts at the same time
    line = [sys.executable, "-m", "azureml_emulator", "start", "--state", str(tmp_path / "state")]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        shown = [process.communicate(timeout=60) for process in both]
        status = command("status", state=tmp_path / "state").stdout
    finally:
        command("stop", state=tmp_path / "state")
    # then one started it, and the other waited for it
    assert [process.returncode for process in both] == [0, 0], shown
    assert sorted("already running" in output for output, _ in shown) == [False, True]
    assert "None" not in status


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "state"
    for verb in (["start"], ["start", "--foreground"]):
        refused = command(*verb, state=place)
        assert refused.returncode != 0
        assert f"The state folder {place} cannot be used" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert command("status", state=place).returncode == 3


@pytest.mark.parametrize("damage", [b"not a database at all", None], ids=["overwritten", "a page lost"])
def test_a_damaged_file_is_named_with_what_to_do(fresh_emulator: Callable[..., Any], damage: bytes | None) -> None:
    # given a state folder whose database was damaged
    running = fresh_emulator()
    running.stop()
    file = running.settings.state / "emulator.sqlite"
    whole = file.read_bytes()
    file.write_bytes(damage or whole[:PAGE] + b"\xff" * PAGE + whole[2 * PAGE :])
    # when it is started
    refused = command("start", state=running.settings.state)
    # then the message names the file and the way out, and nothing else
    assert refused.returncode == 1
    assert str(file) in refused.stderr
    assert "azureml-emulator reset" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_port_stays_and_gives_way(fresh_emulator: Callable[..., Any]) -> None:
    # given an emulator that ran on some port
    running = fresh_emulator()
    before = running.record.port
    running.stop()
    # when it starts again, then the port is the same
    running.restart()
    assert running.record.port == before
    running.stop()
    # but where another has taken it, a free one is found
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", before))
        taken.listen()
        running.restart()
        assert running.record.port != before


def test_a_folder_of_someone_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "not a state folder" in command("start", state=tmp_path).stderr
    assert "not a state folder" in command("reset", "--yes", state=tmp_path).stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_kill_and_restart_keeps_everything(
    fresh_emulator: Callable[..., Any], client_of: Callable[..., Any], workspace_of: Callable[..., str]
) -> None:
    # given resources and a blob
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
    # when the process is killed in the middle and started again
    running.kill()
    assert json.loads(command("status", "--json", state=running.settings.state).stdout)["running"] is False
    running.restart()
    # then all of it is there, and clients' variables and signatures still hold
    with client_of(running) as client:
        kept = client.get(f"{path}/environments/kept/versions/1").json()
        assert kept["properties"]["image"] == "example.org/image:1"
        reply = client.get(blob)
        assert (reply.content, reply.headers["x-ms-meta-colour"]) == (b"kept", "blue")


def test_what_a_killed_process_did_not_finish_is_cleared(fresh_emulator: Callable[..., Any]) -> None:
    running = fresh_emulator()
    running.kill()
    partial = running.settings.state / "uploads" / "partial"
    (partial / "half").write_bytes(b"half")
    running.restart()
    assert list(partial.iterdir()) == []


def test_a_proxy_is_told_to_leave_loopback_alone(fresh_emulator: Callable[..., Any]) -> None:
    record = fresh_emulator().record
    assert "NO_PROXY" not in variables(record, {})
    given = variables(record, {"HTTPS_PROXY": "http://proxy.example.org", "no_proxy": "intern.example.org"})
    assert given["NO_PROXY"] == given["no_proxy"] == "intern.example.org,127.0.0.1,localhost"


def test_only_the_owner_can_read_the_state(fresh_emulator: Callable[..., Any]) -> None:
    state = fresh_emulator().settings.state
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    private = [
        state / "secrets.json",
        state / "emulator.json",
        state / "emulator.log",
        *(state / "tls").iterdir(),
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}


def test_it_listens_on_loopback_only(fresh_emulator: Callable[..., Any]) -> None:
    running = fresh_emulator()
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this system has no /proc/net/tcp")
    wanted = f":{running.record.port:04X}"
    local = {line.split()[1] for line in table.read_text().splitlines()[1:] if line.split()[3] == "0A"}
    assert {address for address in local if address.endswith(wanted)} == {f"0100007F{wanted}"}


def test_a_strict_emulator_makes_nothing_by_itself(
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
        assert client.put(path, json={"location": "eastus"}).status_code == 201
        assert client.get(f"{path}/datastores/workspaceblobstore").status_code == 200
        assert client.delete(path).status_code == 204
        assert_azure_error(client.get(path), 404, "ResourceNotFound")


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    refused = command("start", "--workspace", "with space", state=tmp_path / "state")
    assert refused.returncode == 2
    assert "--workspace" in refused.stderr
    assert not (tmp_path / "state").exists()


def test_the_process_leaves_the_terminal(fresh_emulator: Callable[..., Any]) -> None:
    running = fresh_emulator()
    assert os.getsid(running.record.pid) == running.record.pid
