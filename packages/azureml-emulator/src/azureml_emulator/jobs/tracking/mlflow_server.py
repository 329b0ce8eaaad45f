"""The MLflow tracking server and UI: one process with SQLite, restarted when it dies.

It starts in the background; only what needs it waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import aiohttp
from yarl import URL

from azureml_emulator.jobs.tracking import mlflow_versions
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.kernel.background import end_all, keep_running, run_once
from azureml_emulator.kernel.errors import EmulatorError, Unavailable
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.supervisor import Processes, RunningProcess

_IDENTIFIER = "mlflow"
_RECORD = ("address", "mlflow")
_POLL_SECONDS = 0.1
_START_SECONDS = 120.0
_MAX_STARTS = 5
_FOLDER_MODE = 0o700
_log = logging.getLogger(__name__)


class MlflowServer:
    """Keeps one MLflow server running."""

    # For `HttpClient`: the name goes into the header Host, the connection is the Unix socket.
    address = "http://localhost"

    def __init__(self, store: Store, processes: Processes, http_client: HttpClient, folder: Path) -> None:
        self._store = store
        self._processes = processes
        self._outgoing = http_client
        self._folder = folder
        self._ready = asyncio.Event()
        self._process: RunningProcess | None = None
        self._task: asyncio.Task[None] | None = None
        # The addresses for programs and for browsers, which `mlflow_front.py` serves.
        self.public = ""
        self.pages = ""

    def open(self) -> None:
        """Start it in the background; no effect when it was started before."""
        if self._task is not None:
            return
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._task = keep_running(self._keep_running, "MLflow's server")

    async def close(self) -> None:
        """Stop it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        # The server waits for open connections before it ends.
        await self._outgoing.close()
        if self._process is not None and self._process.exit_code is None:
            await self._process.stop()

    async def ready(self, seconds: float = _START_SECONDS) -> str:
        """Wait until it is ready, starting it if needed. Returns its address for `HttpClient`, which knows the socket.

        Raises Unavailable after `seconds`, and NotModelled at once where what is installed cannot run it.
        """
        if not self._ready.is_set():
            mlflow_versions.check_libraries()
            mlflow_versions.needs_upgrade(self._folder, version("mlflow"))
        self.open()
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError as error:
            raise Unavailable(f"MLflow is not ready. See its log: {self._folder / 'server.log'}.") from error
        return self.address

    def last_ports(self) -> tuple[int, int]:
        """The ports of the addresses for programs and for browsers at the last start; 0 when there was none."""
        record = self._store.record(*_RECORD) or {}
        return int(record.get("port", 0)), int(record.get("pages_port", 0))

    def address_for(self, scope: Scope) -> str:
        """The address for programs of one workspace."""
        return f"{self.public}{scope.id}"

    async def _keep_running(self) -> None:
        try:
            mlflow_versions.check_libraries()
            await self._upgrade()
        except EmulatorError as error:
            _log.error("MLflow is not started: %s", error.message)
            return
        for _ in range(_MAX_STARTS):
            self._process = await self._spawn()
            waiting = run_once(self._process.wait(), "waiting for MLflow's end")
            answering = run_once(self._wait_for_answer(), "waiting for MLflow's first answer")
            try:
                await asyncio.wait({waiting, answering}, return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    self._remember()
                    self._ready.set()
                code = await waiting
            finally:
                await end_all(waiting, answering)
            self._ready.clear()
            _log.warning("MLflow exited with code %s; restarting it", code)
        _log.error("MLflow exited %d times and is not restarted; see %s", _MAX_STARTS, self._folder / "server.log")

    def _remember(self) -> None:
        ports = {"port": URL(self.public).port, "pages_port": URL(self.pages).port}
        self._store.put_record(*_RECORD, {"url": self.public, "pages": self.pages, **ports})

    async def _upgrade(self) -> None:
        """Bring a database that an older MLflow wrote up to date."""
        if mlflow_versions.needs_upgrade(self._folder, version("mlflow")):
            command = [sys.executable, "-m", *mlflow_versions.upgrade_arguments()]
            log = self._folder / "server.log"
            upgrade = await self._processes.spawn(
                f"{_IDENTIFIER} upgrade", command, folder=self._folder, environment=os.environ, log=log
            )
            try:
                code = await upgrade.wait()
            except asyncio.CancelledError:
                await upgrade.stop()
                raise
            if code != 0:
                _log.error("MLflow's database was not upgraded (exit code %d); see %s", code, log)
                return
        mlflow_versions.mark_written(self._folder, version("mlflow"))

    async def _spawn(self) -> RunningProcess:
        # `mlflow server` imports everything twice, once in a process that only waits, so its application is run
        # directly. It runs in its own folder, so that special characters of the path never get into a URI. The
        # variables are those that the command would set (mlflow.server).
        environment = {
            **os.environ,
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{mlflow_versions.DATABASE}",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "artifacts",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SGI_NAME": "uvicorn",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "DO_NOT_TRACK": "true",
        }
        arguments = mlflow_versions.server_arguments(mlflow_versions.mlflow_folder(), self._outgoing.socket)
        command = [sys.executable, "-m", *arguments]
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
