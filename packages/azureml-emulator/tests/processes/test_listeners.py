"""Where sockets are made: short paths, folders that nobody else enters, ports with a reason."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from azureml_emulator.kernel.errors import Unavailable
from azureml_emulator.processes import listeners
from azureml_emulator.processes.listeners import MAX_PATH_BYTES, TCP_LISTENERS, Listeners


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The folder for temporary files of this test, alone; pytest's own is too deep for sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        monkeypatch.setattr(listeners, "_parents", lambda: [Path(name)])
        yield Path(name)


def folders(parent: Path) -> list[Path]:
    return sorted(parent.iterdir())


@pytest.mark.parametrize("temporary", ["", "deep/" * 30], ids=["default", "deep"])
def test_sockets_of_a_deep_state_folder_can_be_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str
) -> None:
    # given a state folder, and perhaps a folder for temporary files, deeper than a path of a socket can be
    state = tmp_path / ("state" * 20)
    state.mkdir()
    if temporary:
        (tmp_path / temporary).mkdir(parents=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    made = Listeners(state)
    made.open()
    try:
        path = made.socket_path("deployment")
        assert len(os.fsencode(path)) <= MAX_PATH_BYTES
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
        assert made.socket_path("deployment") != path
        # and so can the next one after something has cleaned up
        shutil.rmtree(path.parent)
        path = made.socket_path("deployment")
        assert path.parent.stat().st_mode & 0o777 == 0o700
    finally:
        made.close()
    assert not path.parent.exists()


def test_what_a_killed_emulator_left_is_removed_and_nothing_else(parent: Path, tmp_path: Path) -> None:
    # given folders of an emulator that was killed, of another one that runs, and of one whose state is gone
    states = {name: tmp_path / name for name in ("killed", "running", "gone")}
    for state in states.values():
        state.mkdir()
        Listeners(state).open()
    killed, running = (next(f for f in folders(parent) if _owner(f).endswith(n)) for n in ("killed", "running"))
    (parent / "aml-emulator-of-nobody").mkdir(mode=0o700)
    states["gone"].rmdir()
    # when the first one starts again
    again = Listeners(states["killed"])
    again.open()
    left = folders(parent)
    assert killed not in left
    assert running in left
    assert parent / "aml-emulator-of-nobody" in left
    assert len(left) == 3


def _owner(folder: Path) -> str:
    return (folder / "state-folder").read_text()


def test_a_folder_in_which_others_may_rename_is_not_used(parent: Path, tmp_path: Path) -> None:
    parent.chmod(0o777)
    with pytest.raises(Unavailable, match="TMPDIR"):
        Listeners(tmp_path).open()
    parent.chmod(0o1777)
    Listeners(tmp_path).open()


def test_a_port_needs_a_reason_and_keeps_its_number(tmp_path: Path) -> None:
    made = Listeners(tmp_path)
    with made.tcp("mlflow") as first:
        port = first.getsockname()[1]
        assert first.getsockname()[0] == "127.0.0.1"
        # when the number is taken, then another one is
        with made.tcp("mlflow", port) as second:
            assert second.getsockname()[1] not in {0, port}
    with made.tcp("mlflow", port) as again:
        assert again.getsockname()[1] == port
    assert made.document() == [{"name": "mlflow", "port": port, "reason": TCP_LISTENERS["mlflow"]}]
    with pytest.raises(KeyError):
        made.add("debugger", 5678)
