"""Starts and stops the emulator's process, and says what it is doing. Imports nothing that is slow.

`server.py` is the process itself; what both know is in `ready_file.py`.
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

from azureml_emulator.control.ready_file import ALREADY_RUNS, REFUSED, ReadyFile, ReadyRecord, StateLock, is_own
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.processes.process_identity import birth
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.tokens import Tokens

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 5.0
_LOG_TAIL_LINES = 12
_FOLDER_MODE = 0o700
_LOG_MODE = 0o600


class DaemonError(Exception):
    """What was asked cannot be done; the message says why and what to do."""


def start(settings: Settings) -> tuple[ReadyRecord, bool]:
    """Start the emulator and wait until it serves; (where it is, whether it was started now).

    One that already runs on the folder is taken as it is, unless it has another port than the one asked
    for. Raises DaemonError when it does not come up, with the end of its log.
    """
    running = ReadyFile(settings.state).read()
    if running is not None:
        _check_same(running, settings)
        return running, False
    try:
        log, begin = _open_log(settings.state)
    except OSError as error:
        raise DaemonError(
            f"The state folder {settings.state} cannot be used: {error.strerror}. Name another one with --state."
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
    """Raise DaemonError when an emulator runs on the folder: for a start that cannot just take it as it is."""
    record = ReadyFile(state).read()
    if record is not None:
        raise DaemonError(
            f"An emulator already runs on {state} (process {record.pid}). Stop it first (azureml-emulator stop), "
            "or name another folder with --state."
        )


def stop(state: Path) -> int | None:
    """End the emulator of a state folder and wait for it; its process id, or None when none runs."""
    record = ReadyFile(state).read()
    if record is None:
        return None
    _signal(record, signal.SIGTERM)
    if not wait_until(lambda: birth(record.pid) != record.born, STOP_SECONDS):
        _signal(record, signal.SIGKILL)
        if not wait_until(lambda: birth(record.pid) != record.born, STOP_SECONDS):
            raise DaemonError(f"Process {record.pid} does not end, not even by SIGKILL.")
    return record.pid


def reset(state: Path) -> bool:
    """Delete a state folder; False when there is none. Raises DaemonError while its emulator runs."""
    record = ReadyFile(state).read()
    if record is not None:
        raise DaemonError(f"The emulator of {state} runs (process {record.pid}). Stop it first: azureml-emulator stop.")
    if not state.exists():
        return False
    check_own(state)
    shutil.rmtree(state)
    return True


def summary(record: ReadyRecord) -> dict[str, Any]:
    """What the running emulator has, as `summary.py` says. Raises DaemonError when it does not answer."""
    context = ssl.create_default_context(cafile=str(record.bundle))
    try:
        # A loopback address of our own, never one from outside; no proxy of the environment in between.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        token = Tokens(read_secret_keys(record.settings.state).token_key, Clock()).issue(record.base_url)
        headers = {"Authorization": f"Bearer {token.text}"}
        request = urllib.request.Request(f"{record.base_url}/_emulator/summary", headers=headers)  # noqa: S310
        with opener.open(request, timeout=_ANSWER_SECONDS) as reply:
            return json.load(reply)
    except OSError as error:
        raise DaemonError(
            f"Process {record.pid} runs but does not answer at {record.base_url}: {error}. "
            f"See {log_file(record.settings.state)}."
        ) from error


def log_file(state: Path) -> Path:
    """Where the process writes its log."""
    return state / "emulator.log"


def check_own(state: Path) -> None:
    """Raise DaemonError for a folder with files that no emulator made: it may be named by mistake."""
    if not is_own(state):
        raise DaemonError(
            f"{state} has files and is no emulator's state folder. Name an empty or new folder with --state."
        )


def _check_same(running: ReadyRecord, settings: Settings) -> None:
    if settings.port not in {0, running.port}:
        raise DaemonError(
            f"An emulator already runs on {settings.state}: process {running.pid}, port {running.port}, not "
            f"{settings.port}. Stop it first (azureml-emulator stop), or name another folder with --state."
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
    """The log's descriptor and its length, in a state folder that is made if need be. Raises OSError."""
    state.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    check_own(state)
    StateLock(state).mark()
    descriptor = os.open(log_file(state), os.O_APPEND | os.O_CREAT | os.O_WRONLY, _LOG_MODE)
    return descriptor, os.fstat(descriptor).st_size


def _wait_ready(settings: Settings, process: subprocess.Popen[bytes], log_begin: int) -> ReadyRecord:
    """The record of the process once it serves, or of the other one that it found to serve. Raises DaemonError."""
    ready = ReadyFile(settings.state)

    def serves() -> bool:
        record = ready.read()
        return process.poll() is not None or (record is not None and record.pid == process.pid)

    in_time = wait_until(serves, START_SECONDS)
    record = ready.read()
    if in_time and record is not None and process.poll() in {None, ALREADY_RUNS}:
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
    raise DaemonError("The emulator did not start:\n" + "\n".join(tail) + f"\nIts log: {log}")


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask until `done` says so, at most `seconds`; whether it did."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _signal(record: ReadyRecord, number: signal.Signals) -> None:
    if birth(record.pid) == record.born:
        os.kill(record.pid, number)
