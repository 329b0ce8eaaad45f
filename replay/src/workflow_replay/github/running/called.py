"""Workflows called by a job: inputs, secrets and permissions handed down, outputs handed up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow_replay.errors import EventError, WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.running.graph import Call, Node, RunNode, run_graph
from workflow_replay.github.running.nodes import NodeResult
from workflow_replay.github.running.queueing import concurrency, queue
from workflow_replay.github.running.session import Session
from workflow_replay.github.triggers import call_inputs
from workflow_replay.github.workflow import Trigger
from workflow_replay.record import worst
from workflow_replay.stopping import Cancellation

CALL: Final = "workflow_call"
_INHERIT: Final = "inherit"
_DEEPEST: Final = 10


def run_called(
    session: Session,
    node: Node,
    contexts: Mapping[str, Value],
    cancellation: Cancellation,
    scopes: Mapping[str, str],
    run_node: RunNode,
) -> NodeResult:
    """Run the workflow that a job calls. Raises WorkflowError when the call does not fit it."""
    call = node.call
    workflow = session.called[node.job.uses or ""]
    if call.depth >= _DEEPEST:
        raise WorkflowError(call.workflow.file, node.job.line, f"workflows call each other deeper than {_DEEPEST}")
    trigger = workflow.triggers[CALL]
    scope = Scope(contexts)
    given = call.value(node.job.inputs, places.JOB, scope) or {}
    shared = {name: contexts[name] for name in ("github", "vars")}
    try:
        inputs = call_inputs(trigger, given if isinstance(given, Mapping) else {}, Scope(shared))
    except EventError as error:
        raise WorkflowError(call.workflow.file, node.job.line, error.message) from error
    wanted = concurrency(call.value(workflow.concurrency, places.WORKFLOW, Scope({**shared, "inputs": inputs})))
    inner = Call(
        workflow=workflow,
        contexts={**shared, "inputs": inputs, "secrets": _secrets(node, trigger, contexts, scope)},
        ceiling=scopes,
        prefix=f"{node.id} / ",
        depth=call.depth + 1,
        fork=call.fork,
        groups=call.groups | ({wanted.name.lower()} if wanted else set()),
    )
    with queue(session, wanted, call.groups, node.id, cancellation):
        results = run_graph(session, inner, run_node, cancellation)
    return NodeResult(
        worst(result.result for result in results.values()),
        _outputs(trigger, inner, results),
        tuple(job for result in results.values() for job in result.jobs),
    )


def _secrets(node: Node, trigger: Trigger, contexts: Mapping[str, Value], scope: Scope) -> dict[str, Value]:
    raw = node.job.secrets
    if raw is not None and raw.value == _INHERIT:
        known = contexts["secrets"]
        return dict(known) if isinstance(known, Mapping) else {}
    value = node.call.value(raw, places.CALL_SECRET, scope) or {}
    given = {name: to_text(inner) for name, inner in value.items()} if isinstance(value, Mapping) else {}
    file, line = node.call.workflow.file, node.job.line
    for name in given:
        if name not in trigger.secrets:
            raise WorkflowError(file, line, f"{node.job.uses} takes no secret {name!r}")
    for name, required in trigger.secrets.items():
        if required and name not in given:
            raise WorkflowError(file, line, f"{node.job.uses} needs the secret {name!r}")
    return dict(given)


def _outputs(trigger: Trigger, call: Call, results: Mapping[str, NodeResult]) -> dict[str, str]:
    jobs: dict[str, Value] = {
        name: {"result": result.result, "outputs": dict(result.outputs)} for name, result in results.items()
    }
    scope = Scope({**call.contexts, "jobs": jobs})
    return {name: to_text(call.value(raw, places.CALL_OUTPUT, scope)) for name, raw in trigger.outputs.items()}
