"""The only place that starts processes: spawn with a log, end the whole group, reap after a crash.

Each process leads a session of its own, so that ending it ends what it started. Its identity is
recorded before anything waits for it: an emulator that was killed finds the survivors at its next start.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from azureml_emulator.store import Store

GRACE_SECONDS = 5.0
_TOPIC = "process"
_LOG_MODE = 0o600
_ZOMBIE = "Z"


class RunningProcess:
    """One process that leads its own group."""

    def __init__(self, identifier: str, process: asyncio.subprocess.Process, processes: Processes) -> None:
        self.identifier = identifier
        self._process = process
        self._processes = processes

    @property
    def pid(self) -> int:
        """The process id, which is the group's id as well."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        code = await self._process.wait()
        self._processes.forget(self.identifier)
        return code

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Ask the group to end, and after `grace` seconds make it."""
        return await stop_group(self.pid, self.wait, grace)


class Processes:
    """Starts processes and remembers which run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def spawn(
        self,
        identifier: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        stdin: int = subprocess.DEVNULL,
    ) -> RunningProcess:
        """Start a command without a shell, its output appended to `log`. Raises OSError if it cannot."""
        with os.fdopen(os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, _LOG_MODE), "ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=dict(environment),
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.remember(identifier, process.pid)
        return RunningProcess(identifier, process, self)

    def remember(self, identifier: str, pid: int) -> None:
        """Record a running process, so that a later start can end it when this one cannot."""
        self._store.put_record(_TOPIC, identifier, {"pid": pid, "born": birth(pid)})

    def forget(self, identifier: str) -> None:
        """Strike a process that has ended from the record."""
        self._store.delete_record(_TOPIC, identifier)

    def reap_orphans(self) -> list[str]:
        """At start: kill every recorded process that is still the one recorded; their identifiers."""
        reaped = []
        for identifier, record in self._store.records(_TOPIC).items():
            if record["born"] is not None and birth(record["pid"]) == record["born"]:
                with suppress(ProcessLookupError):
                    os.killpg(record["pid"], signal.SIGKILL)
                reaped.append(identifier)
            self.forget(identifier)
        return reaped


async def stop_group(pid: int, wait: Callable[[], Awaitable[int]], grace: float = GRACE_SECONDS) -> int:
    """SIGTERM to the group that `pid` leads, SIGKILL after `grace` seconds; `wait()` gives the exit code."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    try:
        return await asyncio.wait_for(wait(), grace)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return await wait()


def birth(pid: int) -> str | None:
    """What tells a process from a later one with the same id: its start time; None when it has ended.

    One that has ended and that nobody has waited for counts as ended.
    """
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == _ZOMBIE else fields[19]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return None if listing.startswith(_ZOMBIE) else listing.partition(" ")[2].strip() or None
