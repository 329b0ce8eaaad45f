"""A worker process as the driver sees it: started, sent mini-batches, killed on a timeout. Standard library only."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.parallel.logs import RunLogs
from azureml_emulator.jobs.parallel.mini_batches import MiniBatch
from azureml_emulator.jobs.parallel.plan import RunPlan

_WORKER = "azureml_emulator.jobs.parallel.worker"
_PACKAGE = _WORKER.partition(".")[0]
# Runs the worker in an interpreter that does not have this package, and shows it no other one that stands beside it.
_WORKER_ELSEWHERE = f"""\
import importlib.util, runpy, sys
spec = importlib.util.spec_from_file_location({_PACKAGE!r}, sys.argv.pop(1))
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
runpy.run_module({_WORKER!r}, run_name="__main__", alter_sys=True)
"""
_READ_BYTES = 65536
_END_SECONDS = 5.0


class WorkerLost(Exception):
    """The process ended before it replied; the message says how."""


class WorkerTimeout(Exception):
    """The process did not reply in time."""


class WorkerProcess:
    """One worker process. Used by a single thread."""

    def __init__(self, number: int, plan: RunPlan, arguments: Sequence[str], logs: RunLogs) -> None:
        to_worker, self._requests = os.pipe()
        self._replies, from_worker = os.pipe()
        own = [str(to_worker), str(from_worker), plan.entry_script, *arguments]
        command = [*_worker_command(plan.interpreter), *own]
        with logs.stream(number, "stdout").open("ab") as out, logs.stream(number, "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, pass_fds=(to_worker, from_worker)
            )
        os.close(to_worker)
        os.close(from_worker)
        self._received = b""

    def ready(self, seconds: float) -> dict[str, Any]:
        """Wait for init(). Returns the worker's reply. Raises WorkerLost or WorkerTimeout."""
        return self._reply(seconds)

    def run(self, batch: MiniBatch, rows: Path, seconds: float) -> dict[str, Any]:
        """Call run() on a mini-batch. Returns the worker's reply. Raises WorkerLost or WorkerTimeout."""
        piece = None if batch.piece is None else asdict(batch.piece)
        request = {"index": batch.index, "files": batch.files, "piece": piece, "keys": batch.keys, "rows": str(rows)}
        try:
            _write_all(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise WorkerLost(self._ending()) from None
        return self._reply(seconds)

    def finish(self) -> None:
        """Let the worker shut down, and kill it if it does not."""
        os.close(self._requests)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._replies)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        os.close(self._requests)
        os.close(self._replies)

    def _reply(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            readable, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise WorkerTimeout
            chunk = os.read(self._replies, _READ_BYTES)
            if not chunk:
                raise WorkerLost(self._ending())
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def _ending(self) -> str:
        code = self._process.wait()
        if code < 0:
            return f"its process was killed by signal {-code} ({signal.Signals(-code).name})"
        return f"its process exited with code {code}"


def _worker_command(interpreter: str) -> list[str]:
    if interpreter == sys.executable:
        return [interpreter, "-m", _WORKER]
    return [interpreter, "-c", _WORKER_ELSEWHERE, str(Path(__file__).parents[2] / "__init__.py")]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
