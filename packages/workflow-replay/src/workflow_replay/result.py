"""The result of a replayed run, as frozen data: a run has jobs, a job has steps.

It is the same for both systems, so that their runs can be compared. display.py prints progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_replay.errors import Limit

System = Literal["github", "azure"]
Conclusion = Literal["success", "failure", "cancelled", "skipped"]
Level = Literal["error", "warning", "notice", "debug"]


@dataclass(frozen=True)
class Annotation:
    """A message of a step about a source location; `file` and `line` are None if it named none."""

    level: Level
    message: str
    title: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class StepRun:
    """One step. `script` is the text that ran, with expressions evaluated; `uses` the action or task it simulated.

    `outcome` is what happened, `conclusion` what counts for the job; they differ with continue-on-error. `order`
    numbers the steps of the whole run from 0 as they started; it is -1 for a step that did not start. `exit_code` is
    negative for a signal, `seconds` is the duration. `limit` is what a replay cannot do: then the step failed here, and
    need not fail on the service.
    """

    name: str
    conclusion: Conclusion
    outcome: Conclusion
    order: int = -1
    script: str | None = None
    uses: str | None = None
    exit_code: int | None = None
    output: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    annotations: tuple[Annotation, ...] = ()
    seconds: float = 0.0
    reason: str = ""
    limit: Limit | None = None


@dataclass(frozen=True)
class JobRun:
    """One job. `id` is unique in the run: it includes the calling jobs and the matrix values; `name` is for display.

    `environment` is the protected environment of the job. `reason` explains why it was skipped or failed before its
    first step, or is a warning. `outcome` is what happened, `conclusion` what counts for the run; they differ with
    continue-on-error. `limit` is as in a step.
    """

    id: str
    name: str
    conclusion: Conclusion
    outcome: Conclusion
    steps: tuple[StepRun, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    limit: Limit | None = None


@dataclass(frozen=True)
class Run:
    """One run of one file. If the event does not start it, `triggered` is False, and `reason` says why."""

    system: System
    name: str
    file: str
    conclusion: Conclusion
    jobs: tuple[JobRun, ...] = ()
    triggered: bool = True
    reason: str = ""
    seconds: float = 0.0

    def job(self, id: str) -> JobRun:  # noqa: A002 - the services' term
        """A job by its id or name. Raises KeyError."""
        for job in self.jobs:
            if id in (job.id, job.name):
                return job
        raise KeyError(f"no job {id!r}; the jobs are {[job.id for job in self.jobs]}")

    def step(self, name: str) -> StepRun:
        """The first step of this name in any job. Raises KeyError."""
        for step in self.steps():
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; the steps are {[step.name for step in self.steps()]}")

    def steps(self) -> tuple[StepRun, ...]:
        """The steps of all jobs: those that started, in that order, then the others."""
        every = [step for job in self.jobs for step in job.steps]
        return tuple(sorted(every, key=lambda step: (step.order < 0, step.order)))

    def annotations(self) -> tuple[Annotation, ...]:
        """The annotations of all steps, in the order of `steps`."""
        return tuple(annotation for step in self.steps() for annotation in step.annotations)


def commands(run: Run) -> tuple[str, ...]:
    """The lines of all scripts that ran, in the order in which their steps started.

    Blank lines and comments are left out; lines that a backslash continues are joined.
    """
    return tuple(line for step in run.steps() if step.order >= 0 and step.script for line in _lines(step.script))


def simulated(run: Run) -> tuple[str, ...]:
    """The third-party actions and tasks that ran as their declared effect, in order and without duplicates."""
    return tuple(dict.fromkeys(step.uses for step in run.steps() if step.uses and step.order >= 0))


def limits(run: Run) -> tuple[Limit, ...]:
    """What the replay could not do, in order and without duplicates; the rest of the run says what it did."""
    found = [part.limit for job in run.jobs for part in (job, *job.steps)]
    return tuple(dict.fromkeys(limit for limit in found if limit is not None))


def worst(conclusions: Iterable[Conclusion]) -> Conclusion:
    """Several conclusions as one: failure, else cancelled, else success; skipped only if all are skipped."""
    found = set(conclusions)
    for conclusion in ("failure", "cancelled", "success"):
        if conclusion in found:
            return conclusion
    return "skipped" if found else "success"


def document(run: Run) -> dict[str, Any]:
    """The run as a JSON object."""
    return {
        "system": run.system,
        "name": run.name,
        "file": run.file,
        "triggered": run.triggered,
        "conclusion": run.conclusion,
        "reason": run.reason,
        "seconds": round(run.seconds, 3),
        "jobs": [_job_document(job) for job in run.jobs],
        "commands": list(commands(run)),
        "simulated": list(simulated(run)),
        "limits": [vars(limit) for limit in limits(run)],
    }


def _job_document(job: JobRun) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "conclusion": job.conclusion,
        "outcome": job.outcome,
        "reason": job.reason,
        "environment": job.environment,
        "outputs": dict(job.outputs),
        "seconds": round(job.seconds, 3),
        "steps": [_step_document(step) for step in job.steps],
    }


def _step_document(step: StepRun) -> dict[str, Any]:
    return {
        "name": step.name,
        "conclusion": step.conclusion,
        "outcome": step.outcome,
        "script": step.script,
        "uses": step.uses,
        "exit_code": step.exit_code,
        "reason": step.reason,
        "outputs": dict(step.outputs),
        "summary": step.summary,
        "annotations": [vars(annotation) for annotation in step.annotations],
        "output": list(step.output),
        "seconds": round(step.seconds, 3),
    }


def _lines(script: str) -> list[str]:
    joined = script.replace("\\\n", " ")
    found = (" ".join(line.split()) for line in joined.splitlines())
    return [line for line in found if line and not line.startswith("#")]
