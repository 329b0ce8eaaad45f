"""The MLflow server that steps log to and people look at: one process, sqlite, restarted when it dies.

Starts in the background, so that nothing but what needs it waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from http import HTTPStatus
from pathlib import Path

import aiohttp

from azureml_emulator.jobs.tracking.http_client import Outgoing
from azureml_emulator.kernel.errors import Unavailable
from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.supervisor import Processes, RunningProcess

_IDENTIFIER = "mlflow"
_RECORD = ("address", "mlflow")
_POLL_SECONDS = 0.1
_START_SECONDS = 120.0
_MOST_STARTS = 5
_FOLDER_MODE = 0o700
_log = logging.getLogger(__name__)


class MlflowServer:
    """Keeps one MLflow server running."""

    def __init__(self, store: Store, processes: Processes, outgoing: Outgoing, folder: Path) -> None:
        self._store = store
        self._processes = processes
        self._outgoing = outgoing
        self._folder = folder
        self._ready = asyncio.Event()
        self._process: RunningProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self.address = ""

    def open(self) -> None:
        """Begin in the background; no more than once."""
        if self._task is not None:
            return
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._task = asyncio.create_task(self._keep_running())

    async def close(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._process is not None and self._process.exit_code is None:
            await self._process.stop()

    async def ready(self, seconds: float = _START_SECONDS) -> str:
        """Wait until it answers, started if need be; its address. Raises Unavailable when it does not in time."""
        self.open()
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError as error:
            raise Unavailable(f"MLflow does not answer; its log is {self._folder / 'server.log'}.") from error
        return self.address

    async def _keep_running(self) -> None:
        for _ in range(_MOST_STARTS):
            port = free_port(self._last_port())
            self.address = f"http://{LOOPBACK}:{port}"
            self._process = await self._spawn(port)
            waiting = asyncio.create_task(self._process.wait())
            answering = asyncio.create_task(self._wait_for_answer())
            await asyncio.wait({waiting, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                self._store.put_record(*_RECORD, {"url": self.address, "port": port})
                self._ready.set()
            code = await waiting
            answering.cancel()
            self._ready.clear()
            _log.warning("MLflow ended with code %s; it is started again", code)
        _log.error("MLflow ended %d times; see %s", _MOST_STARTS, self._folder / "server.log")

    def _last_port(self) -> int:
        return int((self._store.record(*_RECORD) or {}).get("port", 0))

    async def _spawn(self, port: int) -> RunningProcess:
        # `mlflow server` imports everything twice, in a process that only waits: ask for its application itself.
        # It runs in its own folder, so that a path with odd characters never gets into an address.
        # These variables are what that command passes on to it (mlflow.server, pinned in pyproject.toml).
        environment = {
            **os.environ,
            "_MLFLOW_SERVER_FILE_STORE": "sqlite:///mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "artifacts",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SGI_NAME": "uvicorn",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "DO_NOT_TRACK": "true",
        }
        command = [
            *(sys.executable, "-m", "uvicorn", "--host", LOOPBACK, "--port", str(port)),
            *("--log-level", "warning", "mlflow.server.fastapi_app:app"),
        ]
        return await self._processes.spawn(
            _IDENTIFIER,
            command,
            folder=self._folder,
            environment=environment,
            log=self._folder / "server.log",
        )

    async def _wait_for_answer(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with self._outgoing.session.get(f"{self.address}/health") as reply:
                    if reply.status == HTTPStatus.OK:
                        return
            await asyncio.sleep(_POLL_SECONDS)


def free_port(wanted: int) -> int:
    """`wanted` if it is free, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Unavailable("No port is free.")
