"""Starts the processes of jobs and deployments, with a log; stops whole groups; reaps orphans after a crash.

The only place that spawns them. Each process leads a session of its own, so that stopping it stops what it started. Its
identity is recorded at once: when the emulator is killed, the watchdog kills the survivors, and should the watchdog be
killed too, the next start of the emulator does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.processes.watchdog import Watchdog

GRACE_SECONDS = 5.0
_TOPIC = "process"
_LOG_MODE = 0o600


class RunningProcess:
    """One process, the leader of its own process group."""

    def __init__(self, identifier: str, process: asyncio.subprocess.Process, processes: Processes) -> None:
        self.identifier = identifier
        self._process = process
        self._processes = processes

    @property
    def pid(self) -> int:
        """The process id, which is the id of the group as well."""
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
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds. Returns the exit code."""
        return await stop_group(self.pid, self.wait, grace)


class Processes:
    """Starts processes and records which ones run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchdog = Watchdog()
        self._logs: dict[str, Path] = {}
        self._ended_logs: list[Path] = []

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
        self.remember(identifier, process.pid, log)
        return RunningProcess(identifier, process, self)

    def remember(self, identifier: str, pid: int, log: Path) -> None:
        """Record a running process and its log, so that it can be killed when this one no longer can."""
        self._logs[identifier] = log
        start_time = process_start_time(pid)
        self._watchdog.started(pid, start_time)
        self._store.put_record(_TOPIC, identifier, {"pid": pid, "start_time": start_time})

    def forget(self, identifier: str, pid: int) -> None:
        """Remove the record of a process that has ended."""
        if log := self._logs.pop(identifier, None):
            self._ended_logs.append(log)
        self._watchdog.ended(pid)
        self._store.delete_record(_TOPIC, identifier)

    def growing_logs(self) -> list[Path]:
        """The logs that may have grown since the last call."""
        ended, self._ended_logs = self._ended_logs, []
        return [*self._logs.values(), *ended]

    def close(self) -> None:
        """At the end: stop the watchdog, which kills what still runs."""
        self._watchdog.close()

    def reap_orphans(self) -> list[str]:
        """At start: kill the recorded processes that still run. Returns their identifiers."""
        reaped = []
        for identifier, record in self._store.records(_TOPIC).items():
            recorded = record.get("start_time")
            if recorded is not None and process_start_time(record["pid"]) == recorded:
                signal_group(record["pid"], signal.SIGKILL)
                reaped.append(identifier)
            self.forget(identifier, record["pid"])
        return reaped


async def stop_group(pid: int, wait: Callable[[], Coroutine[Any, Any, int]], grace: float = GRACE_SECONDS) -> int:
    """Send SIGTERM to the group that `pid` leads, and SIGKILL after `grace` seconds. Returns what `wait()` does.

    A caller that is cancelled meanwhile waits no longer: the group gets SIGKILL at once.
    """
    signal_group(pid, signal.SIGTERM)
    ended = run_once(wait(), f"waiting for the end of process {pid}")
    try:
        return await asyncio.wait_for(asyncio.shield(ended), grace)
    except TimeoutError:
        signal_group(pid, signal.SIGKILL)
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        signal_group(pid, signal.SIGKILL)
        await asyncio.shield(ended)
        raise


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the group that `pid` leads, or to `pid` alone while it leads none; nothing if it has ended."""
    for send in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            send(pid, number)
            return
