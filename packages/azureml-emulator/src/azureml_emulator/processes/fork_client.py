"""The client side of the fork server (`fork_server.py`): starts it, lets it import modules, and forks programs from it.

Which modules are imported, and which programs are forked, is decided by the callers.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from azureml_emulator.kernel.background import run_once
from azureml_emulator.processes.fork_server import FRAME
from azureml_emulator.processes.supervisor import GRACE_SECONDS, Processes, RunningProcess, signal_group, stop_group

# Variables that are read when a library is imported or its C code is loaded, so before a fork.
_READ_AT_IMPORT = (
    "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "BLIS_", "POLARS_", "RAYON_", "KMP_",
    "LD_", "DYLD_", "MPL", "MALLOC_", "TZ", "LC_", "LANG", "OTEL_",
)  # fmt: skip


class ForkedProcess:
    """A program that was forked from the server."""

    def __init__(self, identifier: str, pid: int, ended: asyncio.Future[int], processes: Processes) -> None:
        self._identifier = identifier
        self._pid = pid
        self._ended = ended
        self._processes = processes

    @property
    def pid(self) -> int:
        """The id of the process, which leads its own process group."""
        return self._pid

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        code = await asyncio.shield(self._ended)
        self._processes.forget(self._identifier, self._pid)
        return code

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Send SIGTERM to the group, and SIGKILL after `grace` seconds. Returns the exit code."""
        return await stop_group(self._pid, self.wait, grace)


class ForkServer:
    """One fork server process, and the socket to it."""

    def __init__(
        self,
        processes: Processes,
        process: RunningProcess,
        environment: Mapping[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._processes = processes
        self._process = process
        self._environment = environment
        self._reader = reader
        self._writer = writer
        self._started: dict[str, asyncio.Future[int]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}
        self._imported: asyncio.Future[str | None] | None = None
        self._listener = run_once(self._listen(), "listening to the fork server")
        self.modules: set[str] = set()
        self.ready = False
        self.alive = True

    @classmethod
    async def open(cls, processes: Processes, identifier: str, environment: Mapping[str, str], log: Path) -> ForkServer:
        """Start a server. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await processes.spawn(
                identifier,
                [sys.executable, "-P", "-m", "azureml_emulator.processes.fork_server"],
                folder=log.parent,
                environment=environment,
                log=log,
                stdin=theirs.fileno(),
            )
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            await process.stop()
            raise
        return cls(processes, process, environment, reader, writer)

    async def preload(self, modules: list[str]) -> str | None:
        """Import modules. Returns a module that makes forking unsafe; the server must not be used after that."""
        self.ready = False
        self._imported = asyncio.get_running_loop().create_future()
        self._send({"op": "import", "modules": modules})
        unsafe = await self._imported
        self.modules |= set(modules)
        self.ready = unsafe is None
        return unsafe

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork with these variables equals a fresh process: no variable that is read at import differs."""
        names = environment.keys() | self._environment.keys()
        changed = {name for name in names if environment.get(name) != self._environment.get(name)}
        return not any(name.startswith(_READ_AT_IMPORT) for name in changed)

    async def run(
        self,
        identifier: str,
        words: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
        network: int | None = None,
    ) -> ForkedProcess:
        """Fork `python …`, with its output appended to `log`, in the network of the process `network`, if there is one.

        Raises ConnectionError when the server has ended.
        """
        loop = asyncio.get_running_loop()
        started, ended = loop.create_future(), loop.create_future()
        self._started[identifier], self._ended[identifier] = started, ended
        self._send(
            {
                "op": "run",
                "id": identifier,
                "arguments": list(words),
                "folder": str(folder),
                "environment": dict(environment),
                "log": str(log),
                "network": network,
            }
        )
        try:
            pid = await started
        except asyncio.CancelledError:
            if started.done() and not started.cancelled() and started.exception() is None:
                # It was reported as started, and cancelled before this could go on.
                signal_group(started.result(), signal.SIGKILL)
            raise
        self._processes.remember(identifier, pid, log)
        return ForkedProcess(identifier, pid, ended, self._processes)

    async def idle(self) -> None:
        """Wait until no child runs."""
        while self._ended:
            await asyncio.wait(self._ended.values())

    async def stop(self) -> None:
        """Stop the server and all its children."""
        self.ready = self.alive = False
        self._writer.close()
        await self._process.stop()
        await self._listener

    def _send(self, request: dict[str, object]) -> None:
        if not self.alive:
            raise ConnectionResetError("the fork server has ended")
        body = json.dumps(request).encode()
        self._writer.write(FRAME.pack(len(body)) + body)

    async def _listen(self) -> None:
        try:
            while True:
                (length,) = FRAME.unpack(await self._reader.readexactly(FRAME.size))
                self._handle(json.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            # Whatever ended the listener: without it nothing is heard of the children, so the server ends them.
            self._writer.close()
            self._lost()

    def _handle(self, report: dict[str, object]) -> None:
        match report:
            case {"event": "started", "id": str(identifier), "pid": int(pid)}:
                started = self._started.pop(identifier)
                if started.cancelled():
                    signal_group(pid, signal.SIGKILL)
                else:
                    started.set_result(pid)
            case {"event": "exited", "id": str(identifier), "code": int(code)}:
                self._ended.pop(identifier).set_result(code)
            case {"event": "imported", "unsafe": unsafe} if self._imported and not self._imported.done():
                self._imported.set_result(unsafe if isinstance(unsafe, str) else None)

    def _lost(self) -> None:
        """The server has ended, and its children were killed with it."""
        self.ready = self.alive = False
        lost = ConnectionResetError("the fork server ended")
        waiting = [*self._started.values(), *([self._imported] if self._imported else [])]
        for future in waiting:
            if not future.done():
                future.set_exception(lost)
        for future in self._ended.values():
            if not future.done():
                future.set_result(-signal.SIGKILL)
        self._ended.clear()
