"""Progress of a command: lines on standard error, and a live table of steps in a terminal.

Results go through rendering.py; this module never writes to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.githost.hosts import group

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

RUNNING = "Running"
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


class StepBoard:
    """Shows the steps of one job whenever they change."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._said: dict[str, str] = {}

    def show(self, steps: Sequence[Step]) -> None:
        """Show the current steps; in plain text only those whose status changed."""
        if self._live is not None:
            self._live.update(_step_table(steps), refresh=True)
            return
        for step in steps:
            if self._said.get(step.name) != step.status:
                self._said[step.name] = step.status
                say(f"  {step.sentence()}")


def say(text: str) -> None:
    """Print one line on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step_board() -> Generator[StepBoard]:
    """A display for the steps of one job: a live table in a terminal, lines elsewhere, collapsible in a CI log."""
    if not sys.stderr.isatty():
        with group("steps"):
            yield StepBoard(None)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield StepBoard(live)


def _step_table(steps: Sequence[Step]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("step", "state", "seconds", box=box.SIMPLE)
    for step in steps:
        seconds = "reused" if step.reused else ("" if step.seconds is None else f"{step.seconds:.1f}")
        table.add_row(step.name, f"[{_STATUS_STYLES.get(step.status, 'dim')}]{step.status}[/]", seconds)
    return table
