"""The only place that starts processes for steps: a script in a file, never a command line made of text.

Which shell, folder and variables a step has is left to each system. Output comes line by line, both streams as one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import IO, Final, Literal

from workflow_replay.stopping import Cancellation

Ending = Literal["ended", "timed out", "cancelled"]

# The signals of the services' runners, and how long each has its time; shorter here, since somebody is watching.
_SIGNALS: Final = ((signal.SIGINT, 2.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, None))
# A program left in the background may keep our end of the pipe open for ever.
_DRAIN_SECONDS: Final = 2.0
NOT_FOUND: Final = 127


@dataclass(frozen=True)
class ShellResult:
    """How a script ended; `exit_code` is negative for a signal, as subprocess has it."""

    exit_code: int
    ending: Ending


class Leftovers:
    """What scripts of one job have left running in the background; the job's end is theirs, too."""

    def __init__(self) -> None:
        self._groups: list[int] = []

    def note(self, group: int) -> None:
        """Remember a process group if anything of it still runs."""
        if _signal(group, 0):
            self._groups.append(group)

    def end(self) -> None:
        """End all of them."""
        for group in self._groups:
            _signal(group, signal.SIGKILL)
        self._groups.clear()


def run_script(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    cancellation: Cancellation,
    timeout_seconds: float | None = None,
    leftovers: Leftovers | None = None,
) -> ShellResult:
    """Run a command to its end in a folder, with exactly these variables, and pass on each line it prints.

    On a timeout or a cancellation the command and all it has started are interrupted, then killed. `on_line` is
    called from another thread, without the line's end. A program that does not exist has the exit code 127.
    """
    try:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        on_line(f"{error.filename}: {error.strerror}")
        return ShellResult(NOT_FOUND, "ended")
    stopper = _Stopper(process)
    reader = Thread(target=_read, args=(process.stdout, on_line), daemon=True)
    reader.start()
    try:
        with stopper.after(timeout_seconds), cancellation.told(stopper.cancel):
            exit_code = process.wait()
    finally:
        stopper.forget()
    if stopper.ending != "ended":
        # What a shell starts in the background does not hear interrupts.
        _signal(process.pid, signal.SIGKILL)
    reader.join(_DRAIN_SECONDS)
    if leftovers is not None:
        leftovers.note(process.pid)
    return ShellResult(exit_code, stopper.ending)


class _Stopper:
    """Ends a process group in steps, from whatever thread; the first reason wins."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lock = Lock()
        self._over = False
        self.ending: Ending = "ended"

    def cancel(self) -> None:
        """Stop because somebody wants it."""
        self._stop("cancelled")

    @contextlib.contextmanager
    def after(self, seconds: float | None) -> Generator[None]:
        """Stop when this time is over."""
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

    def forget(self) -> None:
        """Send nothing more: the process is gone, and its number may be somebody else's soon."""
        with self._lock:
            self._over = True

    def _stop(self, ending: Ending) -> None:
        with self._lock:
            if self._over or self.ending != "ended":
                return
            self.ending = ending
        Thread(target=self._signal_all, daemon=True).start()

    def _signal_all(self) -> None:
        for number, patience in _SIGNALS:
            with self._lock:
                if self._over:
                    return
                _signal(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                return


def _read(stream: IO[bytes], on_line: Callable[[str], None]) -> None:
    with contextlib.closing(stream):
        for line in stream:
            on_line(line.decode(errors="replace").rstrip("\r\n"))


def _signal(group: int, number: int) -> bool:
    """Signal a process group; whether there is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
