"""Starts and stops the emulator's process and asks for its status. Imports nothing slow.

`server.py` is the process itself; what both share is in `ready_file.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azureml_emulator.control.ready_file import (
    ALREADY_RUNNING,
    REFUSED,
    ReadyFile,
    ReadyRecord,
    StateLock,
    is_state_folder,
)
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.disk_space import is_full
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.tokens import Tokens

START_SECONDS = 120.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 5.0
_LOG_TAIL_LINES = 12
_FOLDER_MODE = 0o700
_LOG_MODE = 0o600


class DaemonError(Exception):
    """A command cannot be carried out; the message says why and what to do."""


def start(settings: Settings) -> tuple[ReadyRecord, bool]:
    """Start the emulator and wait until it serves. Returns its record and whether it was started by this call.

    An emulator that already runs on the folder is used as it is. Raises DaemonError when that one has other
    settings, or when the new one does not start; the message then has the end of its log.
    """
    running = ReadyFile(settings.state).read()
    if running is not None:
        _check_same(running, settings)
        return running, False
    try:
        log, begin = _open_log(settings.state)
    except OSError as error:
        raise DaemonError(
            f"The state folder {settings.state} cannot be used: {error.strerror}. Choose another one with --state."
        ) from error
    command = [sys.executable, "-m", "azureml_emulator.server", settings.model_dump_json()]
    with os.fdopen(log, "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    record = _wait_ready(settings, process, begin)
    if record.pid == process.pid:
        return record, True
    _check_same(record, settings)
    return record, False


def refuse_running(state: Path) -> None:
    """Raise DaemonError when an emulator runs on the folder; for callers that cannot use a running one."""
    record = ReadyFile(state).read()
    if record is not None:
        raise DaemonError(
            f"An emulator already runs on {state} (process {record.pid}). Stop it first (azureml-emulator stop), "
            "or choose another folder with --state."
        )


def stop(state: Path) -> int | None:
    """Stop the emulator of a state folder and wait for its end. Returns its process id, None when none was running."""
    record = ReadyFile(state).read()
    if record is None:
        return None
    _signal(record, signal.SIGTERM)
    if not wait_until(lambda: process_start_time(record.pid) != record.start_time, STOP_SECONDS):
        _signal(record, signal.SIGKILL)
        if not wait_until(lambda: process_start_time(record.pid) != record.start_time, STOP_SECONDS):
            raise DaemonError(f"Process {record.pid} does not end, not even after SIGKILL.")
    return record.pid


def reset(state: Path) -> bool:
    """Delete a state folder. Returns False when it does not exist. Raises DaemonError while its emulator runs."""
    record = ReadyFile(state).read()
    if record is not None:
        raise DaemonError(
            f"The emulator on {state} is running (process {record.pid}). Stop it first: azureml-emulator stop."
        )
    if not state.exists():
        return False
    check_state_folder(state)
    shutil.rmtree(state)
    return True


def summary(record: ReadyRecord) -> dict[str, Any]:
    """What the running emulator has (`http/emulator_routes.py`). Raises DaemonError when it does not answer."""
    return _ask(record, "/_emulator/summary")


def mlflow_link(record: ReadyRecord) -> str:
    """A new link to MLflow's pages, which works once. Raises DaemonError when the emulator does not answer."""
    return _ask(record, "/_emulator/control/mlflow-link", "POST")["link"]


def listeners(record: ReadyRecord) -> list[dict[str, Any]]:
    """The ports that the emulator listens on: name, port, reason. Raises DaemonError when it does not answer."""
    return _ask(record, "/_emulator/listeners")


def _ask(record: ReadyRecord, path: str, method: str = "GET") -> Any:
    context = ssl.create_default_context(cafile=str(record.bundle))
    try:
        # The address is on loopback and our own, so no proxy of the environment may come in between.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        token = Tokens(read_secret_keys(record.settings.state).token_key, Clock()).issue(record.base_url)
        headers = {"Authorization": f"Bearer {token.text}"}
        request = urllib.request.Request(f"{record.base_url}{path}", headers=headers, method=method)  # noqa: S310
        with opener.open(request, timeout=_ANSWER_SECONDS) as reply:
            return json.load(reply)
    except OSError as error:
        raise DaemonError(
            f"Process {record.pid} is running but does not answer at {record.base_url}: {error}. "
            f"See {log_file(record.settings.state)}."
        ) from error


def log_file(state: Path) -> Path:
    """The file that gets the process's log."""
    return state / "emulator.log"


def check_state_folder(state: Path) -> None:
    """Raise DaemonError for a folder whose files no emulator wrote: it may have been named by mistake."""
    if not is_state_folder(state):
        raise DaemonError(
            f"{state} is not empty and not a state folder of an emulator. Choose an empty or new folder with --state."
        )


def _check_same(running: ReadyRecord, settings: Settings) -> None:
    if settings.port not in {0, running.port}:
        raise DaemonError(
            f"An emulator already runs on {settings.state}: process {running.pid} on port {running.port}, not on "
            f"{settings.port}. Stop it first (azureml-emulator stop), or choose another folder with --state."
        )
    ignored = {"port", "state"}
    wanted, has = settings.model_dump(exclude=ignored), running.settings.model_dump(exclude=ignored)
    differing = sorted(name for name, value in wanted.items() if has[name] != value)
    if differing:
        raise DaemonError(
            f"An emulator already runs on {settings.state} (process {running.pid}) with other settings: "
            f"{', '.join(differing)}. Stop it first (azureml-emulator stop), then start it again."
        )


def _open_log(state: Path) -> tuple[int, int]:
    """The log's file descriptor and current length; the state folder is created if needed. Raises OSError."""
    state.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    check_state_folder(state)
    StateLock(state).mark()
    descriptor = os.open(log_file(state), os.O_APPEND | os.O_CREAT | os.O_WRONLY, _LOG_MODE)
    return descriptor, os.fstat(descriptor).st_size


def _wait_ready(settings: Settings, process: subprocess.Popen[bytes], log_begin: int) -> ReadyRecord:
    """The record of the process once it serves, or of another one that already did. Raises DaemonError."""
    ready = ReadyFile(settings.state)

    def serves() -> bool:
        record = ready.read()
        return process.poll() is not None or (record is not None and record.pid == process.pid)

    in_time = wait_until(serves, START_SECONDS)
    record = ready.read()
    if in_time and record is not None and process.poll() in {None, ALREADY_RUNNING}:
        return record
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    log = log_file(settings.state)
    with log.open("rb") as stream:
        stream.seek(log_begin)
        tail = stream.read().decode(errors="replace").strip().splitlines()[-_LOG_TAIL_LINES:]
    if process.returncode == REFUSED and tail:
        raise DaemonError(f"The emulator did not start. {tail[-1]}")
    if is_full(settings.state):
        raise DaemonError(
            f"The emulator did not start, because there is no room left on the disk of {settings.state}. "
            "Free some space there, or choose another folder with --state."
        )
    raise DaemonError("The emulator did not start:\n" + "\n".join(tail) + f"\nIts log: {log}")


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Poll `done` for at most `seconds`. Returns whether it became true."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _signal(record: ReadyRecord, number: signal.Signals) -> None:
    if process_start_time(record.pid) == record.start_time:
        os.kill(record.pid, number)
