"""Replays one workflow file, or all workflows that an event triggers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from workflow_replay.cancellation import Cancellation
from workflow_replay.common.git import NO_COMMIT, Repository
from workflow_replay.common.scratch import scratch_folder
from workflow_replay.events import Event
from workflow_replay.github.builtin_actions import BUILTIN_ACTIONS
from workflow_replay.github.contexts import github_context
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.model import Workflow
from workflow_replay.github.definition.permissions import default
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, normal, to_text
from workflow_replay.github.jobs.concurrency_group import Group, JobRejected, hold_group, requested_group
from workflow_replay.github.jobs.graph import WorkflowCall, run_graph
from workflow_replay.github.jobs.ready_job import run_ready_job
from workflow_replay.github.preflight import FOLDER, called_workflows, check, load
from workflow_replay.github.run_context import RunContext, build_run_context
from workflow_replay.github.session import Session
from workflow_replay.github.triggers import decide, dispatch_inputs
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import JobRun, Run, worst

_SUFFIXES: Final = (".yml", ".yaml")
_RUN_ID_BELOW: Final = 10**10


def replay(repository: Path, file: str, event: Event, host: HostEnvironment | None = None) -> Run:
    """Replay a workflow file for an event in a repository (bare, or with a working tree).

    The file is read at the event's commit. If the event does not trigger the workflow, the run has `triggered` False
    and a reason. Raises ReplayError for a file that GitHub would reject and for an impossible event. What a
    replay cannot do, such as a third-party action without a declared effect, fails the step or job that needs it.
    """
    host = host or HostEnvironment()
    run_context = build_run_context(repository, event, host)
    return _replay(repository, load(Repository(repository), run_context.commit, file), run_context, host)


def replay_all(repository: Path, event: Event, host: HostEnvironment | None = None) -> tuple[Run, ...]:
    """Replay all workflows of a repository that an event triggers, one after the other, in the order of their files."""
    host = host or HostEnvironment()
    run_context = build_run_context(repository, event, host)
    source = Repository(repository)
    files = [name for name in source.files(run_context.commit, FOLDER) if name.endswith(_SUFFIXES)]
    runs = (_replay(repository, load(source, run_context.commit, name), run_context, host) for name in files)
    return tuple(run for run in runs if run.triggered)


def _replay(repository: Path, workflow: Workflow, run_context: RunContext, host: HostEnvironment) -> Run:
    source = Repository(repository)
    decision = decide(workflow, run_context, lambda: _changed(source, run_context))
    if not decision.starts:
        run = Run("github", workflow.name, workflow.file, "skipped", triggered=False, reason=decision.reason)
        host.listener.run_finished(run)
        return run
    called = called_workflows(source, run_context.commit, workflow)
    ceiling = default(host.default_permissions)
    effects = BUILTIN_ACTIONS.updated(host.effects)
    check(workflow, called, ceiling)
    with scratch_folder(host.scratch) as folder:
        session = Session(
            repository=repository.resolve(),
            workflow=workflow,
            called=called,
            run_context=run_context,
            host=host,
            effects=effects,
            scratch=folder,
            slots=BoundedSemaphore(host.max_parallel_jobs),
            run_id=str(secrets.randbelow(_RUN_ID_BELOW)),
            cancellation=Cancellation(host.cancellation),
        )
        for secrets_of in (host.secrets, *host.environment_secrets.values()):
            for secret in secrets_of.values():
                session.masks.add(secret)
        return _run(session, ceiling)


def _changed(source: Repository, run_context: RunContext) -> tuple[str, ...]:
    return source.changed(run_context.before or NO_COMMIT, run_context.after or run_context.commit)


def _run(session: Session, ceiling: Mapping[str, str]) -> Run:
    started = time.monotonic()
    workflow, host = session.workflow, session.host
    contexts = _contexts(session)
    is_fork = session.run_context.from_fork
    call = WorkflowCall(workflow, contexts, ceiling)
    group = requested_group(call.value(workflow.concurrency, availability.WORKFLOW, Scope(contexts)))
    call = replace(call, groups=frozenset({group.name.lower()} if group else ()), fork=is_fork)
    host.listener.run_planned(workflow.name, tuple(workflow.jobs))
    jobs, reason = _jobs(session, call, group)
    conclusion = worst(job.conclusion for job in jobs) if not reason else "cancelled"
    run = Run("github", workflow.name, workflow.file, conclusion, jobs, True, reason, time.monotonic() - started)
    host.listener.run_finished(run)
    return run


def _jobs(session: Session, call: WorkflowCall, group: Group | None) -> tuple[tuple[JobRun, ...], str]:
    try:
        with hold_group(session, group, (), session.workflow.name, session.cancellation):
            results = run_graph(session, call, run_ready_job, session.cancellation)
    except JobRejected as error:
        return (), str(error)
    return tuple(job for result in results.values() for job in result.jobs), ""


def _contexts(session: Session) -> dict[str, Value]:
    host = session.host
    contexts: dict[str, Value] = {
        "github": github_context(session),
        "vars": dict(host.variables),
        "secrets": dict(_secrets(session)),
    }
    inputs = _typed_inputs(session, Scope(contexts))
    if session.run_context.name == "workflow_dispatch":
        # The event has all inputs as text, with their defaults.
        contexts["github"] = _with_event(contexts["github"], "inputs", {key: to_text(inputs[key]) for key in inputs})
    if session.run_context.name == "schedule" and session.run_context.cron is None:
        crons = session.workflow.triggers["schedule"].crons
        contexts["github"] = _with_event(contexts["github"], "schedule", crons[0])
    return {**contexts, "inputs": inputs}


def _typed_inputs(session: Session, scope: Scope) -> dict[str, Value]:
    if session.run_context.name != "workflow_dispatch":
        return {}
    trigger = session.workflow.triggers[session.run_context.name]
    values = dispatch_inputs(trigger, session.run_context.inputs, scope)
    return {name: normal(value) for name, value in values.items()}


def _with_event(github: Value, key: str, value: Value) -> Value:
    known = github if isinstance(github, Mapping) else {}
    return {**known, "event": {**known["event"], key: value}}


def _secrets(session: Session) -> Mapping[str, str]:
    """The secrets of the run: none for a pull request from a fork."""
    return {} if session.run_context.from_fork else session.host.secrets
