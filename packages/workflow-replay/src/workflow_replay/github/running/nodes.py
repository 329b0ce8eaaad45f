"""What the jobs of a workflow came to, as other jobs see it: results, outputs, and the status functions over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workflow_replay.github.expressions.functions import Function
from workflow_replay.github.expressions.values import Value
from workflow_replay.github.workflow import Job, Workflow
from workflow_replay.record import Conclusion, JobRun, worst


@dataclass(frozen=True)
class NodeResult:
    """A job with all combinations of its matrix: `result` is what `needs` shows, failures that are tolerated apart."""

    result: Conclusion
    outputs: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[JobRun, ...] = ()


def needs_context(job: Job, results: Mapping[str, NodeResult]) -> dict[str, Value]:
    """What `needs` is for a job."""
    return {name: {"result": results[name].result, "outputs": dict(results[name].outputs)} for name in job.needs}


def status_functions(ancestors: Iterable[NodeResult], *, cancelled: bool) -> dict[str, Function]:
    """The status functions for the `if` of a job: all that came before it counts, not only what it needs itself."""
    results = {node.result for node in ancestors}
    return {
        "success": lambda _: not cancelled and results <= {"success"},
        "failure": lambda _: not cancelled and "failure" in results,
        "cancelled": lambda _: cancelled,
        "always": lambda _: True,
    }


def ancestors(workflow: Workflow, job: Job) -> set[str]:
    """All jobs that a job needs, directly or by way of others."""
    found: set[str] = set()
    waiting = list(job.needs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += workflow.jobs[name].needs
    return found


def together(runs: Iterable[NodeResult]) -> NodeResult:
    """The combinations of a matrix as one; of outputs that several set, the last that is not empty counts."""
    every = tuple(runs)
    outputs: dict[str, str] = {}
    for run in every:
        for name, value in run.outputs.items():
            if value or name not in outputs:
                outputs[name] = value
    return NodeResult(worst(run.result for run in every), outputs, tuple(job for run in every for job in run.jobs))
