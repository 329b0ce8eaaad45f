"""The emulator's process: `python -m azureml_emulator.server SETTINGS`, with the settings as JSON.

Takes the lock and the port, writes the ready file once it serves, and removes it at the end.
`control/daemon.py` starts and stops it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import time
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from azureml_emulator.app import Emulator
from azureml_emulator.control.ready_file import (
    ALREADY_RUNNING,
    REFUSED,
    LastPort,
    ReadyFile,
    ReadyRecord,
    StateLock,
    is_state_folder,
)
from azureml_emulator.http.stalled_connections import GuardedProtocol, close_stalled
from azureml_emulator.jobs.launching.interpreters import InterpreterUnusable
from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import LOOPBACK, Settings
from azureml_emulator.kernel.store import StoreDamaged
from azureml_emulator.security.certificates import ensure_certificates

_BACKLOG = 2048
_SHUTDOWN_SECONDS = 5
_FOLDER_MODE = 0o700
# Only the owner may read what this process and its children write.
_UMASK = 0o077
# How long another emulator on the same folder may take to start or to stop.
_LOCK_SECONDS = 25.0
_LOCK_POLL_SECONDS = 0.05


class StartFailed(Exception):
    """The process cannot serve. The message says why and what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code


class Server(uvicorn.Server):
    """uvicorn's server, which writes the ready file once it serves."""

    def __init__(self, config: uvicorn.Config, ready: ReadyFile, record: ReadyRecord) -> None:
        super().__init__(config)
        self._guard: asyncio.Task[None] | None = None
        self._ready = ready
        self._record = record

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then write the ready file."""
        await super().startup(sockets)
        if self.started:
            connections, limits = self.server_state.connections, self._record.settings.connections
            self._guard = keep_running(lambda: close_stalled(connections, limits), "closing stalled connections")
            self._ready.write(self._record)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop. Idle connections are dropped: a TLS close would wait for clients that do not answer it."""
        if self._guard is not None:
            self._guard.cancel()
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpToolsProtocol) and _is_idle(connection):
                connection.transport.abort()
        await super().shutdown(sockets)


def _is_idle(connection: HttpToolsProtocol) -> bool:
    return connection.cycle is None or connection.cycle.response_complete


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartFailed."""
    _prepare(settings.state)
    ready = ReadyFile(settings.state)
    with StateLock(settings.state) as lock:
        if not _take(lock, ready):
            running = ready.read() is not None
            message = f"Another emulator uses {settings.state}: {ready.describe()}"
            raise StartFailed(message, ALREADY_RUNNING if running else REFUSED)
        listening = bind(settings)
        port = listening.getsockname()[1]
        LastPort(settings.state).write(port)
        try:
            _serve(settings, listening, ready, f"https://{LOOPBACK}:{port}")
        finally:
            ready.remove()


def _prepare(state: Path) -> None:
    """Create the state folder, readable by its owner only."""
    try:
        state.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if not is_state_folder(state):
            raise StartFailed(
                f"{state} is not empty and not a state folder of an emulator. Choose another one with --state."
            )
        state.chmod(_FOLDER_MODE)
    except OSError as error:
        raise StartFailed(
            f"The state folder {state} cannot be used: {error.strerror}. Choose another one with --state."
        ) from error


def _take(lock: StateLock, ready: ReadyFile) -> bool:
    """Take the lock. While an emulator that is starting or stopping holds it, wait; False when one keeps it."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while not lock.take():
        if ready.read() is not None or time.monotonic() > deadline:
            return False
        time.sleep(_LOCK_POLL_SECONDS)
    return True


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the requested port, else on the last one, else on any. Raises StartFailed."""
    wanted = settings.port or LastPort(settings.state).read()
    try:
        return _listen(wanted)
    except OSError as error:
        if settings.port:
            raise StartFailed(
                f"Port {settings.port} of {LOOPBACK} is in use ({error.strerror}). Stop what listens there, "
                "choose another port with --port, or omit --port to use a free one."
            ) from error
    return _listen(0)


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(False)
    return listening


def _serve(settings: Settings, listening: socket.socket, ready: ReadyFile, base_url: str) -> None:
    clock = Clock()
    certificates = ensure_certificates(settings.state / "tls", clock.now())
    try:
        emulator = Emulator(settings, base_url, clock)
    except StoreDamaged as error:
        raise StartFailed(
            f"{error} Restore a copy of the state folder, or delete everything in it: azureml-emulator reset."
        ) from error
    except InterpreterUnusable as error:
        raise StartFailed(str(error)) from error
    config = uvicorn.Config(
        emulator.application(),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=GuardedProtocol,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=certificates.server,
        ssl_keyfile=certificates.server_key,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = Server(config, ready, ReadyRecord.of(settings, base_url, certificates.bundle))
    config.load()
    # Without this, garbage collection would stop requests for tens of milliseconds to scan the imported modules.
    gc.freeze()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve([listening]))


def main(argument: str) -> int:
    """Run with the settings that `daemon.py` passes. Returns the exit code."""
    # Some machines disable bytecode caches. Steps and deployments inherit that, and would each compile what they
    # import, which more than doubles their start-up time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.umask(_UMASK)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(Settings.model_validate_json(argument))
    except StartFailed as error:
        # Without the log's prefix: `daemon.py` shows this text to the user.
        print(error, file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
