"""One due job: its matrix, the environment and the queue before it, and what its combinations come to."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from workflow_replay.approvals import ApprovalRequest
from workflow_replay.errors import WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_number, to_text, truthy
from workflow_replay.github.matrix import Combination, MatrixError, combinations, label
from workflow_replay.github.permissions import for_fork, granted
from workflow_replay.github.running.called import run_called
from workflow_replay.github.running.graph import Instance, Node
from workflow_replay.github.running.job import Assignment, JobOutcome, run_job
from workflow_replay.github.running.nodes import NodeResult, together
from workflow_replay.github.running.queueing import Rejected, concurrency, queue
from workflow_replay.github.running.session import Session
from workflow_replay.record import Conclusion, JobRun
from workflow_replay.stopping import Cancellation

_NO_MATRIX: Final[tuple[Combination, ...]] = ({},)


def run_node(session: Session, node: Node) -> NodeResult:
    """Run a job with all its combinations. Raises WorkflowError for expressions that make no sense."""
    scope = Scope(node.contexts)
    matrix = _matrix(node, scope)
    strategy = node.job.strategy
    fail_fast = strategy.fail_fast is None or truthy(node.call.value(strategy.fail_fast, places.STRATEGY, scope))
    most = node.call.value(strategy.max_parallel, places.STRATEGY, scope)
    if matrix == _NO_MATRIX:
        return _run_instance(session, _instance(node, {}, 0, 1, fail_fast=fail_fast))
    instances = [
        _instance(node, combination, index, len(matrix), fail_fast=fail_fast)
        for index, combination in enumerate(matrix)
    ]
    limit = len(instances) if most is None or math.isnan(to_number(most)) else max(1, int(to_number(most)))

    def run(instance: Instance) -> NodeResult:
        result = _run_instance(session, instance)
        if fail_fast and result.result == "failure":
            for other in instances:
                other.cancellation.cancel()
        return result

    with ThreadPoolExecutor(max_workers=limit, thread_name_prefix="matrix") as pool:
        return together(pool.map(run, instances))


def _matrix(node: Node, scope: Scope) -> tuple[Combination, ...]:
    raw = node.job.strategy.matrix
    if raw is None:
        return _NO_MATRIX
    try:
        return tuple(combinations(node.call.value(raw, places.STRATEGY, scope)))
    except MatrixError as error:
        raise WorkflowError(node.call.workflow.file, raw.line, str(error)) from error


def _instance(node: Node, combination: Combination, index: int, total: int, *, fail_fast: bool) -> Instance:
    strategy: dict[str, Value] = {
        "fail-fast": fail_fast,
        "job-index": float(index),
        "job-total": float(total),
        "max-parallel": float(total),
    }
    contexts = {**node.contexts, "matrix": dict(combination) or None, "strategy": strategy}
    suffix = f" ({label(combination)})" if combination else ""
    name = to_text(node.call.value(node.job.name, places.JOB, Scope(contexts)))
    shown = node.call.prefix + name if name else node.id
    # The name alone tells combinations apart only when it says which it is.
    if combination and (not name or node.job.name is None or "${{" not in str(node.job.name.value)):
        shown += suffix
    scopes = granted(node.job.permissions, node.call.workflow.permissions, node.call.ceiling)
    scopes = for_fork(scopes) if node.call.fork else scopes
    return Instance(node, node.id + suffix, shown, contexts, scopes, Cancellation(node.cancellation))


def _run_instance(session: Session, instance: Instance) -> NodeResult:
    job, call = instance.node.job, instance.node.call
    tolerated = False
    environment = None
    try:
        tolerated = truthy(instance.value(job.continue_on_error, places.JOB))
        environment = _environment(instance)
        if instance.cancellation.is_cancelled:
            raise Rejected("cancelled before it began", "cancelled")
        _ask(session, instance, environment)
        wanted = concurrency(instance.value(job.concurrency, places.JOB))
        with queue(session, wanted, call.groups, instance.id, instance.cancellation):
            if job.uses is not None:
                return run_called(session, instance, run_node)
            outcome = _run_job(session, instance, environment)
    except Rejected as error:
        outcome = JobOutcome(error.conclusion, reason=str(error))
    except WorkflowError as error:
        outcome = JobOutcome("failure", reason=error.message)
    conclusion: Conclusion = "success" if tolerated and outcome.conclusion == "failure" else outcome.conclusion
    run = JobRun(
        id=instance.id,
        name=instance.name,
        conclusion=conclusion,
        outcome=outcome.conclusion,
        steps=outcome.steps,
        outputs=dict(outcome.outputs),
        environment=environment,
        permissions={scope: level for scope, level in instance.scopes.items() if level != "none"},
        seconds=outcome.seconds,
        reason=outcome.reason,
    )
    session.surroundings.listener.job_ended(run)
    return NodeResult(conclusion, run.outputs, (run,))


def _run_job(session: Session, instance: Instance, environment: str | None) -> JobOutcome:
    contexts = {**instance.contexts, **_of_environment(session, instance.contexts, environment)}
    node = instance.node
    assignment = Assignment(node.call.workflow, node.job, instance.id, contexts, instance.scopes, environment)
    with _slot(session.slots, instance.cancellation):
        session.surroundings.listener.job_began(instance.id)
        return run_job(session, assignment, instance.cancellation)


def _environment(instance: Instance) -> str | None:
    value = instance.value(instance.node.job.environment, places.JOB)
    if isinstance(value, Mapping):
        value = value.get("name")
    return to_text(value) or None


def _of_environment(session: Session, contexts: Mapping[str, Value], environment: str | None) -> dict[str, Value]:
    """Variables and secrets with those of the environment above them."""
    if environment is None:
        return {}
    around = session.surroundings
    found: dict[str, Value] = {}
    added = {
        "vars": around.environment_variables.get(environment, {}),
        # Forks are given no secrets, wherever they are kept.
        "secrets": {} if session.situation.from_fork else around.environment_secrets.get(environment, {}),
    }
    for name, values in added.items():
        known = contexts[name]
        found[name] = {**(known if isinstance(known, Mapping) else {}), **values}
    return found


def _ask(session: Session, instance: Instance, environment: str | None) -> None:
    if environment is None:
        return
    session.surroundings.listener.job_waits(instance.id, f"approval for {environment}")
    approval = session.surroundings.approvals(ApprovalRequest(environment, instance.id, session.workflow.name))
    if not approval.approved:
        raise Rejected(approval.comment or f"{environment} was rejected", "failure")


@contextmanager
def _slot(slots: BoundedSemaphore, cancellation: Cancellation) -> Generator[None]:
    """One of the machines that there are; who is cancelled while waiting has no use for one."""
    with slots:
        if cancellation.is_cancelled:
            raise Rejected("cancelled before it began", "cancelled")
        yield
