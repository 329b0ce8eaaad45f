"""Starts the servers of deployments: forked from one that has imported what each of them needs, else as processes.

Microsoft's inference server takes seconds to import and reads its settings while it does: only the libraries that it
is made of are imported before a fork. What a script imports is left to it: some libraries, such as Prometheus', look
when they are imported at variables that the script has set just before.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from azureml_emulator.processes.fork_client import ForkServer
from azureml_emulator.processes.supervisor import GRACE_SECONDS, Processes

_SERVER = "fork server of deployments"
# Without gunicorn, which notes its working folder when it is imported.
_LIBRARIES = (
    "flask", "flask_cors", "pydantic_settings", "azure.monitor.opentelemetry", "inference_schema.schema_util",
    # What Azure's collector of data is made of.
    "pandas",
)  # fmt: skip
_log = logging.getLogger(__name__)


class ServerProcess(Protocol):
    """A server's process, which leads a group of its own."""

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        ...

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Ask the group to end, and after `grace` seconds make it."""
        ...


class Starter:
    """Starts servers; the fork server comes into being with the first of them."""

    def __init__(self, processes: Processes, log: Path, *, warm: bool) -> None:
        self._processes = processes
        self._log_file = log
        # Forking after imports is unsafe on macOS: its system libraries start threads.
        self._warm = warm and sys.platform == "linux"
        self._server: ForkServer | None = None
        self._opening = asyncio.Lock()

    async def spawn(
        self, identifier: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
    ) -> ServerProcess:
        """Start `python …` in the folder of a script, its output appended to `log`. Raises OSError if it cannot."""
        server = await self._forking(environment) if self._warm else None
        if server is not None and server.can_run(environment):
            try:
                return await server.run(identifier, command, folder=folder, environment=environment, log=log)
            except ConnectionError:
                _log.warning("the fork server is gone; %s is started as a process", identifier)
        return await self._processes.spawn(identifier, command, folder=folder, environment=environment, log=log)

    async def close(self) -> None:
        """End the fork server, and with it what it has forked."""
        if self._server is not None:
            await self._server.stop()

    async def _forking(self, environment: Mapping[str, str]) -> ForkServer | None:
        async with self._opening:
            if self._server is None or not self._server.alive:
                self._server = await self._opened(environment)
            return self._server

    async def _opened(self, environment: Mapping[str, str]) -> ForkServer | None:
        try:
            server = await ForkServer.open(self._processes, _SERVER, environment, self._log_file)
            unsafe = await server.preload(list(_LIBRARIES))
        except OSError as error:
            _log.warning("the fork server failed (%s); servers are started as processes", error)
            self._warm = False
            return None
        if unsafe is not None:
            _log.warning("%s starts threads when it is imported; servers are started as processes", unsafe)
            self._warm = False
            await server.stop()
            return None
        return server
