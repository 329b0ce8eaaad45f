"""Starts the servers of deployments: forked from a process that has imported their libraries, or as fresh processes.

Microsoft's inference server takes seconds to import, and reads its settings at import: so only the libraries that it
uses are imported before a fork. The imports of scoring scripts are left to the scripts: some libraries, such as
Prometheus', read environment variables at import that the script has just set.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from azureml_emulator.processes.fork_client import ForkServer
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.supervisor import GRACE_SECONDS, Processes

_SERVER = "fork server of deployments"
# Not gunicorn, which stores its working folder at import.
_LIBRARIES = (
    "flask", "flask_cors", "pydantic_settings", "azure.monitor.opentelemetry", "inference_schema.schema_util",
    # Used by azureml-ai-monitoring.
    "pandas",
)  # fmt: skip
_log = logging.getLogger(__name__)


class ServerProcess(Protocol):
    """The process of a server, which leads its own process group."""

    @property
    def pid(self) -> int:
        """The process id."""
        ...

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        ...

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds. Returns the exit code."""
        ...


class ServerStarter:
    """Starts servers; the fork server is started with the first one."""

    def __init__(self, processes: Processes, listeners: Listeners, log: Path, *, fork: bool) -> None:
        self._processes = processes
        self._listeners = listeners
        self._log_file = log
        # Forking after imports is unsafe on macOS, whose system libraries start threads.
        self._may_fork = fork and sys.platform == "linux"
        self._server: ForkServer | None = None
        self._opening = asyncio.Lock()

    def socket_path(self) -> Path:
        """The path of the Unix socket for one more server."""
        return self._listeners.socket_path("deployment")

    async def spawn(
        self, identifier: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
    ) -> ServerProcess:
        """Start `python …` in a folder, with its output appended to `log`. Raises OSError."""
        server = await self._forking(environment) if self._may_fork else None
        if server is not None and server.can_run(environment):
            try:
                return await server.run(identifier, command, folder=folder, environment=environment, log=log)
            except ConnectionError:
                _log.warning("the fork server has ended; %s is started as a fresh process", identifier)
        return await self._processes.spawn(identifier, command, folder=folder, environment=environment, log=log)

    async def spawn_fresh(
        self,
        identifier: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        stdin: int,
    ) -> ServerProcess:
        """Start any command as a fresh process, whose standard input is the descriptor `stdin`. Raises OSError."""
        return await self._processes.spawn(
            identifier, command, folder=folder, environment=environment, log=log, stdin=stdin
        )

    async def close(self) -> None:
        """Stop the fork server and the processes that it forked."""
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
            unsafe = await _preloaded(server)
        except OSError as error:
            _log.warning("the fork server failed (%s); servers are started as fresh processes", error)
            self._may_fork = False
            return None
        if unsafe is not None:
            _log.warning("%s starts threads at import; servers are started as fresh processes", unsafe)
            self._may_fork = False
            await server.stop()
            return None
        return server


async def _preloaded(server: ForkServer) -> str | None:
    """Import the libraries. Returns one that makes forking unsafe; a server that could not import is stopped."""
    try:
        return await server.preload(list(_LIBRARIES))
    except BaseException:
        await server.stop()
        raise
