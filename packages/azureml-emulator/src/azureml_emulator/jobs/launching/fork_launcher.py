"""Starts steps by forking them from a server that has their imports.

Falls back to a plain process whenever the server is not there, is busy importing, or cannot do justice to a
step. Learns from the snapshots what to import, and remembers that in the store.
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
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.fork_client import ForkServer
from azureml_emulator.processes.supervisor import Processes

_TOPIC = "preload"
_SERVER = "fork server"
_MOST_RESTARTS = 5
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_log = logging.getLogger(__name__)


class WarmLauncher:
    """Starts plain Python commands by a fork, and everything else as a plain process."""

    def __init__(self, store: Store, processes: Processes, plain: PlainLauncher, log: Path) -> None:
        self._store = store
        self._processes = processes
        self._plain = plain
        self._log_file = log
        self._server: ForkServer | None = None
        self._wanted = {name for record in store.records(_TOPIC).values() for name in record["modules"]}
        self._unsafe = {name for record in store.records(_TOPIC).values() for name in record["unsafe"]}
        self._restarts = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin in the background: start the server and import what earlier snapshots taught."""
        self._task = asyncio.create_task(self._keep_warm())
        if self._wanted:
            self._changed.set()

    async def close(self) -> None:
        """End the server and its children."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._server is not None:
            await self._server.stop()

    def learn(self, modules: Iterable[str]) -> None:
        """Import these too, in the background."""
        fresh = set(modules) - self._wanted
        if fresh:
            self._wanted |= fresh
            self._remember()
            self._changed.set()

    def describe(self, command: str) -> str:
        """In a few words how this command would be started, for the step's log."""
        warm = plain_arguments(command) and self._server and self._server.ready
        return "a fork of the warm server" if warm else self._plain.describe(command)

    async def start(self, launch: Launch) -> StepProcess:
        """Fork a child where that is the same as a process of its own, else start one. Raises OSError."""
        words = plain_arguments(launch.command)
        server = self._server
        if words is None or server is None or not server.ready or not server.can_run(launch.environment):
            return await self._plain.start(launch)
        try:
            return await server.run(
                launch.identifier, words, folder=launch.folder, environment=launch.environment, log=launch.log
            )
        except ConnectionError:
            _log.warning("the fork server is gone; step %s is started as a process", launch.identifier)
            return await self._plain.start(launch)

    async def _keep_warm(self) -> None:
        while self._restarts <= _MOST_RESTARTS:
            await self._changed.wait()
            self._changed.clear()
            wanted = sorted(self._wanted - self._unsafe)
            if not wanted:
                continue
            try:
                await self._warm(wanted)
            except OSError as error:
                self._restarts += 1
                _log.warning("the fork server failed (%s); steps are started as processes", error)
                await self._drop()
                self._changed.set()

    async def _warm(self, wanted: list[str]) -> None:
        if self._server is None or not self._server.alive:
            environment = {**os.environ, **_QUIET}
            self._server = await ForkServer.open(self._processes, _SERVER, environment, self._log_file)
        missing = [name for name in wanted if name not in self._server.modules]
        if not missing:
            return
        # While it imports it reports no deaths: steps that run would seem to last until it is done.
        await self._server.idle()
        unsafe = await self._server.preload(missing)
        if unsafe is not None:
            _log.info("%s starts threads when it is imported: it is left to the steps", unsafe)
            self._unsafe.add(unsafe)
            self._remember()
            await self._drop()
            self._changed.set()

    async def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.idle()
            await server.stop()

    def _remember(self) -> None:
        record = {"modules": sorted(self._wanted), "unsafe": sorted(self._unsafe)}
        self._store.put_record(_TOPIC, sys.prefix, record)
