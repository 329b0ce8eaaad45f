"""What a command reports to the CI system that runs it, and output with the CI system's commands escaped.

Names, tags and logs from elsewhere pass through `mlops`, and a CI system would obey any line of them that looks like a
command of its own.
"""

from __future__ import annotations

import io
import re
import sys
import traceback
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Final, TextIO

from mlops.core.markdown import escape, table
from mlops.core.results import Block, Line, Result, SourceLocation, Table
from mlops.githost.hosts import Workstation, current_job
from mlops.githost.interface import CIJob

_BACKTICKS: Final = re.compile(r"`+")
_SHORTEST_FENCE: Final = 3


def report_result(result: Result) -> None:
    """Report a command's result to the CI job."""
    job = current_job()
    if isinstance(job, Workstation):
        return
    for name, value in result.outputs.items():
        job.set_output(name, value)
    for location in result.locations:
        job.annotate(location, location.message)
    text = result.summary if result.summary is not None else blocks_as_markdown(result.blocks())
    if text:
        job.add_summary(text)


def report_error(message: str, advice: str, details: Sequence[str], locations: Sequence[SourceLocation]) -> None:
    """Report to the CI job why a command failed."""
    job = current_job()
    for location in locations:
        job.annotate(location, location.message)
    if not locations:
        job.annotate(None, f"{message} {advice}".rstrip())
    job.add_summary(error_as_markdown(message, advice, details))


def blocks_as_markdown(blocks: Iterable[Block]) -> str:
    """Lines and tables; text for other programs is left out, since it may be secret."""
    parts = []
    for block in blocks:
        match block:
            case Table():
                parts.append(_table(block))
            case Line(text=text) if text.strip():
                parts.append(escape(text))
    return "\n\n".join(parts)


def error_as_markdown(message: str, advice: str, details: Sequence[str]) -> str:
    """An error with its evidence."""
    parts = [f"## ❌ {escape(message)}"]
    if details:
        evidence = "\n".join(details)
        longest = max((len(ticks) for ticks in _BACKTICKS.findall(evidence)), default=0)
        fence = "`" * max(_SHORTEST_FENCE, longest + 1)
        parts.append(f"{fence}text\n{evidence}\n{fence}")
    if advice:
        parts.append(escape(advice))
    return "\n\n".join(parts)


def _table(block: Table) -> str:
    width = max((len(row) for row in (block.columns, *block.rows)), default=0)
    columns = [*block.columns, *[""] * (width - len(block.columns))]
    rows = [[*map(escape, row), *[""] * (width - len(row))] for row in block.rows]
    title = [f"### {escape(block.title)}"] if block.title else []
    return "\n\n".join([*title, table([escape(column) for column in columns], rows)])


class EscapedStream(io.TextIOBase):
    """A text stream that wraps another; passes on complete lines, and on `flush` also an incomplete one."""

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
        """A log is not a terminal."""
        return False

    def fileno(self) -> int:
        """That of the wrapped stream."""
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
    # An uncaught exception is printed after this has ended, and its message may also contain foreign text.
    sys.excepthook = partial(_print_exception, EscapedStream(before[1], job))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before
