"""Progress of a command: lines on standard error, a live table of steps in a terminal, and a sign of life in between.

Results go through rendering.py; this module never writes to standard output.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import get_terminal_size
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Final, TextIO

from mlops.githost.hosts import group

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

RUNNING = "Running"
# With the time of a tick in between, nothing is silent for two seconds.
_SILENT_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.5
_ERASED: Final = "\r\x1b[2K"
NARROWEST: Final = 20
_NAME_AND_VALUE: Final = 2
_WHOLE: Final = re.compile(r"`[^`]*`|\d %")
_JOINT: Final = "\0"
_STATUS_STYLES = {"Completed": "green", RUNNING: "cyan", "Failed": "bold red", "Canceled": "yellow"}


@dataclass(frozen=True)
class Step:
    """One step of a job as last seen; `seconds` is None before it has begun."""

    name: str
    status: str
    seconds: float | None = None
    reused: bool = False

    def sentence(self) -> str:
        """The step in a few words."""
        if self.reused:
            return f"{self.name}: {self.status} (reused)"
        # A printed line never changes: a running time in it would soon be wrong.
        time = "" if self.seconds is None or self.status == RUNNING else f" ({self.seconds:.1f} s)"
        return f"{self.name}: {self.status}{time}"


class _SignOfLife:
    """A line in a terminal that counts the seconds while nothing else is printed; the next line takes its place."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._stream: TextIO | None = None
        self._last = 0.0
        self._is_shown = False
        self._ended = Event()

    def begin(self, stream: TextIO) -> None:
        """Count in a terminal; nothing anywhere else."""
        if self._stream is not None or not stream.isatty() or os.environ.get("TERM") == "dumb":
            return
        self._stream, self._last, self._ended = stream, time.monotonic(), Event()
        Thread(target=self._count, args=(self._ended,), name="sign of life", daemon=True).start()

    def end(self) -> None:
        """Stop counting: what follows shows its own progress, or the command is over."""
        with self._lock:
            self.clear()
            self._ended.set()
            self._stream = None

    def clear(self) -> None:
        """Make room for a line, from which the seconds count anew."""
        with self._lock:
            self._last = time.monotonic()
            if self._is_shown and self._stream is not None:
                self._stream.write(_ERASED)
                self._stream.flush()
            self._is_shown = False

    def _count(self, ended: Event) -> None:
        while not ended.wait(_TICK_SECONDS):
            with self._lock:
                silent = time.monotonic() - self._last
                if self._stream is None or ended.is_set() or silent < _SILENT_SECONDS:
                    continue
                self._stream.write(f"{_ERASED}… working, {silent:.0f} s")
                self._stream.flush()
                self._is_shown = True


sign_of_life: Final = _SignOfLife()


class StepBoard:
    """Shows the steps of one job whenever they change."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._said: dict[str, str] = {}

    def show(self, steps: Sequence[Step]) -> None:
        """Show the current steps; in plain text only those whose status changed."""
        if self._live is not None:
            # From here on the table is drawn anew at every look at the job.
            sign_of_life.end()
            self._live.update(_step_table(steps), refresh=True)
            return
        for step in steps:
            if self._said.get(step.name) != step.status:
                self._said[step.name] = step.status
                say(f"  {step.sentence()}")


def say(text: str) -> None:
    """Print one line on standard error."""
    sign_of_life.clear()
    below = len(text) - len(text.lstrip()) + 2
    lines = wrapped(text, get_terminal_size().columns, below) if sys.stderr.isatty() else [text]
    print("\n".join(lines), file=sys.stderr, flush=True)


def wrapped(text: str, width: int, indent: int | None = None) -> list[str]:
    """Lines of at most `width` characters, broken between words; a word that is longer stays whole.

    Lines after the first begin below the text, or after `indent` spaces.
    """
    if len(text) <= width or len(text.split()) <= _NAME_AND_VALUE:
        return [text]
    own = len(text) - len(text.lstrip())
    after = " " * (own + (2 if own else 0) if indent is None else indent)
    # A command stays on one line, so that it can be copied; a number stays with its percent sign.
    joined = _WHOLE.sub(lambda found: found[0].replace(" ", _JOINT), text)
    lines = textwrap.wrap(
        joined, max(width, NARROWEST), subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_JOINT, " ") for line in lines]


@contextmanager
def step_board() -> Generator[StepBoard]:
    """A display for the steps of one job: a live table in a terminal, lines elsewhere, collapsible in a CI log."""
    if not sys.stderr.isatty():
        with group("steps"):
            yield StepBoard(None)
        return
    from rich.console import Console
    from rich.live import Live

    try:
        with Live(console=Console(stderr=True), auto_refresh=False) as live:
            yield StepBoard(live)
    finally:
        sign_of_life.begin(sys.stderr)


def _step_table(steps: Sequence[Step]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for name in ("step", "state", "seconds"):
        # A long name is cut, so that no line of the table is broken.
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for step in steps:
        seconds = "reused" if step.reused else ("" if step.seconds is None else f"{step.seconds:.1f}")
        table.add_row(step.name, f"[{_STATUS_STYLES.get(step.status, 'dim')}]{step.status}[/]", seconds)
    return table
