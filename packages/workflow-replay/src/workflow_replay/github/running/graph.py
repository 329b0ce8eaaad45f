"""The jobs of a workflow in the order of their needs, at the same time where they can; called workflows inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from workflow_replay.errors import WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.failures import ExpressionError
from workflow_replay.github.expressions.templates import Place, holds, resolve_all
from workflow_replay.github.expressions.values import Value, to_text
from workflow_replay.github.running.nodes import NodeResult, ancestors, needs_context, status_functions
from workflow_replay.github.running.session import Session
from workflow_replay.github.workflow import Job, Raw, Workflow
from workflow_replay.record import Conclusion, JobRun
from workflow_replay.stopping import Cancellation


@dataclass(frozen=True)
class Call:
    """A workflow as it is run: by an event, or by a job of another; `prefix` stands before the ids of its jobs.

    `ceiling` is what the tokens of its jobs may do at most, `groups` the concurrency groups that are held already.
    `fork` says that somebody else's pull request started it, whose tokens only read.
    """

    workflow: Workflow
    contexts: Mapping[str, Value]
    ceiling: Mapping[str, str]
    prefix: str = ""
    depth: int = 0
    groups: frozenset[str] = frozenset()
    fork: bool = False

    def value(self, raw: Raw | None, place: Place, scope: Scope) -> Value:
        """A value of the file, evaluated. Raises WorkflowError."""
        if raw is None:
            return None
        try:
            return resolve_all(raw.value, place, scope)
        except ExpressionError as error:
            raise WorkflowError(self.workflow.file, error.line or raw.line, str(error)) from error


@dataclass(frozen=True)
class Node:
    """A job that is due: its condition holds, and what it needs is there."""

    call: Call
    job: Job
    id: str
    contexts: Mapping[str, Value]
    cancellation: Cancellation


@dataclass(frozen=True)
class Instance:
    """One combination of the matrix of a due job, or the job itself; `scopes` are what its token may do."""

    node: Node
    id: str
    name: str
    contexts: Mapping[str, Value]
    scopes: Mapping[str, str]
    cancellation: Cancellation

    def value(self, raw: Raw | None, place: Place) -> Value:
        """A value of the job, evaluated. Raises WorkflowError."""
        return self.node.call.value(raw, place, Scope(self.contexts))


RunNode = Callable[[Session, Node], NodeResult]


def run_graph(session: Session, call: Call, run_node: RunNode, cancellation: Cancellation) -> dict[str, NodeResult]:
    """Run all jobs of a workflow; what each came to. Raises ReplayError when the replay itself cannot go on."""
    results: dict[str, NodeResult] = {}
    waiting = dict(call.workflow.jobs)
    running: dict[Future[NodeResult], str] = {}
    with ThreadPoolExecutor(max_workers=len(waiting), thread_name_prefix="job") as pool:
        try:
            while waiting or running:
                for job in [job for job in waiting.values() if set(job.needs) <= results.keys()]:
                    del waiting[job.id]
                    running[pool.submit(_run_job, session, call, job, dict(results), run_node, cancellation)] = job.id
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    results[running.pop(future)] = future.result()
        except BaseException:
            # Whoever runs still has to hear of it, or leaving the block would wait for all of them.
            session.cancellation.cancel()
            raise
    return {name: results[name] for name in call.workflow.jobs}


def _run_job(
    session: Session,
    call: Call,
    job: Job,
    results: Mapping[str, NodeResult],
    run_node: RunNode,
    cancellation: Cancellation,
) -> NodeResult:
    contexts = {**call.contexts, "needs": needs_context(job, results)}
    before = [results[name] for name in ancestors(call.workflow, job)]
    id = call.prefix + job.id  # noqa: A001 - the services' word
    try:
        if not _holds(call, job, contexts, before, cancelled=cancellation.is_cancelled):
            return _ended(session, job, id, "skipped", _why_skipped(job, cancellation))
        # Whoever would run although the run is cancelled is not stopped by that either.
        stays = _holds(call, job, contexts, before, cancelled=True)
        node = Node(call, job, id, contexts, Cancellation(None if stays else cancellation))
        return run_node(session, node)
    except WorkflowError as error:
        return _ended(session, job, id, "failure", error.message)


def _holds(call: Call, job: Job, contexts: Mapping[str, Value], before: list[NodeResult], *, cancelled: bool) -> bool:
    scope = Scope(contexts, status_functions(before, cancelled=cancelled))
    try:
        return holds(job.condition.expression, places.JOB_IF, scope)
    except ExpressionError as error:
        raise WorkflowError(call.workflow.file, job.condition.line, str(error)) from error


def _why_skipped(job: Job, cancellation: Cancellation) -> str:
    if cancellation.is_cancelled:
        return "the run was cancelled"
    return f"if: {job.condition.expression}" if job.condition.expression else "a job that it needs did not succeed"


def _ended(session: Session, job: Job, id: str, conclusion: Conclusion, reason: str) -> NodeResult:  # noqa: A002
    name = to_text(job.name.value) if job.name is not None and "${{" not in str(job.name.value) else id
    run = JobRun(id, name, conclusion, conclusion, reason=reason)
    session.surroundings.listener.job_ended(run)
    return NodeResult(conclusion, jobs=(run,))
