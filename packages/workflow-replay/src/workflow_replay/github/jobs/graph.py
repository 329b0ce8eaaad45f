"""Runs the jobs of a workflow in the order of their `needs`, in parallel where possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from workflow_replay.cancellation import Cancellation
from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.model import Job, Raw, Workflow
from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.templates import Availability, holds, resolve_all
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.jobs.job_results import JobResult, ancestors, needs_context, status_functions
from workflow_replay.github.session import Session
from workflow_replay.result import Conclusion, JobRun


@dataclass(frozen=True)
class WorkflowCall:
    """A workflow to run, for an event or called by a job. `prefix` precedes the ids of its jobs.

    `ceiling` are the maximum permissions of its jobs' tokens, `groups` the concurrency groups held by callers. `fork`
    marks a run for a pull request from a fork, whose tokens are read-only.
    """

    workflow: Workflow
    contexts: Mapping[str, Value]
    ceiling: Mapping[str, str]
    prefix: str = ""
    depth: int = 0
    groups: frozenset[str] = frozenset()
    fork: bool = False

    def value(self, raw: Raw | None, available: Availability, scope: Scope) -> Value:
        """A value of the file, evaluated. Raises WorkflowError."""
        if raw is None:
            return None
        try:
            return resolve_all(raw.value, available, scope)
        except ExpressionError as error:
            raise WorkflowError(self.workflow.file, error.line or raw.line, str(error)) from error


@dataclass(frozen=True)
class ReadyJob:
    """A job that can start: the jobs it needs are finished, and its condition is true."""

    call: WorkflowCall
    job: Job
    id: str
    contexts: Mapping[str, Value]
    cancellation: Cancellation


@dataclass(frozen=True)
class JobInstance:
    """A job, or one job of its matrix; `scopes` are the permissions of its token."""

    ready: ReadyJob
    id: str
    name: str
    contexts: Mapping[str, Value]
    scopes: Mapping[str, str]
    cancellation: Cancellation

    def value(self, raw: Raw | None, available: Availability) -> Value:
        """A value of the job, evaluated. Raises WorkflowError."""
        return self.ready.call.value(raw, available, Scope(self.contexts))


RunJob = Callable[[Session, ReadyJob], JobResult]


def run_graph(
    session: Session, call: WorkflowCall, run_job: RunJob, cancellation: Cancellation
) -> dict[str, JobResult]:
    """Run all jobs of a workflow, and return their results by id. Raises ReplayError if the replay cannot continue."""
    results: dict[str, JobResult] = {}
    waiting = dict(call.workflow.jobs)
    running: dict[Future[JobResult], str] = {}
    with ThreadPoolExecutor(max_workers=len(waiting), thread_name_prefix="job") as pool:
        try:
            while waiting or running:
                for job in [job for job in waiting.values() if set(job.needs) <= results.keys()]:
                    del waiting[job.id]
                    running[pool.submit(_run_job, session, call, job, dict(results), run_job, cancellation)] = job.id
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    results[running.pop(future)] = future.result()
        except BaseException:
            # Jobs that still run have to stop, or leaving the block would wait for them.
            session.cancellation.cancel()
            raise
    return {name: results[name] for name in call.workflow.jobs}


def _run_job(
    session: Session,
    call: WorkflowCall,
    job: Job,
    results: Mapping[str, JobResult],
    run_job: RunJob,
    cancellation: Cancellation,
) -> JobResult:
    contexts = {**call.contexts, "needs": needs_context(job, results)}
    ancestor_results = [results[name] for name in ancestors(call.workflow, job)]
    id = call.prefix + job.id  # noqa: A001 - the service's term
    try:
        if not _holds(call, job, contexts, ancestor_results, cancelled=cancellation.is_cancelled):
            return _not_run(session, job, id, "skipped", _skip_reason(job, cancellation))
        # A job whose condition is true for a cancelled run, such as always(), is not cancelled with it.
        survives = _holds(call, job, contexts, ancestor_results, cancelled=True)
        ready = ReadyJob(call, job, id, contexts, Cancellation(None if survives else cancellation))
        return run_job(session, ready)
    except WorkflowError as error:
        return _not_run(session, job, id, "failure", error.message)


def _holds(
    call: WorkflowCall, job: Job, contexts: Mapping[str, Value], ancestor_results: list[JobResult], *, cancelled: bool
) -> bool:
    scope = Scope(contexts, status_functions(ancestor_results, cancelled=cancelled))
    try:
        return holds(job.condition.expression, availability.JOB_IF, scope)
    except ExpressionError as error:
        raise WorkflowError(call.workflow.file, job.condition.line, str(error)) from error


def _skip_reason(job: Job, cancellation: Cancellation) -> str:
    if cancellation.is_cancelled:
        return "the run was cancelled"
    return f"if: {job.condition.expression}" if job.condition.expression else "a required job did not succeed"


def _not_run(session: Session, job: Job, id: str, conclusion: Conclusion, reason: str) -> JobResult:  # noqa: A002
    name = to_text(job.name.value) if job.name is not None and "${{" not in str(job.name.value) else id
    run = JobRun(id, name, conclusion, conclusion, reason=reason)
    session.host.listener.job_finished(run)
    return JobResult(conclusion, jobs=(run,))
