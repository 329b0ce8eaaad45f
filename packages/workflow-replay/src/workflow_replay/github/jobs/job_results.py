"""Results of jobs as other jobs see them: the context `needs` and the status functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workflow_replay.github.definition.model import Job, Workflow
from workflow_replay.github.expressions.functions import Function
from workflow_replay.github.expressions.values import Value
from workflow_replay.result import Conclusion, JobRun, worst


@dataclass(frozen=True)
class JobResult:
    """The result of a job with all jobs of its matrix; `result` is what `needs` shows (continue-on-error applied)."""

    result: Conclusion
    outputs: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[JobRun, ...] = ()


def needs_context(job: Job, results: Mapping[str, JobResult]) -> dict[str, Value]:
    """The context `needs` of a job."""
    return {name: {"result": results[name].result, "outputs": dict(results[name].outputs)} for name in job.needs}


def status_functions(ancestors: Iterable[JobResult], *, cancelled: bool) -> dict[str, Function]:
    """The status functions in the `if` of a job; they consider all ancestors, not only direct needs."""
    results = {ancestor.result for ancestor in ancestors}
    return {
        "success": lambda _: not cancelled and results <= {"success"},
        "failure": lambda _: not cancelled and "failure" in results,
        "cancelled": lambda _: cancelled,
        "always": lambda _: True,
    }


def ancestors(workflow: Workflow, job: Job) -> set[str]:
    """All jobs that a job needs, directly or indirectly."""
    found: set[str] = set()
    waiting = list(job.needs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += workflow.jobs[name].needs
    return found


def combine(runs: Iterable[JobResult]) -> JobResult:
    """Combine the jobs of a matrix. If several set an output, the last value that is not empty counts."""
    every = tuple(runs)
    outputs: dict[str, str] = {}
    for run in every:
        for name, value in run.outputs.items():
            if value or name not in outputs:
                outputs[name] = value
    return JobResult(worst(run.result for run in every), outputs, tuple(job for run in every for job in run.jobs))
