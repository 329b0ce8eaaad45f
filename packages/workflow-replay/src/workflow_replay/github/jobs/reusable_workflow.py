"""Reusable workflows: passes inputs, secrets and permissions to a called workflow, and its outputs back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.errors import EventError, Limit, Unreplayable, WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.model import WORKFLOW_CALL, Trigger
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.jobs.concurrency_group import hold_group, requested_group
from workflow_replay.github.jobs.graph import JobInstance, RunJob, WorkflowCall, run_graph
from workflow_replay.github.jobs.job_results import JobResult
from workflow_replay.github.session import Session
from workflow_replay.github.triggers import call_inputs
from workflow_replay.result import worst

_INHERIT: Final = "inherit"
_MAX_DEPTH: Final = 10


def run_called(session: Session, instance: JobInstance, run_job: RunJob) -> JobResult:
    """Run the workflow that a job calls.

    Raises WorkflowError for an invalid call, Unreplayable for a workflow of another repository.
    """
    job, call, contexts = instance.ready.job, instance.ready.call, instance.contexts
    workflow = session.called.get(job.uses or "")
    if workflow is None:
        place = f"{call.workflow.file}:{job.line}"
        raise Unreplayable(
            Limit(place, f"{job.uses} is a workflow of another repository, which a replay does not have")
        )
    if call.depth >= _MAX_DEPTH:
        raise WorkflowError(call.workflow.file, job.line, f"reusable workflows are nested more than {_MAX_DEPTH} deep")
    trigger = workflow.triggers[WORKFLOW_CALL]
    shared = {name: contexts[name] for name in ("github", "vars")}
    inputs = _inputs(instance, trigger, Scope(shared))
    scope = Scope({**shared, "inputs": inputs})
    group = requested_group(call.value(workflow.concurrency, availability.WORKFLOW, scope))
    inner = WorkflowCall(
        workflow=workflow,
        contexts={**shared, "inputs": inputs, "secrets": _secrets(instance, trigger)},
        ceiling=instance.scopes,
        prefix=f"{instance.id} / ",
        depth=call.depth + 1,
        fork=call.fork,
        groups=call.groups | ({group.name.lower()} if group else set()),
    )
    with hold_group(session, group, call.groups, instance.id, instance.cancellation):
        results = run_graph(session, inner, run_job, instance.cancellation)
    return JobResult(
        worst(result.result for result in results.values()),
        _outputs(trigger, inner, results),
        tuple(job for result in results.values() for job in result.jobs),
    )


def _inputs(instance: JobInstance, trigger: Trigger, scope: Scope) -> dict[str, Value]:
    job = instance.ready.job
    given = instance.value(job.inputs, availability.JOB)
    try:
        return call_inputs(trigger, given if isinstance(given, Mapping) else {}, scope)
    except EventError as error:
        raise WorkflowError(instance.ready.call.workflow.file, job.line, error.message) from error


def _secrets(instance: JobInstance, trigger: Trigger) -> dict[str, Value]:
    job, file = instance.ready.job, instance.ready.call.workflow.file
    raw = job.secrets
    if raw is not None and raw.value == _INHERIT:
        known = instance.contexts["secrets"]
        return dict(known) if isinstance(known, Mapping) else {}
    value = instance.value(raw, availability.CALL_SECRET)
    given = {name: to_text(inner) for name, inner in value.items()} if isinstance(value, Mapping) else {}
    for name in given:
        if name not in trigger.secrets:
            raise WorkflowError(file, job.line, f"{job.uses} has no secret {name!r}")
    for name, required in trigger.secrets.items():
        if required and name not in given:
            raise WorkflowError(file, job.line, f"{job.uses} requires the secret {name!r}")
    return dict(given)


def _outputs(trigger: Trigger, call: WorkflowCall, results: Mapping[str, JobResult]) -> dict[str, str]:
    jobs: dict[str, Value] = {
        name: {"result": result.result, "outputs": dict(result.outputs)} for name, result in results.items()
    }
    scope = Scope({**call.contexts, "jobs": jobs})
    return {name: to_text(call.value(raw, availability.CALL_OUTPUT, scope)) for name, raw in trigger.outputs.items()}
