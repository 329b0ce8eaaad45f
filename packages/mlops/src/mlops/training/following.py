"""Following a job to its end: which step is in which state, and for how long.

Asks the workspace as often as waiting.py says. What a failure means is left to failure.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job

from mlops.cli.progress import Step, StepBoard
from mlops.core.waiting import poll

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELED: Final = "Canceled"
TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELED, "NotResponding", "Paused"})
_NOT_BEGUN: Final = frozenset({"NotStarted", "Queued", "Starting", "Preparing", "Provisioning"})
_WAITING: Final = "NotStarted"
_REUSED_PROPERTY: Final = "azureml.isreused"
# While a step is running the job cannot have ended, except when the service lost track of the step.
_LOOK_AT_JOB_EVERY_SECONDS: Final = 5.0


class Followed(Protocol):
    """A job that was submitted; `steps` in the order in which they are to be shown."""

    @property
    def name(self) -> str:
        """The job's name."""
        ...

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps."""
        ...


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

    def has_failed(self, step: str) -> bool:
        """Whether the step of this name failed."""
        return any(run.step.name == step and run.step.status == FAILED for run in self.runs)


def step_seconds(status: str, begun: datetime | None, changed: datetime | None, now: datetime) -> float | None:
    """How long a step has been running by `now`, or ran until it ended; None before it began, or if nobody says.

    A cancelled step has no time: nobody says whether it ever began.
    `begun` and `changed` (aware) are when the service made the run and when it last changed it.
    """
    if status in _NOT_BEGUN or status == CANCELED or begun is None:
        return None
    end = changed if status in TERMINAL else now
    # The clocks of the service and of this machine need not agree.
    return None if end is None else max(0.0, (end - begun).total_seconds())


def follow(client: MLClient, job: Followed, board: StepBoard) -> FinishedJob:
    """Show the job's steps until it has ended."""
    next_look_at_job = 0.0
    for elapsed in poll():
        runs = _step_runs(client, job)
        board.show(_all_steps(job, runs))
        if _may_have_ended(runs) or elapsed >= next_look_at_job:
            next_look_at_job = elapsed + _LOOK_AT_JOB_EVERY_SECONDS
            now = client.jobs.get(job.name)
            if now.status in TERMINAL:
                # Once more: the last step may have ended between the two looks.
                runs = _step_runs(client, job)
                board.show(_all_steps(job, runs))
                # Jobs of some kinds give an enum, whose text in a sentence is not its value.
                status = str(getattr(now.status, "value", now.status))
                return FinishedJob(job.name, status, tuple(runs), now.studio_url)
    raise AssertionError("looks() never ends")


def _step_runs(client: MLClient, job: Followed) -> list[StepRun]:
    """The runs of the job's steps so far, in the order of the pipeline file."""
    children = [child for child in client.jobs.list(parent_job_name=job.name) if child is not None]
    now = datetime.now(UTC)
    runs = [StepRun(_step(child, now), str(child.name)) for child in children]
    order = {name: index for index, name in enumerate(job.steps)}
    return sorted(runs, key=lambda run: order.get(run.step.name, len(order)))


def _step(child: Job, now: datetime) -> Step:
    status = child.status or _WAITING
    times = child.creation_context
    begun, changed = (times.created_at, times.last_modified_at) if times else (None, None)
    reused = str((child.properties or {}).get(_REUSED_PROPERTY, "")).lower() == "true"
    return Step(
        name=child.display_name or str(child.name),
        status=status,
        seconds=None if reused else step_seconds(status, begun, changed, now),
        reused=reused,
    )


def _all_steps(job: Followed, runs: Sequence[StepRun]) -> list[Step]:
    """The steps in order, those that have no run yet included."""
    begun = {run.step.name for run in runs}
    waiting = [Step(name, _WAITING) for name in job.steps if name not in begun]
    return [*(run.step for run in runs), *waiting]


def _may_have_ended(runs: Sequence[StepRun]) -> bool:
    return all(run.step.status in TERMINAL for run in runs)
