"""Standard output and error with the CI system's commands escaped, for as long as a command runs.

Names, tags and logs of others pass through `mlops`, and a CI system would obey a line of theirs that looks like a
command of its own.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TextIO

from mlops.githost.hosts import current_job
from mlops.githost.interface import CIJob
from mlops.githost.no_host import Workstation


class EscapedStream(io.TextIOBase):
    """A text stream in front of another; whole lines go on, and on `flush` also what was written of the next one."""

    def __init__(self, stream: TextIO, job: CIJob) -> None:
        super().__init__()
        self._stream = stream
        self._job = job
        self._begun = ""

    def write(self, text: str, /) -> int:
        """Take text; complete lines are passed on."""
        lines = (self._begun + text).split("\n")
        self._begun = lines.pop()
        for line in lines:
            self._stream.write(f"{self._escaped(line)}\n")
        return len(text)

    def flush(self) -> None:
        """Pass on what is left."""
        if self._begun:
            self._stream.write(self._escaped(self._begun))
            self._begun = ""
        self._stream.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """A log is no terminal."""
        return False

    def fileno(self) -> int:
        """That of the stream behind."""
        return self._stream.fileno()

    def _escaped(self, line: str) -> str:
        # A lone carriage return begins a new line for the program that reads the log.
        return "\r".join(self._job.escape(part) for part in line.split("\r"))


def _print_exception(
    stream: EscapedStream, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    traceback.print_exception(kind, error, trace, file=stream)
    stream.flush()


@contextmanager
def escaped_output() -> Generator[None]:
    """Escape commands in both streams where a CI system reads them."""
    job = current_job()
    if isinstance(job, Workstation):
        yield
        return
    before = (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = EscapedStream(sys.stdout, job), EscapedStream(sys.stderr, job)
    # An uncaught exception is printed after this has ended, and its message may be somebody else's too.
    sys.excepthook = partial(_print_exception, EscapedStream(before[1], job))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before
