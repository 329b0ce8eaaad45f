"""The replay of one workflow file, or of all that an event starts, on this machine."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from workflow_replay.events import Event
from workflow_replay.git import NO_COMMIT, Repository
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import Value, normal, to_text
from workflow_replay.github.known import KNOWN
from workflow_replay.github.permissions import default
from workflow_replay.github.program import FOLDER, called_workflows, check, load
from workflow_replay.github.running.contexts import github_context
from workflow_replay.github.running.graph import Call, run_graph
from workflow_replay.github.running.node import run_node
from workflow_replay.github.running.queueing import Group, Rejected, concurrency, queue
from workflow_replay.github.running.session import Session
from workflow_replay.github.situation import Situation, situate
from workflow_replay.github.triggers import decide, dispatch_inputs
from workflow_replay.github.workflow import Workflow
from workflow_replay.record import JobRun, Run, worst
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings

_SUFFIXES: Final = (".yml", ".yaml")
_RUN_ID_BELOW: Final = 10**10


def replay(repository: Path, file: str, event: Event, surroundings: Surroundings | None = None) -> Run:
    """Replay a workflow file, as the event's commit has it, for an event in a repository (bare, or a checkout).

    An event that does not start the workflow gives a run that was not triggered, and why. Raises ReplayError for a
    file that GitHub would refuse, for an event that cannot be, and for steps whose effect nobody has declared.
    """
    around = surroundings or Surroundings()
    situation = situate(repository, event, around.owner, around.name)
    return _replay(repository, load(Repository(repository), situation.commit, file), situation, around)


def replay_all(repository: Path, event: Event, surroundings: Surroundings | None = None) -> tuple[Run, ...]:
    """Replay all workflows of a repository that an event starts, one after the other, by the names of their files."""
    around = surroundings or Surroundings()
    situation = situate(repository, event, around.owner, around.name)
    source = Repository(repository)
    files = [name for name in source.files(situation.commit, FOLDER) if name.endswith(_SUFFIXES)]
    runs = (_replay(repository, load(source, situation.commit, name), situation, around) for name in files)
    return tuple(run for run in runs if run.triggered)


def _replay(repository: Path, workflow: Workflow, situation: Situation, around: Surroundings) -> Run:
    source = Repository(repository)
    decision = decide(workflow, situation, lambda: _changed(source, situation))
    if not decision.starts:
        run = Run("github", workflow.name, workflow.file, "skipped", triggered=False, reason=decision.reason)
        around.listener.run_ended(run)
        return run
    called = called_workflows(source, situation.commit, workflow)
    ceiling = default(around.default_permissions)
    effects = KNOWN.with_(dict(around.effects))
    check(workflow, called, ceiling, effects)
    with _scratch(around) as folder:
        session = Session(
            repository=repository.resolve(),
            workflow=workflow,
            called=called,
            situation=situation,
            surroundings=around,
            effects=effects,
            scratch=folder,
            slots=BoundedSemaphore(around.maximum_parallel_jobs),
            run_id=str(secrets.randbelow(_RUN_ID_BELOW)),
            cancellation=Cancellation(around.cancellation),
        )
        for secrets_of in (around.secrets, *around.environment_secrets.values()):
            for secret in secrets_of.values():
                session.masks.add(secret)
        return _run(session, ceiling)


def _changed(source: Repository, situation: Situation) -> tuple[str, ...]:
    return source.changed(situation.before or NO_COMMIT, situation.after or situation.commit)


def _run(session: Session, ceiling: Mapping[str, str]) -> Run:
    began = time.monotonic()
    workflow, around = session.workflow, session.surroundings
    contexts = _contexts(session)
    forked = session.situation.from_fork
    call = Call(workflow, contexts, ceiling)
    group = concurrency(call.value(workflow.concurrency, places.WORKFLOW, Scope(contexts)))
    call = replace(call, groups=frozenset({group.name.lower()} if group else ()), fork=forked)
    around.listener.run_planned(workflow.name, tuple(workflow.jobs))
    jobs, reason = _jobs(session, call, group)
    conclusion = worst(job.conclusion for job in jobs) if not reason else "cancelled"
    run = Run("github", workflow.name, workflow.file, conclusion, jobs, True, reason, time.monotonic() - began)
    around.listener.run_ended(run)
    return run


def _jobs(session: Session, call: Call, group: Group | None) -> tuple[tuple[JobRun, ...], str]:
    try:
        with queue(session, group, (), session.workflow.name, session.cancellation):
            results = run_graph(session, call, run_node, session.cancellation)
    except Rejected as error:
        return (), str(error)
    return tuple(job for result in results.values() for job in result.jobs), ""


def _contexts(session: Session) -> dict[str, Value]:
    around = session.surroundings
    contexts: dict[str, Value] = {
        "github": github_context(session),
        "vars": dict(around.variables),
        "secrets": dict(_secrets(session)),
    }
    inputs = _typed_inputs(session, Scope(contexts))
    if session.situation.name == "workflow_dispatch":
        # The event has all inputs as text, those that nobody gave with their defaults.
        contexts["github"] = _with_event(contexts["github"], "inputs", {key: to_text(inputs[key]) for key in inputs})
    if session.situation.name == "schedule" and session.situation.cron is None:
        crons = session.workflow.triggers["schedule"].crons
        contexts["github"] = _with_event(contexts["github"], "schedule", crons[0])
    return {**contexts, "inputs": inputs}


def _typed_inputs(session: Session, scope: Scope) -> dict[str, Value]:
    if session.situation.name != "workflow_dispatch":
        return {}
    trigger = session.workflow.triggers[session.situation.name]
    given = dispatch_inputs(trigger, session.situation.inputs, scope)
    return {name: normal(value) for name, value in given.items()}


def _with_event(github: Value, key: str, value: Value) -> Value:
    known = github if isinstance(github, Mapping) else {}
    return {**known, "event": {**known["event"], key: value}}


def _secrets(session: Session) -> Mapping[str, str]:
    """The secrets that a run is given: none for a pull request from a fork."""
    return {} if session.situation.from_fork else session.surroundings.secrets


@contextmanager
def _scratch(around: Surroundings) -> Generator[Path]:
    if around.scratch is not None:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=around.scratch))
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="replay-", ignore_cleanup_errors=True) as name:
        yield Path(name)
