"""The logs of a parallel run, in the service's folder layout. Standard library only."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

OVERVIEW = "job_progress_overview.txt"
ERRORS = "user/error.txt"
_NODE = "127.0.0.1"
_README = """Logs of a parallel run.
job_progress_overview.txt      progress by mini-batch, and how the run ended
user/error.txt                 failures, one line each
user/error/NODE/               the same with stack traces, by process
user/stdout/, user/stderr/     what the entry script printed, by process
sys/node/NODE/                 mini-batches by process: items, time, outcome
"""


class RunLogs:
    """Writes logs below one folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._append("readme.txt", _README)

    def progress(self, text: str) -> None:
        """Write a line to the overview and to the job's log."""
        print(text, flush=True)
        self._line(OVERVIEW, text)

    def error(self, process: int, text: str, trace: str = "") -> None:
        """Write a failure: one line to the summary, with its stack trace to the log of the process."""
        print(f"ERROR: {text}", flush=True)
        self._line(ERRORS, text)
        self._append(f"user/error/{_NODE}/process{process:03d}.txt", f"{text}\n{trace}\n")

    def node(self, process: int, text: str) -> None:
        """Write a line to the log of a process."""
        self._line(f"sys/node/{_NODE}/process{process:03d}.txt", text)

    def stream(self, process: int, name: str) -> Path:
        """The file for `stdout` or `stderr` of a process; its folder is created."""
        file = self._folder / f"user/{name}/{_NODE}/process{process:03d}.{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _line(self, name: str, text: str) -> None:
        self._append(name, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} {text}\n")

    def _append(self, name: str, text: str) -> None:
        file = self._folder / name
        with self._lock:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as stream:
                stream.write(text)
