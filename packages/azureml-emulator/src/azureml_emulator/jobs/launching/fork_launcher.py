"""Starts steps by forking them from a server that has imported the modules of their code.

Uses a fresh process when the server is not running or a fork would differ from it. What to import is learned from code
(`preloading.py`) and kept in the store, so that the next start of the emulator imports it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from azureml_emulator.jobs.definitions.command_line import plain_arguments
from azureml_emulator.jobs.launching.launcher import Launch, PlainLauncher, StepProcess
from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.fork_client import ForkServer
from azureml_emulator.processes.supervisor import Processes

_TOPIC = "preload"
_SERVER = "fork server"
_MAX_RESTARTS = 5
# A fresh process would have to import as well, so waiting for imports in progress costs nothing, within limits.
_MAX_IMPORT_WAIT_SECONDS = 10.0
_NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_log = logging.getLogger(__name__)


class ForkLauncher:
    """Forks plain Python commands, and starts all others as fresh processes."""

    def __init__(self, store: Store, processes: Processes, plain: PlainLauncher, log: Path) -> None:
        self._store = store
        self._processes = processes
        self._plain = plain
        self._log_file = log
        self._server: ForkServer | None = None
        known = store.record(_TOPIC, sys.prefix) or {}
        self._wanted: set[str] = set(known.get("modules", []))
        self._unsafe: set[str] = set(known.get("unsafe", []))
        self._restarts = 0
        self._changed = asyncio.Event()
        self._imported = asyncio.Event()
        self._imported.set()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start in the background, and import what was learned before."""
        self._task = keep_running(self._keep_imported, "importing modules into the fork server")
        if self._wanted:
            self._request_imports()

    async def close(self) -> None:
        """Stop the server and its children."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._server is not None:
            await self._server.stop()

    def learn(self, modules: Iterable[str]) -> None:
        """Import these modules too, in the background."""
        new = set(modules) - self._wanted
        if new:
            self._wanted |= new
            self._remember()
            self._request_imports()

    async def describe(self, launch: Launch) -> str:
        """How a process is going to be started. Waits for imports in progress, for a limited time."""
        if launch.interpreter is None and plain_arguments(launch.command) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MAX_IMPORT_WAIT_SECONDS):
                    await self._imported.wait()
        return "forked from the fork server" if self._can_fork(launch) else await self._plain.describe(launch)

    async def start(self, launch: Launch) -> StepProcess:
        """Start a process. Raises OSError."""
        words, server = plain_arguments(launch.command), self._server
        if server is not None and not server.alive:
            self._replace()
        if words is None or server is None or not self._can_fork(launch):
            return await self._plain.start(launch)
        try:
            return await server.run(
                launch.identifier,
                words,
                folder=launch.folder,
                environment=launch.environment,
                log=launch.log,
                network=launch.network,
            )
        except ConnectionError:
            _log.warning("the fork server has ended; step %s is started as a fresh process", launch.identifier)
            return await self._plain.start(launch)

    def _can_fork(self, launch: Launch) -> bool:
        server = self._server
        is_ready = server is not None and server.ready and server.can_run(launch.environment)
        return is_ready and launch.interpreter is None and plain_arguments(launch.command) is not None

    def _replace(self) -> None:
        """Start the fork server again, in the background."""
        if not self._changed.is_set():
            self._restarts += 1
            _log.warning("the fork server has ended; it is started again (%d of %d)", self._restarts, _MAX_RESTARTS)
            self._request_imports()

    def _request_imports(self) -> None:
        if self._server is None:
            self._imported.clear()
        self._changed.set()

    async def _keep_imported(self) -> None:
        try:
            while self._restarts <= _MAX_RESTARTS:
                await self._changed.wait()
                self._changed.clear()
                await self._import_missing()
        finally:
            self._imported.set()

    async def _import_missing(self) -> None:
        try:
            unsafe = await self._import(sorted(self._wanted - self._unsafe))
        except OSError as error:
            self._restarts += 1
            _log.warning("the fork server failed (%s); steps are started as fresh processes", error)
        else:
            if unsafe is None:
                self._imported.set()
                return
            _log.info("%s starts threads at import, so it is left to the steps", unsafe)
            self._unsafe.add(unsafe)
            self._remember()
        await self._drop()
        self._request_imports()

    async def _import(self, wanted: list[str]) -> str | None:
        """Import modules into the server, which is started if needed. Returns a module that makes forking unsafe."""
        if not wanted:
            return None
        if self._server is not None and not self._server.alive:
            await self._drop()
        if self._server is None:
            environment = {**os.environ, **_NO_TELEMETRY}
            self._server = await ForkServer.open(self._processes, _SERVER, environment, self._log_file)
        missing = [name for name in wanted if name not in self._server.modules]
        if not missing:
            return None
        # While it imports, the server reports no exits, so running steps would seem to last until it is done.
        await self._server.idle()
        self._imported.clear()
        return await self._server.preload(missing)

    async def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.idle()
            await server.stop()

    def _remember(self) -> None:
        record = {"modules": sorted(self._wanted), "unsafe": sorted(self._unsafe)}
        self._store.put_record(_TOPIC, sys.prefix, record)
