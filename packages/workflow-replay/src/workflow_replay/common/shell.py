"""The only module that starts processes for steps: a script in a file, never a command line built from text.

Each system decides about shell, folder and variables. Output arrives line by line, standard error merged into it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import IO, Final, Literal

from workflow_replay.cancellation import Cancellation
from workflow_replay.errors import Limit, Unreplayable

Termination = Literal["exited", "timed out", "cancelled"]

# The signals that the services' runners send, and how many seconds each is given: fewer here, as a person waits.
_SIGNALS: Final = ((signal.SIGINT, 2.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, None))
# A program left in the background may keep the pipe open for ever.
_DRAIN_SECONDS: Final = 2.0
NOT_FOUND: Final = 127


@dataclass(frozen=True)
class ShellResult:
    """How a script ended; `exit_code` is negative for a signal, as in subprocess."""

    exit_code: int
    termination: Termination


class BackgroundProcesses:
    """Processes that the scripts of a job left running; they are killed when the job ends."""

    def __init__(self) -> None:
        self._groups: list[int] = []

    def add(self, group: int) -> None:
        """Remember a process group if any process of it still runs."""
        if _signal(group, 0):
            self._groups.append(group)

    def kill(self) -> None:
        """Kill all of them."""
        for group in self._groups:
            _signal(group, signal.SIGKILL)
        self._groups.clear()


def require_program(program: str, variables: Mapping[str, str], location: str) -> None:
    """Raise Unreplayable if the program of a step at `location` is not installed on this machine."""
    if "/" not in program and shutil.which(program, path=variables.get("PATH", os.defpath)) is None:
        message = f"the step needs {program}, which is not installed on this machine"
        raise Unreplayable(Limit(location, message, "Install it, and replay again."))


def run_script(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    cancellation: Cancellation,
    timeout_seconds: float | None = None,
    background: BackgroundProcesses | None = None,
) -> ShellResult:
    """Run a command in a folder with exactly these variables, and pass each line of output to `on_line`.

    After `timeout_seconds`, or when cancelled, the command and everything it started is interrupted, then killed. It
    inherits whether this process ignores interrupts: a caller that wants scripts to clean up must not.
    `on_line` is called from another thread, without the line ending. An unknown program has the exit code 127.
    """
    try:
        process = _start(command, folder, variables)
    except FileNotFoundError as error:
        on_line(f"{error.filename}: {error.strerror}")
        return ShellResult(NOT_FOUND, "exited")
    stopper = _Stopper(process)
    reader = Thread(target=_read, args=(process.stdout, on_line), daemon=True)
    reader.start()
    try:
        with stopper.after(timeout_seconds), cancellation.on_cancel(stopper.cancel):
            exit_code = process.wait()
    finally:
        stopper.disarm()
    if stopper.termination != "exited":
        # Background processes of a shell ignore interrupts.
        _signal(process.pid, signal.SIGKILL)
    reader.join(_DRAIN_SECONDS)
    if background is not None:
        background.add(process.pid)
    return ShellResult(exit_code, stopper.termination)


def _start(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; its two output streams are one pipe."""
    return subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class _Stopper:
    """Stops a process group with increasingly strong signals; the first reason wins."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lock = Lock()
        self._over = False
        self.termination: Termination = "exited"

    def cancel(self) -> None:
        """Stop because of a cancellation."""
        self._stop("cancelled")

    @contextlib.contextmanager
    def after(self, seconds: float | None) -> Generator[None]:
        """Stop when the time is over."""
        if seconds is None:
            yield
            return
        timer = Timer(seconds, self._stop, args=("timed out",))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def disarm(self) -> None:
        """Send no more signals: the process is gone, and its id may be reused."""
        with self._lock:
            self._over = True

    def _stop(self, termination: Termination) -> None:
        with self._lock:
            if self._over or self.termination != "exited":
                return
            self.termination = termination
        Thread(target=self._signal_all, daemon=True).start()

    def _signal_all(self) -> None:
        for number, seconds in _SIGNALS:
            with self._lock:
                if self._over:
                    return
                _signal(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return


def _read(stream: IO[bytes], on_line: Callable[[str], None]) -> None:
    with contextlib.closing(stream):
        for line in stream:
            on_line(line.decode(errors="replace").rstrip("\r\n"))


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; False if there is none."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
