"""Kills what a killed emulator leaves behind: a small process that outlives it and knows its process groups.

Linux's PR_SET_PDEATHSIG kills one process but not what it started, such as the commands of a shell. Here the end of a
pipe says that the emulator has ended, however it did. `python -m` this module is the process; `Watchdog` is the
emulator's side. Which groups there are is decided in `supervisor.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from azureml_emulator.processes.process_identity import process_start_time

_STARTED = "+"
_ENDED = "-"
_UNKNOWN_TIME = "?"
_END_SECONDS = 5.0


class Watchdog:
    """Starts the process when there is something to watch for the first time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def started(self, pid: int, start_time: str | None) -> None:
        """Watch the group that `pid` leads."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._send(f"{_STARTED} {pid} {(start_time or _UNKNOWN_TIME).replace(' ', '_')}\n")

    def ended(self, pid: int) -> None:
        """Stop watching the group."""
        self._send(f"{_ENDED} {pid}\n")

    def close(self) -> None:
        """End the process, which kills the groups that are still watched."""
        if self._process is not None:
            self._process.communicate(timeout=_END_SECONDS)
            self._process = None

    def _send(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # Without the watchdog, orphans are killed at the next start of the emulator.
        with suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), line.encode())


def watch(lines: Iterable[str]) -> None:
    """Read which groups start and end until the pipe closes, then kill those that have not ended."""
    running: dict[int, str] = {}
    for line in lines:
        what, pid, *start_time = line.split()
        if what == _STARTED:
            running[int(pid)] = start_time[0]
        else:
            running.pop(int(pid), None)
    for pid, start_time in running.items():
        if (process_start_time(pid) or "").replace(" ", "_") == start_time:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def main(stream: IO[str]) -> None:
    """Watch. SIGTERM to every process must not end this one first: it ends when the emulator has ended."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    watch(stream)


if __name__ == "__main__":
    main(sys.stdin)
