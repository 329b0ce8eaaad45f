"""Standard output and error made harmless for as long as a command runs: names, tags and logs of others pass through
us, and a CI system would obey a line of theirs that looks like a command of its own.
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

from mlops.ci.base import System
from mlops.ci.current import NoSystem, current


class GuardedStream(io.TextIOBase):
    """A text stream in front of another; whole lines go on, and on `flush` also what was written of the next one."""

    def __init__(self, stream: TextIO, system: System) -> None:
        super().__init__()
        self._stream = stream
        self._system = system
        self._begun = ""

    def write(self, text: str, /) -> int:
        """Take text; lines that are complete are passed on."""
        lines = (self._begun + text).split("\n")
        self._begun = lines.pop()
        for line in lines:
            self._stream.write(f"{self._harmless(line)}\n")
        return len(text)

    def flush(self) -> None:
        """Pass on everything."""
        if self._begun:
            self._stream.write(self._harmless(self._begun))
            self._begun = ""
        self._stream.flush()

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """A log is no terminal."""
        return False

    def fileno(self) -> int:
        """That of the stream behind."""
        return self._stream.fileno()

    def _harmless(self, line: str) -> str:
        # A lone return begins a new line for whoever reads the log.
        return "\r".join(self._system.harmless(part) for part in line.split("\r"))


def _tell(stream: GuardedStream, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace, file=stream)
    stream.flush()


@contextmanager
def guarded() -> Generator[None]:
    """Guard both streams where a CI system reads them."""
    system = current()
    if isinstance(system, NoSystem):
        yield
        return
    before = (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = GuardedStream(sys.stdout, system), GuardedStream(sys.stderr, system)
    # What nobody catches is told after all this has ended, and its message may be somebody else's too.
    sys.excepthook = partial(_tell, GuardedStream(before[1], system))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before
