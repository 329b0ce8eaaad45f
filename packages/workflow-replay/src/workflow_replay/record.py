"""What a replayed run came to, as frozen facts: a run of jobs, a job of steps. How it looks is left to whoever prints.

The same for every system, so that two systems' runs can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

System = Literal["github", "azure"]
Conclusion = Literal["success", "failure", "cancelled", "skipped"]
Level = Literal["error", "warning", "notice", "debug"]

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Annotation:
    """A remark that a step made on a place: `file` and `line` are None when it named none."""

    level: Level
    message: str
    title: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class StepRun:
    """One step. `script` is the text that ran, after all expressions; `uses` the step of others that was played.

    `outcome` is what happened, `conclusion` what counts for the job (they differ with continue-on-error).
    `order` counts the steps of the whole run as they began, from 0; it is -1 for a step that never began.
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


@dataclass(frozen=True)
class JobRun:
    """One job: `id` is unique in the run (callers' ids in front, matrix values behind), `name` is for people.

    `environment` is the protected environment it ran through. `reason` says why it was skipped or never ran, or what
    is odd about it. `outcome` is what happened, `conclusion` what counts for the run: they differ with
    continue-on-error.
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


@dataclass(frozen=True)
class Run:
    """One run of one file. `triggered` is False when the event does not start it: then nothing ran, and why."""

    system: System
    name: str
    file: str
    conclusion: Conclusion
    jobs: tuple[JobRun, ...] = ()
    triggered: bool = True
    reason: str = ""
    seconds: float = 0.0

    def job(self, id: str) -> JobRun:  # noqa: A002 - the services' word
        """A job by its id or its name. Raises KeyError."""
        for job in self.jobs:
            if id in (job.id, job.name):
                return job
        raise KeyError(f"no job {id!r}; there are {[job.id for job in self.jobs]}")

    def step(self, name: str) -> StepRun:
        """The first step with a name, in whatever job. Raises KeyError."""
        for step in self.steps():
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; there are {[step.name for step in self.steps()]}")

    def steps(self) -> tuple[StepRun, ...]:
        """All steps of all jobs, those that began in the order of their beginning, then the others."""
        every = [step for job in self.jobs for step in job.steps]
        return tuple(sorted(every, key=lambda step: (step.order < 0, step.order)))

    def annotations(self) -> tuple[Annotation, ...]:
        """All remarks, in the order of the steps."""
        return tuple(annotation for step in self.steps() for annotation in step.annotations)


def commands(run: Run) -> tuple[str, ...]:
    """The script lines that ran, in the order in which their steps began; without blank lines and comments.

    A step that was skipped has none. Lines continued by a backslash are one.
    """
    return tuple(line for step in run.steps() if step.order >= 0 and step.script for line in _lines(step.script))


def played(run: Run) -> tuple[str, ...]:
    """The steps of others that were played by their declared effect, in order, each once."""
    return tuple(dict.fromkeys(step.uses for step in run.steps() if step.uses and step.order >= 0))


def worst(conclusions: Iterable[Conclusion]) -> Conclusion:
    """What several come to together: failure before cancelled before success; skipped only when all are."""
    found = set(conclusions)
    for conclusion in ("failure", "cancelled", "success"):
        if conclusion in found:
            return conclusion
    return "skipped" if found else "success"


def document(run: Run) -> dict[str, Any]:
    """The run as one JSON object."""
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
        "played": list(played(run)),
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
