"""The only place that starts what jobs and deployments run: spawn with a log, end the whole group, reap after a crash.

Each process leads a session of its own, so that ending it ends what it started. Its identity is
recorded before anything waits for it: when the emulator is killed, the watchdog ends the survivors, and
should that be killed too, the next start of the emulator does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.process_identity import birth
from azureml_emulator.processes.watchdog import Watchdog

GRACE_SECONDS = 5.0
_TOPIC = "process"
_LOG_MODE = 0o600


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
        self._processes.forget(self.identifier, self.pid)
        return code

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Ask the group to end, and after `grace` seconds make it."""
        return await stop_group(self.pid, self.wait, grace)


class Processes:
    """Starts processes and remembers which run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchdog = Watchdog()

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
        """Record a running process, so that others can end it when this one cannot."""
        born = birth(pid)
        self._watchdog.begun(pid, born)
        self._store.put_record(_TOPIC, identifier, {"pid": pid, "born": born})

    def forget(self, identifier: str, pid: int) -> None:
        """Strike a process that has ended from the record."""
        self._watchdog.ended(pid)
        self._store.delete_record(_TOPIC, identifier)

    def close(self) -> None:
        """Nothing is started any more: let the watchdog end, and with it what still runs."""
        self._watchdog.close()

    def reap_orphans(self) -> list[str]:
        """At start: kill every recorded process that is still the one recorded; their identifiers."""
        reaped = []
        for identifier, record in self._store.records(_TOPIC).items():
            if record["born"] is not None and birth(record["pid"]) == record["born"]:
                with suppress(ProcessLookupError):
                    os.killpg(record["pid"], signal.SIGKILL)
                reaped.append(identifier)
            self.forget(identifier, record["pid"])
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
