"""Workflows called by a job: inputs, secrets and permissions handed down, outputs handed up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.errors import EventError, WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.running.graph import Call, Instance, RunNode, run_graph
from workflow_replay.github.running.nodes import NodeResult
from workflow_replay.github.running.queueing import concurrency, queue
from workflow_replay.github.running.session import Session
from workflow_replay.github.triggers import call_inputs
from workflow_replay.github.workflow import Trigger
from workflow_replay.record import worst

CALL: Final = "workflow_call"
_INHERIT: Final = "inherit"
_DEEPEST: Final = 10


def run_called(session: Session, instance: Instance, run_node: RunNode) -> NodeResult:
    """Run the workflow that a job calls. Raises WorkflowError when the call does not fit it."""
    job, call, contexts = instance.node.job, instance.node.call, instance.contexts
    workflow = session.called[job.uses or ""]
    if call.depth >= _DEEPEST:
        raise WorkflowError(call.workflow.file, job.line, f"workflows call each other deeper than {_DEEPEST}")
    trigger = workflow.triggers[CALL]
    shared = {name: contexts[name] for name in ("github", "vars")}
    inputs = _inputs(instance, trigger, Scope(shared))
    wanted = concurrency(call.value(workflow.concurrency, places.WORKFLOW, Scope({**shared, "inputs": inputs})))
    inner = Call(
        workflow=workflow,
        contexts={**shared, "inputs": inputs, "secrets": _secrets(instance, trigger)},
        ceiling=instance.scopes,
        prefix=f"{instance.id} / ",
        depth=call.depth + 1,
        fork=call.fork,
        groups=call.groups | ({wanted.name.lower()} if wanted else set()),
    )
    with queue(session, wanted, call.groups, instance.id, instance.cancellation):
        results = run_graph(session, inner, run_node, instance.cancellation)
    return NodeResult(
        worst(result.result for result in results.values()),
        _outputs(trigger, inner, results),
        tuple(job for result in results.values() for job in result.jobs),
    )


def _inputs(instance: Instance, trigger: Trigger, scope: Scope) -> dict[str, Value]:
    job = instance.node.job
    given = instance.value(job.inputs, places.JOB)
    try:
        return call_inputs(trigger, given if isinstance(given, Mapping) else {}, scope)
    except EventError as error:
        raise WorkflowError(instance.node.call.workflow.file, job.line, error.message) from error


def _secrets(instance: Instance, trigger: Trigger) -> dict[str, Value]:
    job, file = instance.node.job, instance.node.call.workflow.file
    raw = job.secrets
    if raw is not None and raw.value == _INHERIT:
        known = instance.contexts["secrets"]
        return dict(known) if isinstance(known, Mapping) else {}
    value = instance.value(raw, places.CALL_SECRET)
    given = {name: to_text(inner) for name, inner in value.items()} if isinstance(value, Mapping) else {}
    for name in given:
        if name not in trigger.secrets:
            raise WorkflowError(file, job.line, f"{job.uses} takes no secret {name!r}")
    for name, required in trigger.secrets.items():
        if required and name not in given:
            raise WorkflowError(file, job.line, f"{job.uses} needs the secret {name!r}")
    return dict(given)


def _outputs(trigger: Trigger, call: Call, results: Mapping[str, NodeResult]) -> dict[str, str]:
    jobs: dict[str, Value] = {
        name: {"result": result.result, "outputs": dict(result.outputs)} for name, result in results.items()
    }
    scope = Scope({**call.contexts, "jobs": jobs})
    return {name: to_text(call.value(raw, places.CALL_OUTPUT, scope)) for name, raw in trigger.outputs.items()}
