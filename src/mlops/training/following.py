"""Following a job to its end: which step is in which state, and for how long.

Asks the workspace as often as waiting.py says. What a failure means is left to failure.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job

from mlops.progress import Step, StepBoard
from mlops.training.submission import SubmittedJob
from mlops.waiting import looks

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELED: Final = "Canceled"
TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELED, "NotResponding", "Paused"})
_NOT_BEGUN: Final = frozenset({"NotStarted", "Queued", "Starting", "Preparing", "Provisioning"})
_WAITING: Final = "NotStarted"
_REUSED_PROPERTY: Final = "azureml.isreused"
# While a step is running the job cannot have ended, except when the service lost track of the step.
_LOOK_AT_JOB_EVERY_SECONDS: Final = 5.0


@dataclass(frozen=True)
class StepRun:
    """A step, and the child job that is its run."""

    step: Step
    job: str


@dataclass(frozen=True)
class FinishedJob:
    """A job in a terminal state; `studio_url` is where people look at it."""

    name: str
    status: str
    runs: tuple[StepRun, ...]
    studio_url: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order."""
        return tuple(run.step for run in self.runs)


class StepClock:
    """How long each step has been running, as seen from here; the SDK does not tell when a step began.

    Exact to the pause between two looks.
    """

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._last_look = 0.0

    def seconds(self, name: str, status: str, now: float) -> float | None:
        """The step's time up to `now`, or up to its end; None before it has begun."""
        if status in _NOT_BEGUN:
            return None
        # A step may have begun and ended between two looks.
        begun = self._begun.setdefault(name, self._last_look if status in TERMINAL else now)
        if status in TERMINAL:
            return self._ended.setdefault(name, now) - begun
        return now - begun

    def looked(self, now: float) -> None:
        """Remember when the last look was."""
        self._last_look = now


def follow(client: MLClient, job: SubmittedJob, board: StepBoard) -> FinishedJob:
    """Show the job's steps until it has ended."""
    clock = StepClock()
    next_look_at_job = 0.0
    for elapsed in looks():
        runs = _step_runs(client, job, clock, elapsed)
        board.show(_all_steps(job, runs))
        if _may_have_ended(runs) or elapsed >= next_look_at_job:
            next_look_at_job = elapsed + _LOOK_AT_JOB_EVERY_SECONDS
            now = client.jobs.get(job.name)
            if now.status in TERMINAL:
                # Once more: the last step may have ended between the two looks.
                runs = _step_runs(client, job, clock, elapsed)
                board.show(_all_steps(job, runs))
                return FinishedJob(job.name, now.status, tuple(runs), now.studio_url)
    raise AssertionError("looks() never ends")


def _step_runs(client: MLClient, job: SubmittedJob, clock: StepClock, now: float) -> list[StepRun]:
    """The runs of the job's steps so far, in the order of the pipeline file."""
    children = [child for child in client.jobs.list(parent_job_name=job.name) if child is not None]
    runs = [StepRun(_step(child, clock, now), str(child.name)) for child in children]
    clock.looked(now)
    order = {name: index for index, name in enumerate(job.steps)}
    return sorted(runs, key=lambda run: order.get(run.step.name, len(order)))


def _step(child: Job, clock: StepClock, now: float) -> Step:
    status = child.status or _WAITING
    reused = str((child.properties or {}).get(_REUSED_PROPERTY, "")).lower() == "true"
    return Step(
        name=child.display_name or str(child.name),
        status=status,
        seconds=None if reused else clock.seconds(str(child.name), status, now),
        reused=reused,
    )


def _all_steps(job: SubmittedJob, runs: Sequence[StepRun]) -> list[Step]:
    """The steps in order, those that have no run yet included."""
    begun = {run.step.name for run in runs}
    waiting = [Step(name, _WAITING) for name in job.steps if name not in begun]
    return [*(run.step for run in runs), *waiting]


def _may_have_ended(runs: Sequence[StepRun]) -> bool:
    return all(run.step.status in TERMINAL for run in runs)
