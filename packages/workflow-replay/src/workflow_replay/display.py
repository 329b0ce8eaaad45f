"""What people see of a running replay: a live tree of jobs and steps in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, TextIO

from workflow_replay.progress import Listener, Silence
from workflow_replay.record import JobRun, StepRun

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
_FRAMES_A_SECOND: Final = 8
# Of a step that failed, so many of its last lines.
_LAST_LINES: Final = 20
_LONGEST_LINE: Final = 100


@contextmanager
def shown(out: TextIO, *, every_line: bool = False) -> Generator[Listener]:
    """A listener that shows a replay on `out` while the block lasts; `every_line` also shows what steps print."""
    if not out.isatty():
        yield PlainLines(out, every_line=every_line)
        return
    from rich.console import Console
    from rich.live import Live

    tree = LiveTree()
    console = Console(file=out, highlight=False)
    with Live(console=console, get_renderable=tree.render, refresh_per_second=_FRAMES_A_SECOND):
        yield tree
    for line in tree.afterwards(every_line=every_line):
        console.print(line, markup=False, soft_wrap=True)


class PlainLines(Silence):
    """One line for each thing that happened, and the end of the output of steps that failed."""

    def __init__(self, out: TextIO, *, every_line: bool = False) -> None:
        self._out = out
        self._every_line = every_line
        self._lock = Lock()

    def job_waits(self, job: str, reason: str) -> None:
        """Say what it waits for."""
        self._say(f"{job}: waits for {reason}")

    def job_began(self, job: str) -> None:
        """Say that it began."""
        self._say(f"{job}: begins")

    def line(self, job: str, step: str, text: str) -> None:  # noqa: ARG002 - the listener's shape
        """Say the line, if all are wanted."""
        if self._every_line:
            self._say(f"{job}: | {text}")

    def step_ended(self, job: str, step: StepRun) -> None:
        """Say how a step ended."""
        self._say(f"{job}: {_sentence(step)}", *_evidence(step, already=self._every_line))

    def job_ended(self, job: JobRun) -> None:
        """Say how a job ended."""
        self._say(f"{job.id}: {_job_sentence(job)}")

    def _say(self, *lines: str) -> None:
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


class LiveTree(Silence):
    """Keeps how things stand, and makes a tree of it whenever one is asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._name = ""
        self._jobs: dict[str, _Job] = {}
        self._ended: list[tuple[str, StepRun]] = []

    def run_planned(self, name: str, jobs: tuple[str, ...]) -> None:
        """Show all jobs from the beginning."""
        with self._lock:
            self._name = name
            self._jobs.update({job: _Job(job) for job in jobs})

    def job_waits(self, job: str, reason: str) -> None:
        """Show what it waits for."""
        with self._lock:
            self._job(job).reason = f"waits for {reason}"

    def job_began(self, job: str) -> None:
        """Show that it runs."""
        with self._lock:
            self._job(job).status = "running"
            self._job(job).reason = ""

    def step_began(self, job: str, step: str) -> None:
        """Show the step."""
        with self._lock:
            self._job(job).steps[step] = _Step(step)

    def line(self, job: str, step: str, text: str) -> None:
        """Show the newest line of a running step."""
        with self._lock:
            known = self._job(job).steps.get(step)
            if known is not None:
                known.last = text[:_LONGEST_LINE]

    def step_ended(self, job: str, step: StepRun) -> None:
        """Show how it ended."""
        with self._lock:
            known = self._job(job).steps.setdefault(step.name, _Step(step.name))
            known.status, known.seconds, known.last = step.conclusion, step.seconds, ""
            self._ended.append((job, step))

    def job_ended(self, job: JobRun) -> None:
        """Show how it ended."""
        with self._lock:
            known = self._job(job.id)
            known.name, known.status, known.reason = job.name, job.conclusion, job.reason

    def render(self) -> Tree:
        """How things stand now."""
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

    def afterwards(self, *, every_line: bool) -> list[str]:
        """What is worth reading once the tree stands still: the end of the output of steps that failed."""
        found: list[str] = []
        for job, step in self._ended:
            lines = [f"  {line}" for line in step.output] if every_line else _evidence(step)
            found += [f"{job}: {_sentence(step)}", *lines] if lines else []
        return found

    def _job(self, job: str) -> _Job:
        if job not in self._jobs:
            # A matrix or a call is shown by what becomes of it.
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
    shown_time = "" if step.status == "skipped" else f" [dim]{seconds:.1f} s[/]"
    return _one_line(f"{_SIGNS[step.status]} {escape(step.name)}{shown_time}{last}")


def _sentence(step: StepRun) -> str:
    if step.conclusion == "skipped":
        return f"{step.name}: skipped ({step.reason})"
    tolerated = ", which is tolerated" if step.outcome != step.conclusion else ""
    played = " (played)" if step.uses else ""
    return f"{step.name}: {step.outcome}{tolerated}{played} ({step.seconds:.1f} s)"


def _job_sentence(job: JobRun) -> str:
    reason = f" ({job.reason})" if job.reason else ""
    tolerated = ", which is tolerated" if job.outcome != job.conclusion else ""
    return f"{job.outcome}{tolerated}{reason}"


def _evidence(step: StepRun, *, already: bool = False) -> list[str]:
    if step.outcome in ("success", "skipped") or already:
        return []
    return [f"  {line}" for line in step.output[-_LAST_LINES:]]
