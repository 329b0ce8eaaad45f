"""Runs a job that can start: its matrix, its environment's approval, its concurrency group, its steps or its call."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from workflow_replay.approvals import ApprovalRequest
from workflow_replay.cancellation import Cancellation
from workflow_replay.errors import Unreplayable, WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.permissions import for_fork, granted
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, to_number, to_text, truthy
from workflow_replay.github.jobs.concurrency_group import JobRejected, hold_group, requested_group
from workflow_replay.github.jobs.graph import JobInstance, ReadyJob
from workflow_replay.github.jobs.job import Assignment, JobOutcome, run_job
from workflow_replay.github.jobs.job_results import JobResult, combine
from workflow_replay.github.jobs.reusable_workflow import run_called
from workflow_replay.github.matrix import Combination, MatrixError, combinations, label
from workflow_replay.github.session import Session
from workflow_replay.result import Conclusion, JobRun

_NO_MATRIX: Final[tuple[Combination, ...]] = ({},)


def run_ready_job(session: Session, ready: ReadyJob) -> JobResult:
    """Run a job with all jobs of its matrix. Raises WorkflowError for invalid expressions."""
    scope = Scope(ready.contexts)
    matrix = _matrix(ready, scope)
    strategy = ready.job.strategy
    fail_fast = strategy.fail_fast is None or truthy(ready.call.value(strategy.fail_fast, availability.STRATEGY, scope))
    if matrix == _NO_MATRIX:
        return _run_instance(session, _instance(ready, {}, 0, 1, fail_fast=fail_fast))
    instances = [
        _instance(ready, combination, index, len(matrix), fail_fast=fail_fast)
        for index, combination in enumerate(matrix)
    ]
    value = ready.call.value(strategy.max_parallel, availability.STRATEGY, scope)
    max_parallel = to_number(value)
    limit = len(instances) if value is None or math.isnan(max_parallel) else max(1, int(max_parallel))

    def run(instance: JobInstance) -> JobResult:
        result = _run_instance(session, instance)
        if fail_fast and result.result == "failure":
            for other in instances:
                other.cancellation.cancel()
        return result

    with ThreadPoolExecutor(max_workers=limit, thread_name_prefix="matrix") as pool:
        return combine(pool.map(run, instances))


def _matrix(ready: ReadyJob, scope: Scope) -> tuple[Combination, ...]:
    raw = ready.job.strategy.matrix
    if raw is None:
        return _NO_MATRIX
    try:
        return tuple(combinations(ready.call.value(raw, availability.STRATEGY, scope)))
    except MatrixError as error:
        raise WorkflowError(ready.call.workflow.file, raw.line, str(error)) from error


def _instance(ready: ReadyJob, combination: Combination, index: int, total: int, *, fail_fast: bool) -> JobInstance:
    strategy: dict[str, Value] = {
        "fail-fast": fail_fast,
        "job-index": float(index),
        "job-total": float(total),
        "max-parallel": float(total),
    }
    contexts = {**ready.contexts, "matrix": dict(combination) or None, "strategy": strategy}
    suffix = f" ({label(combination)})" if combination else ""
    name = to_text(ready.call.value(ready.job.name, availability.JOB, Scope(contexts)))
    full_name = ready.call.prefix + name if name else ready.id
    # A name with an expression identifies the combination by itself.
    if combination and (not name or ready.job.name is None or "${{" not in str(ready.job.name.value)):
        full_name += suffix
    scopes = granted(ready.job.permissions, ready.call.workflow.permissions, ready.call.ceiling)
    scopes = for_fork(scopes) if ready.call.fork else scopes
    return JobInstance(ready, ready.id + suffix, full_name, contexts, scopes, Cancellation(ready.cancellation))


def _run_instance(session: Session, instance: JobInstance) -> JobResult:
    job, call = instance.ready.job, instance.ready.call
    ignored = False
    environment = None
    try:
        ignored = truthy(instance.value(job.continue_on_error, availability.JOB))
        environment = _environment(instance)
        if job.limit is not None:
            raise Unreplayable(job.limit)
        if instance.cancellation.is_cancelled:
            raise JobRejected("cancelled before it started", "cancelled")
        _wait_for_approval(session, instance, environment)
        group = requested_group(instance.value(job.concurrency, availability.JOB))
        with hold_group(session, group, call.groups, instance.id, instance.cancellation):
            if job.uses is not None:
                return run_called(session, instance, run_ready_job)
            outcome = _run_job(session, instance, environment)
    except JobRejected as error:
        outcome = JobOutcome(error.conclusion, reason=str(error))
    except WorkflowError as error:
        outcome = JobOutcome("failure", reason=error.message)
    except Unreplayable as error:
        outcome = JobOutcome("failure", reason=error.message, limit=error.limit)
    conclusion: Conclusion = "success" if ignored and outcome.conclusion == "failure" else outcome.conclusion
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
        limit=outcome.limit,
    )
    session.host.listener.job_finished(run)
    return JobResult(conclusion, run.outputs, (run,))


def _run_job(session: Session, instance: JobInstance, environment: str | None) -> JobOutcome:
    contexts = {**instance.contexts, **_environment_contexts(session, instance.contexts, environment)}
    ready = instance.ready
    assignment = Assignment(ready.call.workflow, ready.job, instance.id, contexts, instance.scopes, environment)
    with _slot(session.slots, instance.cancellation):
        session.host.listener.job_started(instance.id)
        return run_job(session, assignment, instance.cancellation)


def _environment(instance: JobInstance) -> str | None:
    value = instance.value(instance.ready.job.environment, availability.JOB)
    if isinstance(value, Mapping):
        value = value.get("name")
    return to_text(value) or None


def _environment_contexts(session: Session, contexts: Mapping[str, Value], environment: str | None) -> dict[str, Value]:
    """The contexts `vars` and `secrets` with those of the environment on top."""
    if environment is None:
        return {}
    host = session.host
    found: dict[str, Value] = {}
    added = {
        "vars": host.environment_variables.get(environment, {}),
        # Forks get no secrets, not even those of environments.
        "secrets": {} if session.run_context.from_fork else host.environment_secrets.get(environment, {}),
    }
    for name, values in added.items():
        known = contexts[name]
        found[name] = {**(known if isinstance(known, Mapping) else {}), **values}
    return found


def _wait_for_approval(session: Session, instance: JobInstance, environment: str | None) -> None:
    if environment is None:
        return
    session.host.listener.job_waiting(instance.id, f"approval for {environment}")
    approval = session.host.approvals(ApprovalRequest(environment, instance.id, session.workflow.name))
    if not approval.approved:
        raise JobRejected(approval.comment or f"{environment} was rejected", "failure")


@contextmanager
def _slot(slots: BoundedSemaphore, cancellation: Cancellation) -> Generator[None]:
    """Wait for a free runner."""
    with slots:
        if cancellation.is_cancelled:
            raise JobRejected("cancelled before it started", "cancelled")
        yield
