"""The MLflow tracking server and UI: one process with SQLite, restarted when it dies.

It starts in the background; only what needs it waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import re
import socket
import sys
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import aiohttp
from yarl import URL

from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.kernel.background import keep_running, run_once
from azureml_emulator.kernel.errors import Unavailable
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.supervisor import Processes, RunningProcess

_IDENTIFIER = "mlflow"
_RECORD = ("address", "mlflow")
_POLL_SECONDS = 0.1
_START_SECONDS = 120.0
_MAX_STARTS = 5
_FOLDER_MODE = 0o700
# Requests that MLflow 2 handles at once, in its one process.
_THREADS = 8
_LOGGED_MODELS_SINCE = (3, 0)
_TOO_NEW_FOR_MLFLOW_2 = (2, 1)
_log = logging.getLogger(__name__)


class MlflowServer:
    """Keeps one MLflow server running."""

    def __init__(self, store: Store, processes: Processes, http_client: HttpClient, folder: Path) -> None:
        self._store = store
        self._processes = processes
        self._outgoing = http_client
        self._folder = folder
        self._ready = asyncio.Event()
        self._process: RunningProcess | None = None
        self._task: asyncio.Task[None] | None = None
        # Where the server listens, and the address by which others know it.
        self.address = ""
        self.public = ""

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
        if self._process is not None and self._process.exit_code is None:
            await self._process.stop()

    async def ready(self, seconds: float = _START_SECONDS) -> str:
        """Wait until it is ready, starting it if needed. Returns its address.

        Raises Unavailable after `seconds`, and at once where the installed libraries cannot run it.
        """
        check_libraries()
        self.open()
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError as error:
            raise Unavailable(f"MLflow is not ready. See its log: {self._folder / 'server.log'}.") from error
        return self.address

    @property
    def has_logged_models(self) -> bool:
        """Whether this MLflow has models outside of runs' artifacts, which came with MLflow 3."""
        return _numbers(version("mlflow")) >= _LOGGED_MODELS_SINCE

    def choose_port(self) -> int:
        """Choose the port of the public address: that of last time if it is free."""
        port = free_port(int((self._store.record(*_RECORD) or {}).get("port", 0)))
        self.public = f"http://{LOOPBACK}:{port}"
        return port

    def address_for(self, scope: Scope) -> str:
        """The public address for one workspace."""
        return f"{self.public}{scope.id}"

    async def _keep_running(self) -> None:
        for _ in range(_MAX_STARTS):
            port = free_port(0)
            self.address = f"http://{LOOPBACK}:{port}"
            self._process = await self._spawn(port)
            waiting = run_once(self._process.wait(), "waiting for MLflow's end")
            answering = run_once(self._wait_for_answer(), "waiting for MLflow's first answer")
            await asyncio.wait({waiting, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                self._store.put_record(*_RECORD, {"url": self.public, "port": URL(self.public).port})
                self._ready.set()
            code = await waiting
            answering.cancel()
            self._ready.clear()
            _log.warning("MLflow exited with code %s; restarting it", code)
        _log.error("MLflow exited %d times and is not restarted; see %s", _MAX_STARTS, self._folder / "server.log")

    async def _spawn(self, port: int) -> RunningProcess:
        # `mlflow server` imports everything twice, once in a process that only waits, so its application is run
        # directly. It runs in its own folder, so that special characters of the path never get into a URI. The
        # variables are those that the command would set (mlflow.server).
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
        command = [sys.executable, "-m", *server_arguments(mlflow_folder(), port)]
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


def mlflow_folder() -> Path:
    """The folder of the installed MLflow, which is not imported. Raises Unavailable where there is none."""
    found = importlib.util.find_spec("mlflow")
    if found is None or found.origin is None:
        raise Unavailable("MLflow is not installed in the interpreter that runs the emulator. Install mlflow.")
    return Path(found.origin).parent


def check_libraries() -> None:
    """Raise Unavailable where MLflow is missing, or SQLAlchemy is too new for it."""
    mlflow_folder()
    check_versions(version("mlflow"), version("sqlalchemy"))


def check_versions(mlflow: str, sqlalchemy: str) -> None:
    """Raise Unavailable where MLflow's store does not work with SQLAlchemy in these versions."""
    if _numbers(mlflow) < _LOGGED_MODELS_SINCE and _numbers(sqlalchemy) >= _TOO_NEW_FOR_MLFLOW_2:
        raise Unavailable(
            f"MLflow {mlflow} cannot use SQLAlchemy {sqlalchemy}. "
            "Install 'sqlalchemy<2.1' into the interpreter that runs the emulator, and restart it."
        )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def server_arguments(mlflow: Path, port: int) -> list[str]:
    """The module and the arguments that run MLflow's server. MLflow 3 is an ASGI application, MLflow 2 a WSGI one."""
    if (mlflow / "server" / "fastapi_app.py").is_file():
        options = ["--host", LOOPBACK, "--port", str(port), "--log-level", "warning"]
        return ["uvicorn", *options, "mlflow.server.fastapi_app:app"]
    options = ["--bind", f"{LOOPBACK}:{port}", "--worker-class", "gthread", "--threads", str(_THREADS)]
    return ["gunicorn", *options, "--log-level", "warning", "mlflow.server:app"]


def free_port(preferred: int) -> int:
    """The preferred port if it is free, else any free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Unavailable("No port is available.")
