"""What the emulator's process leaves in the state folder for others: its lock, its address, its last port.

The lock keeps a second emulator off the folder; the system releases it however the process ends. Whether an emulator
runs is found out without the lock, by process id and start time, so that asking never blocks a start.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict, ValidationError

from azureml_emulator.kernel.settings import AUTHORITY_FILE, Settings
from azureml_emulator.processes.process_identity import process_start_time

# The process's exit code when its last output is a message for the user.
REFUSED = 3
# The same when another emulator already serves this folder, which the caller can use instead.
ALREADY_RUNNING = 4
_FILE_MODE = 0o600
_LOCK = "lock"
_PORT = re.compile(rb"[1-9][0-9]{0,4}")
_LAST_PORT = 65535


class ReadyRecord(BaseModel):
    """Where a running emulator is, and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    start_time: str | None
    base_url: str
    bundle: Path
    settings: Settings

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.base_url.rpartition(":")[2])

    @property
    def authority(self) -> Path:
        """The certificate of the emulator's own authority, without the public roots of the bundle."""
        return self.bundle.with_name(AUTHORITY_FILE)

    @classmethod
    def of(cls, settings: Settings, base_url: str, bundle: Path) -> ReadyRecord:
        """This process's record."""
        pid = os.getpid()
        return cls(pid=pid, start_time=process_start_time(pid), base_url=base_url, bundle=bundle, settings=settings)


class ReadyFile:
    """<state>/emulator.json: exists while the emulator serves, and after a kill -9 until the next start."""

    def __init__(self, state: Path) -> None:
        self._file = state / "emulator.json"

    def write(self, record: ReadyRecord) -> None:
        """Announce that this process serves."""
        write_private(self._file, record.model_dump_json(indent=2) + "\n")

    def remove(self) -> None:
        """Announce that it no longer serves."""
        self._file.unlink(missing_ok=True)

    def read(self) -> ReadyRecord | None:
        """The record of the emulator that serves this folder, or None."""
        record = self._record()
        return record if record is not None and process_start_time(record.pid) == record.start_time else None

    def describe(self) -> str:
        """One clause about the emulator on this folder, for an error message."""
        record = self.read()
        if record is None:
            return "it has been starting or stopping for a while. Try again, or read its emulator.log."
        return (
            f"process {record.pid} at {record.base_url}. Use it (`azureml-emulator status`), stop it "
            "(`azureml-emulator stop`), or choose another folder with --state."
        )

    def _record(self) -> ReadyRecord | None:
        try:
            return ReadyRecord.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None


class StateLock:
    """An exclusive lock on a state folder, released at the end of the block or of the process."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._descriptor: int | None = None

    def mark(self) -> None:
        """Create the lock's file, which marks the folder as a state folder, without taking the lock."""
        (self._state / _LOCK).touch(mode=_FILE_MODE)

    def take(self) -> bool:
        """Take it. Returns False when another process holds it."""
        descriptor = os.open(self._state / _LOCK, os.O_CREAT | os.O_RDWR, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def __enter__(self) -> StateLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class LastPort:
    """<state>/port: the port of the last run, so that addresses stay valid over a restart."""

    def __init__(self, state: Path) -> None:
        self._file = state / "port"

    def read(self) -> int:
        """The last port; 0 for none, and for a file that has something else."""
        try:
            text = self._file.read_bytes().strip()
        except OSError:
            return 0
        return int(text) if _PORT.fullmatch(text) and int(text) <= _LAST_PORT else 0

    def write(self, port: int) -> None:
        """Remember the port."""
        write_private(self._file, f"{port}\n")


def is_state_folder(state: Path) -> bool:
    """Whether a folder is an emulator's, or empty, or does not exist yet."""
    return not state.exists() or (state / _LOCK).is_file() or not any(state.iterdir())


def write_private(file: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _FILE_MODE), "w") as stream:
        stream.write(text)
    fresh.replace(file)
