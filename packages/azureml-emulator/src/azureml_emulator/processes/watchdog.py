"""Ends what a killed emulator leaves: a small process that outlives it, and kills the groups it was told of.

The kernel's own way (PR_SET_PDEATHSIG) ends one process and not what it started, such as a shell's commands, and
Linux only. Here the end of the pipe says that the emulator has gone, however it went. `python -m` this module is
the process; `Watchdog` is the emulator's side. Decides nothing else: `processes.py` knows what runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from azureml_emulator.processes.process_identity import birth

_BEGUN = "+"
_ENDED = "-"
_NO_BIRTH = "?"
_END_SECONDS = 5.0


class Watchdog:
    """Starts the process when there is first something to watch."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begun(self, pid: int, born: str | None) -> None:
        """Watch the group that `pid` leads."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._tell(f"{_BEGUN} {pid} {(born or _NO_BIRTH).replace(' ', '_')}\n")

    def ended(self, pid: int) -> None:
        """Watch it no longer."""
        self._tell(f"{_ENDED} {pid}\n")

    def close(self) -> None:
        """End the process, which kills what is still watched."""
        if self._process is not None:
            self._process.communicate(timeout=_END_SECONDS)
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # Somebody ended it: what is left then ends at the next start of the emulator.
        with suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), line.encode())


def watch(lines: Iterable[str]) -> None:
    """Read what begins and ends until the pipe closes, then kill every group that has not ended."""
    running: dict[int, str] = {}
    for line in lines:
        what, pid, *born = line.split()
        if what == _BEGUN:
            running[int(pid)] = born[0]
        else:
            running.pop(int(pid), None)
    for pid, born in running.items():
        if (birth(pid) or "").replace(" ", "_") == born:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def main(stream: IO[str]) -> None:
    """Watch. A signal to all processes must not end this one first: it ends when the emulator has ended."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    watch(stream)


if __name__ == "__main__":
    main(sys.stdin)
