"""Starts steps by forking them from a server that has their imports: the client side of `forkserver.py`.

Falls back to a plain process whenever the server is not there, is busy importing, or cannot do justice to a
step. Learns from the snapshots what to import, and remembers that in the store.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from azureml_emulator.jobs.command import plain_arguments
from azureml_emulator.jobs.forkserver import FRAME
from azureml_emulator.jobs.launch import Launch, PlainLauncher, StepProcess
from azureml_emulator.processes import Processes, RunningProcess, stop_group
from azureml_emulator.store import Store

_TOPIC = "preload"
_SERVER = "fork server"
_MOST_RESTARTS = 5
# Read while a library is imported or when its C code loads: a fork would come too late for them.
_READ_AT_IMPORT = (
    "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "BLIS_", "POLARS_", "RAYON_", "KMP_",
    "LD_", "DYLD_", "MPL", "MALLOC_", "TZ", "LC_", "LANG",
)  # fmt: skip
_log = logging.getLogger(__name__)


class ForkedStep:
    """A step that the fork server runs."""

    def __init__(self, identifier: str, pid: int, ended: asyncio.Future[int], processes: Processes) -> None:
        self._identifier = identifier
        self._pid = pid
        self._ended = ended
        self._processes = processes

    @property
    def pid(self) -> int:
        """The id of the process, which leads a group of its own."""
        return self._pid

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        code = await asyncio.shield(self._ended)
        self._processes.forget(self._identifier, self._pid)
        return code

    async def stop(self) -> int:
        """End the whole group."""
        return await stop_group(self._pid, self.wait)


class WarmLauncher:
    """Starts plain Python commands by a fork, and everything else as a plain process."""

    def __init__(self, store: Store, processes: Processes, plain: PlainLauncher, log: Path) -> None:
        self._store = store
        self._processes = processes
        self._plain = plain
        self._server_log = log
        self._connection: _Connection | None = None
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
        if self._connection is not None:
            await self._connection.stop()

    def learn(self, modules: Iterable[str]) -> None:
        """Import these too, in the background."""
        fresh = set(modules) - self._wanted
        if fresh:
            self._wanted |= fresh
            self._remember()
            self._changed.set()

    def describe(self, command: str) -> str:
        """In a few words how this command would be started, for the step's log."""
        warm = plain_arguments(command) and self._connection and self._connection.ready
        return "a fork of the warm server" if warm else self._plain.describe(command)

    async def start(self, launch: Launch) -> StepProcess:
        """Fork a child where that is the same as a process of its own, else start one. Raises OSError."""
        words = plain_arguments(launch.command)
        connection = self._connection
        if words is None or connection is None or not connection.ready or _reads_at_import(launch):
            return await self._plain.start(launch)
        try:
            pid, ended = await connection.run(launch, words)
        except ConnectionError:
            _log.warning("the fork server is gone; step %s is started as a process", launch.identifier)
            return await self._plain.start(launch)
        self._processes.remember(launch.identifier, pid)
        return ForkedStep(launch.identifier, pid, ended, self._processes)

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
        if self._connection is None or not self._connection.alive:
            self._connection = await _Connection.open(self._processes, self._server_log)
        missing = [name for name in wanted if name not in self._connection.modules]
        if not missing:
            return
        # While it imports it reports no deaths: steps that run would seem to last until it is done.
        await self._connection.idle()
        unsafe = await self._connection.preload(missing)
        if unsafe is not None:
            _log.info("%s starts threads when it is imported: it is left to the steps", unsafe)
            self._unsafe.add(unsafe)
            self._remember()
            await self._drop()
            self._changed.set()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.idle()
            await connection.stop()

    def _remember(self) -> None:
        record = {"modules": sorted(self._wanted), "unsafe": sorted(self._unsafe)}
        self._store.put_record(_TOPIC, sys.prefix, record)


class _Connection:
    """One run of the server, and the socket to it."""

    def __init__(self, process: RunningProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._started: dict[str, asyncio.Future[int]] = {}
        self._ended: dict[str, asyncio.Future[int]] = {}
        self._imported: asyncio.Future[str | None] | None = None
        self._listener = asyncio.create_task(self._listen())
        self.modules: set[str] = set()
        self.ready = False
        self.alive = True

    @classmethod
    async def open(cls, processes: Processes, log: Path) -> _Connection:
        """Start a server. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await processes.spawn(
                _SERVER,
                [sys.executable, "-m", "azureml_emulator.jobs.forkserver"],
                folder=log.parent,
                environment={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
                log=log,
                stdin=theirs.fileno(),
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, reader, writer)

    async def preload(self, modules: list[str]) -> str | None:
        """Import modules; the name of one that makes forking unsafe, which ends this server's usefulness."""
        self.ready = False
        self._imported = asyncio.get_running_loop().create_future()
        self._send({"op": "import", "modules": modules})
        unsafe = await self._imported
        self.modules |= set(modules)
        self.ready = unsafe is None
        return unsafe

    async def run(self, launch: Launch, words: list[str]) -> tuple[int, asyncio.Future[int]]:
        """Fork a step; its process id and the future of its exit code. Raises ConnectionError."""
        loop = asyncio.get_running_loop()
        started, ended = loop.create_future(), loop.create_future()
        self._started[launch.identifier], self._ended[launch.identifier] = started, ended
        self._send(
            {
                "op": "run",
                "id": launch.identifier,
                "arguments": words,
                "folder": str(launch.folder),
                "environment": launch.environment,
                "log": str(launch.log),
            }
        )
        return await started, ended

    async def idle(self) -> None:
        """Wait until no child runs."""
        while self._ended:
            await asyncio.wait(self._ended.values())

    async def stop(self) -> None:
        """End the server and all its children."""
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
                self._note(json.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._lost()

    def _note(self, report: dict[str, object]) -> None:
        match report:
            case {"event": "started", "id": str(identifier), "pid": int(pid)}:
                self._started.pop(identifier).set_result(pid)
            case {"event": "exited", "id": str(identifier), "code": int(code)}:
                self._ended.pop(identifier).set_result(code)
            case {"event": "imported", "unsafe": unsafe} if self._imported is not None:
                self._imported.set_result(unsafe if isinstance(unsafe, str) else None)

    def _lost(self) -> None:
        """The server has ended: its children were killed with it."""
        self.ready = self.alive = False
        gone = ConnectionResetError("the fork server ended")
        waiting = [*self._started.values(), *([self._imported] if self._imported else [])]
        for future in waiting:
            if not future.done():
                future.set_exception(gone)
        for future in self._ended.values():
            if not future.done():
                future.set_result(-signal.SIGKILL)
        self._ended.clear()


def _reads_at_import(launch: Launch) -> bool:
    changed = {
        name
        for name in launch.environment.keys() | os.environ.keys()
        if launch.environment.get(name) != os.environ.get(name)
    }
    return any(name.startswith(_READ_AT_IMPORT) for name in changed)
