"""A full disk is told as such, leaves nothing half done, and is no end of anything once there is room again."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.control.daemon import DaemonError
from azureml_emulator.kernel.errors import disk_full
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.testing import RunningEmulator, running_emulator, wait_for

MEGABYTE = 1024 * 1024
BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}
# An emulator with its log, keys and database needs less than this.
DISK_BYTES = 24 * MEGABYTE


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningEmulator]:
    """An emulator that may write no file of more than 8 MB, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MEGABYTE, before[1]))
    try:
        with running_emulator(tmp_path_factory.mktemp("limited") / "state", background_start="lazy") as running:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A small disk of its own; skips the test where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system in memory")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def uploads_of(client: httpx.Client, workspace: str) -> tuple[str, str]:
    """The path of the default container, and a signature to write there."""
    store = client.get(f"{workspace}/datastores/workspaceblobstore").json()["properties"]
    sas = client.post(f"{workspace}/datastores/workspaceblobstore/listSecrets", json={}).json()["sasToken"]
    return f"/{store['accountName'].rstrip('?').rpartition('/')[2]}/{store['containerName']}", sas


def fill(file: Path) -> None:
    """Write to a file for as long as there is room."""
    with file.open("wb") as stream:
        while True:
            os.write(stream.fileno(), bytes(64 * 1024))


def test_an_upload_without_room_is_refused_and_leaves_nothing(
    limited: RunningEmulator, client_of: Callable[..., httpx.Client], workspace_of: Callable[..., str]
) -> None:
    client, state = client_of(limited), limited.settings.state
    container, sas = uploads_of(client, workspace_of(limited))
    # when a blob is uploaded that does not fit
    reply = client.put(f"{container}/large.bin?{sas}", content=bytes(16 * MEGABYTE), headers=BLOCK_BLOB)
    # then the answer names the folder, and there is no part of it
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (507, "InsufficientStorage")
    assert f"no room left on the disk of {state}" in reply.text
    assert not list((state / "blobs").rglob("large.bin"))
    assert not list((state / "uploads" / "partial").iterdir())
    # and what fits is stored
    assert client.put(f"{container}/small.bin?{sas}", content=b"x", headers=BLOCK_BLOB).status_code == 201


def test_a_model_without_room_is_not_registered(
    limited: RunningEmulator,
    client_of: Callable[..., httpx.Client],
    workspace_of: Callable[..., str],
    assert_azure_error: Callable[..., None],
) -> None:
    client, state, workspace = client_of(limited), limited.settings.state, workspace_of(limited)
    container, _ = uploads_of(client, workspace)
    # given files of a model that cannot be copied
    source = state / "blobs" / container.lstrip("/") / "model"
    source.mkdir()
    (source / "weights.bin").write_bytes(bytes(16 * MEGABYTE))
    # when it is registered
    uri = "azureml://datastores/workspaceblobstore/paths/model/"
    version = f"{workspace}/models/large/versions/1"
    reply = client.put(version, json={"properties": {"modelUri": uri, "modelType": "custom_model"}})
    # then it says why, and there is neither a version nor a part of its files
    assert_azure_error(reply, 507, "InsufficientStorage", str(state), "Nothing was stored")
    assert client.get(version).status_code == 404
    assert not list((state / "uploads" / "partial").iterdir())
    assert not list((state / "blobs").rglob("azureml-registered/models/large/**/weights.bin"))


@pytest.mark.long
def test_a_step_without_room_fails_for_that_reason_and_runs_once_there_is_room(
    disk: Path, client_of: Callable[..., httpx.Client], workspace_of: Callable[..., str]
) -> None:
    with running_emulator(disk / "state", background_start="lazy", step_launcher="plain") as running:
        client, workspace = client_of(running), workspace_of(running)
        environment = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"

        def run(name: str, command: str) -> dict[str, Any]:
            job = {"jobType": "Command", "command": command, "environmentId": environment, "computeId": ""}
            reply = client.put(f"{workspace}/jobs/{name}", json={"properties": job})
            assert reply.is_success, reply.text
            found = f"/history/v1.0{workspace}/runs/{name}/details"
            return wait_for(
                lambda: ((run := client.get(found).json())["status"] in {"Completed", "Failed"} and run) or None
            )

        # when a step fills the disk
        ended = run("filling", "dd if=/dev/zero of=outputs/filler bs=1M")
        # then it has failed, for that reason
        assert ended["status"] == "Failed"
        assert "no room left on the disk of" in ended["error"]["error"]["message"]
        # and a further one is refused or fails for the same reason
        body = {"properties": {"description": "x" * 100_000}}
        refused = [client.put(f"{workspace}/models/full-{number}", json=body) for number in range(60)]
        assert {reply.status_code for reply in refused} <= {200, 201, 507}
        # and runs once there is room
        (next(disk.rglob("filler"))).unlink()
        assert run("again", "echo fine")["status"] == "Completed"


@pytest.mark.long
def test_a_start_without_room_says_so(disk: Path) -> None:
    state = disk / "state"
    with running_emulator(state, background_start="lazy"):
        pass
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left") as full:
        fill(filler)
    assert disk_full(full.value, disk) is not None
    with pytest.raises(DaemonError, match=r"no room left on the disk|No space left on device"):
        RunningEmulator(Settings(state=state, background_start="lazy"))
    filler.unlink()
    RunningEmulator(Settings(state=state, background_start="lazy")).stop()
