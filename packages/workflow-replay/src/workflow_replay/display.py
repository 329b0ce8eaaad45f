"""Progress of a running replay for people: a live tree of jobs and steps in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, TextIO

from workflow_replay.progress import Listener
from workflow_replay.result import JobRun, StepRun

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_SIGNS: Final = {
    "success": "[green]✓[/]",
    "failure": "[bold red]✗[/]",
    "cancelled": "[yellow]■[/]",
    "skipped": "[dim]○[/]",
    "running": "[cyan]●[/]",
    "waiting": "[yellow]…[/]",
}
_FRAMES_PER_SECOND: Final = 8
# The number of lines shown of a step that failed.
_TAIL_LINES: Final = 20
_MAX_LINE_LENGTH: Final = 100


@contextmanager
def display(out: TextIO, *, every_line: bool = False) -> Generator[Listener]:
    """A listener that shows a replay on `out` while the block runs; `every_line` adds the output of all steps."""
    if not out.isatty():
        yield PlainLines(out, every_line=every_line)
        return
    from rich.console import Console
    from rich.live import Live

    tree = LiveTree()
    console = Console(file=out, highlight=False)
    with Live(console=console, get_renderable=tree.render, refresh_per_second=_FRAMES_PER_SECOND):
        yield tree
    for line in tree.logs(every_line=every_line):
        console.print(line, markup=False, soft_wrap=True)


class PlainLines(Listener):
    """One line per event, and the last lines of output of steps that failed."""

    def __init__(self, out: TextIO, *, every_line: bool = False) -> None:
        self._out = out
        self._every_line = every_line
        self._lock = Lock()

    def job_waiting(self, job: str, reason: str) -> None:
        """Print what it waits for."""
        self._print(f"{job}: waiting for {reason}")

    def job_started(self, job: str) -> None:
        """Print that it started."""
        self._print(f"{job}: started")

    def line(self, job: str, step: str, text: str) -> None:  # noqa: ARG002 - the listener's signature
        """Print the line if all are wanted."""
        if self._every_line:
            self._print(f"{job}: | {text}")

    def step_finished(self, job: str, step: StepRun) -> None:
        """Print how the step ended."""
        self._print(f"{job}: {_step_summary(step)}", *([] if self._every_line else _tail(step)))

    def job_finished(self, job: JobRun) -> None:
        """Print how the job ended."""
        self._print(f"{job.id}: {_job_summary(job)}")

    def _print(self, *lines: str) -> None:
        with self._lock:
            print(*lines, sep="\n", file=self._out, flush=True)


@dataclass
class _Step:
    name: str
    status: str = "running"
    since: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    last: str = ""


@dataclass
class _Job:
    name: str
    status: str = "waiting"
    reason: str = ""
    steps: dict[str, _Step] = field(default_factory=dict)


class LiveTree(Listener):
    """Keeps the current state of all jobs and steps, and renders it as a tree on request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._name = ""
        self._jobs: dict[str, _Job] = {}
        self._finished: list[tuple[str, StepRun]] = []

    def run_planned(self, name: str, jobs: tuple[str, ...]) -> None:
        """Add all jobs."""
        with self._lock:
            self._name = name
            self._jobs.update({job: _Job(job) for job in jobs})

    def job_waiting(self, job: str, reason: str) -> None:
        """Note what it waits for."""
        with self._lock:
            self._job(job).reason = f"waiting for {reason}"

    def job_started(self, job: str) -> None:
        """Note that it runs."""
        with self._lock:
            self._job(job).status = "running"
            self._job(job).reason = ""

    def step_started(self, job: str, step: str) -> None:
        """Add the step."""
        with self._lock:
            self._job(job).steps[step] = _Step(step)

    def line(self, job: str, step: str, text: str) -> None:
        """Note the latest line of a running step."""
        with self._lock:
            known = self._job(job).steps.get(step)
            if known is not None:
                known.last = text[:_MAX_LINE_LENGTH]

    def step_finished(self, job: str, step: StepRun) -> None:
        """Note how the step ended."""
        with self._lock:
            known = self._job(job).steps.setdefault(step.name, _Step(step.name))
            known.status, known.seconds, known.last = step.conclusion, step.seconds, ""
            self._finished.append((job, step))

    def job_finished(self, job: JobRun) -> None:
        """Note how the job ended."""
        with self._lock:
            known = self._job(job.id)
            known.name, known.status, known.reason = job.name, job.conclusion, job.reason

    def render(self) -> Tree:
        """The current state."""
        from rich.markup import escape
        from rich.tree import Tree

        with self._lock:
            tree = Tree(f"[bold]{escape(self._name)}[/]")
            for job in self._jobs.values():
                reason = f" [dim]{escape(job.reason)}[/]" if job.reason else ""
                branch = tree.add(_one_line(f"{_SIGNS[job.status]} {escape(job.name)}{reason}"))
                for step in job.steps.values():
                    branch.add(_step_label(step))
            return tree

    def logs(self, *, every_line: bool) -> list[str]:
        """What to print once the run is over: all output, or the last lines of steps that failed."""
        found: list[str] = []
        for job, step in self._finished:
            lines = [f"  {line}" for line in step.output] if every_line else _tail(step)
            found += [f"{job}: {_step_summary(step)}", *lines] if lines else []
        return found

    def _job(self, job: str) -> _Job:
        if job not in self._jobs:
            # The jobs of a matrix or a reusable workflow replace the planned one.
            planned = [name for name in self._jobs if job.startswith((f"{name} (", f"{name} / "))]
            for name in planned:
                if not self._jobs[name].steps:
                    del self._jobs[name]
        return self._jobs.setdefault(job, _Job(job))


def _one_line(markup: str) -> Text:
    from rich.text import Text

    line = Text.from_markup(markup, overflow="ellipsis")
    line.no_wrap = True
    return line


def _step_label(step: _Step) -> Text:
    from rich.markup import escape

    seconds = time.monotonic() - step.since if step.status == "running" else step.seconds
    last = f"  [dim]{escape(step.last)}[/]" if step.last else ""
    duration = "" if step.status == "skipped" else f" [dim]{seconds:.1f} s[/]"
    return _one_line(f"{_SIGNS[step.status]} {escape(step.name)}{duration}{last}")


def _step_summary(step: StepRun) -> str:
    if step.conclusion == "skipped":
        return f"{step.name}: skipped ({step.reason})"
    ignored = ", ignored" if step.outcome != step.conclusion else ""
    simulated = " (simulated)" if step.uses else ""
    return f"{step.name}: {step.outcome}{ignored}{simulated} ({step.seconds:.1f} s)"


def _job_summary(job: JobRun) -> str:
    reason = f" ({job.reason})" if job.reason else ""
    ignored = ", ignored" if job.outcome != job.conclusion else ""
    return f"{job.outcome}{ignored}{reason}"


def _tail(step: StepRun) -> list[str]:
    if step.outcome in ("success", "skipped"):
        return []
    return [f"  {line}" for line in step.output[-_TAIL_LINES:]]
