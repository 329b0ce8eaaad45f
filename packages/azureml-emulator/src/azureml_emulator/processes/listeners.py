"""Every socket that the emulator or a server of its own listens on. No other module makes one; a test looks for them.

Anybody on the machine can connect to a port of loopback. So a server that only the emulator asks gets a Unix socket in
a folder that nobody else may enter: `Listeners.socket_path`. Only what programs or browsers of the user must reach by
TCP gets a port, by `Listeners.tcp`: it needs a reason in `TCP_LISTENERS`, and refuses who does not know a secret.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

from azureml_emulator.kernel.errors import Unavailable
from azureml_emulator.kernel.settings import LOOPBACK

# Why each port of loopback is one, and what it asks for.
TCP_LISTENERS: Final = {
    "emulator": "The address that programs with azure-ai-ml know: TLS; a token, an endpoint's key or a signature.",
    "mlflow": "MLflow's clients know no Unix sockets: TLS and a token.",
    "mlflow pages": "Browsers know no Unix sockets, nor the emulator's certificate: a one-time link, then a cookie.",
    "data collector": "azureml-ai-monitoring posts plain HTTP to a host and a port: a secret of each server.",
}
# Of the path of a Unix socket, with the zero at its end: 104 on macOS, 108 on Linux.
MAX_PATH_BYTES: Final = 103
_PREFIX: Final = "aml-emulator-"
_OWNER: Final = "state-folder"
_BACKLOG: Final = 2048
_FOLDER_MODE: Final = 0o700


class Listeners:
    """Makes the listening sockets of one emulator; `state` is its state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._folder: Path | None = None
        self._made = 0
        self._ports: dict[str, int] = {}

    def open(self) -> None:
        """Make the folder of Unix sockets, and remove what an emulator that was killed left behind."""
        for parent in _parents():
            _remove_abandoned(parent, self._state)
        self._folder = self._fresh_folder()

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def socket_path(self, kind: str) -> Path:
        """A path for a new Unix socket, such as "deployment"; its server binds it. Short enough on every system."""
        assert self._folder is not None, "a socket was wanted before the folder was made"  # noqa: S101
        if not self._folder.is_dir():
            # Something has cleaned up the folder for temporary files.
            self._folder = self._fresh_folder()
        self._made += 1
        return self._folder / f"{kind}-{self._made}"

    def tcp(self, name: str, preferred: int = 0) -> socket.socket:
        """A listening port of loopback, if possible the preferred one. `name` is in TCP_LISTENERS."""
        listening = _listen(preferred) or _listen(0)
        if listening is None:
            raise Unavailable("No port is available.")
        self.add(name, listening.getsockname()[1])
        return listening

    def add(self, name: str, port: int) -> None:
        """Note a port that is open already. Raises KeyError for a name without a reason."""
        assert TCP_LISTENERS[name]  # noqa: S101
        self._ports[name] = port

    def _fresh_folder(self) -> Path:
        folder = _make_folder(_parents())
        (folder / _OWNER).write_text(str(self._state))
        return folder

    def document(self) -> list[dict[str, str | int]]:
        """The ports as JSON: name, port, reason."""
        return [
            {"name": name, "port": port, "reason": TCP_LISTENERS[name]} for name, port in sorted(self._ports.items())
        ]


def _listen(port: int) -> socket.socket | None:
    try:
        return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
    except OSError:
        return None


def _parents() -> list[Path]:
    """Where the folder may be: the user's own folder for temporary files, or else the one of all."""
    return [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - others may not enter what is made there


def _make_folder(parents: list[Path]) -> Path:
    """A new folder that only this user may enter, in the first parent that is safe and short enough.

    Raises Unavailable where there is none.
    """
    for parent in parents:
        if not _is_safe(parent):
            continue
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError:
            continue
        # What is made below has a name of up to 24 characters.
        if len(os.fsencode(folder / ("n" * 24))) <= MAX_PATH_BYTES:
            return folder
        folder.rmdir()
    named = " nor ".join(str(parent) for parent in parents)
    raise Unavailable(f"Neither {named} can hold Unix sockets. Set TMPDIR to a short path that only you can write to.")


def _is_safe(parent: Path) -> bool:
    """Whether no other user can rename or replace what this user makes there."""
    try:
        found = parent.stat()
    except OSError:
        return False
    is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(found.st_mode & stat.S_ISVTX) if is_shared else found.st_uid in {os.getuid(), 0}


def _remove_abandoned(parent: Path, state: Path) -> None:
    """Remove the folders of this state folder, whose emulator has ended, and of those that are gone."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
                continue
            owner = Path((folder / _OWNER).read_text())
        except OSError:
            continue
        if owner == state or not owner.exists():
            shutil.rmtree(folder, ignore_errors=True)
