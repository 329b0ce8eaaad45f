"""One job on its own fresh place: folders, token, contexts, steps, and what is left to do at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Timer
from typing import Final

from workflow_replay.effects import EffectFailed
from workflow_replay.errors import WorkflowError
from workflow_replay.github import places
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import CaseSensitive, Value, to_number, to_text
from workflow_replay.github.running.contexts import runner_context, write_event
from workflow_replay.github.running.frame import Frame, JobState
from workflow_replay.github.running.session import Session
from workflow_replay.github.running.step_log import StepLog
from workflow_replay.github.running.steps import run_steps
from workflow_replay.github.workflow import Job, Workflow
from workflow_replay.record import Annotation, Conclusion, StepRun
from workflow_replay.stopping import Cancellation
from workflow_replay.surroundings import Surroundings
from workflow_replay.tokens import TokenRequest

_DEFAULT_TIMEOUT_MINUTES: Final = 360.0
_SECONDS_A_MINUTE: Final = 60


@dataclass(frozen=True)
class Assignment:
    """A job, or one combination of its matrix, ready to run. `contexts` are those of the job without `env`."""

    workflow: Workflow
    job: Job
    id: str
    contexts: Mapping[str, Value]
    scopes: Mapping[str, str]
    environment: str | None


@dataclass(frozen=True)
class JobOutcome:
    """What a job came to."""

    conclusion: Conclusion
    steps: tuple[StepRun, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""


def run_job(session: Session, assignment: Assignment, cancellation: Cancellation) -> JobOutcome:
    """Run a job to its end; `cancellation` is this job's own. A file that is wrong is a failed job with a reason."""
    began = time.monotonic()
    try:
        frame = _frame(session, assignment, cancellation)
    except WorkflowError as error:
        return JobOutcome("failure", reason=error.message)
    job = frame.job
    try:
        timed_out = _run_within_time(frame, assignment)
        _finish(frame)
        outputs, warnings = _outputs(frame, assignment)
    except WorkflowError as error:
        return JobOutcome("failure", tuple(job.records), reason=error.message, seconds=time.monotonic() - began)
    finally:
        job.leftovers.end()
    conclusion: Conclusion = "cancelled" if cancellation.is_cancelled else frame.status
    reason = timed_out or "; ".join(warnings)
    return JobOutcome(conclusion, tuple(job.records), outputs, time.monotonic() - began, reason)


def _frame(session: Session, assignment: Assignment, cancellation: Cancellation) -> Frame:
    root = session.scratch / "jobs" / str(session.folders.next())
    around = session.surroundings
    workspace = root / "work" / around.name / around.name
    temporary = root / "temp"
    tools = root / "tools"
    for folder in (workspace, temporary, tools):
        folder.mkdir(parents=True)
    write_event(session, temporary / "event.json")
    token = around.tokens(TokenRequest(assignment.id, assignment.scopes))
    session.masks.add(token)
    (root / "gitconfig").write_text(_git_settings(around))
    labels = _labels(assignment)
    state = JobState(
        session=session,
        id=assignment.id,
        workspace=workspace,
        temporary=temporary,
        scopes=assignment.scopes,
        token=token,
        environment=assignment.environment,
        cancellation=cancellation,
        runner=runner_context(labels, temporary, tools, workspace),
        git_config=root / "gitconfig",
    )
    return _with_contexts(state, assignment, _contexts(state, assignment))


def _git_settings(around: Surroundings) -> str:
    """What git is told on a fresh machine: nothing about who commits, but how the caller's forge is reached."""
    found = "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
    above = around.machine.get("GIT_CONFIG_GLOBAL")
    return found + (f"[include]\n\tpath = {above}\n" if above else "")


def _contexts(state: JobState, assignment: Assignment) -> dict[str, Value]:
    github = assignment.contexts["github"]
    known = {
        **(github if isinstance(github, dict) else {}),
        "job": assignment.job.id,
        "token": state.token,
        "workspace": str(state.workspace),
        "event_path": str(state.temporary / "event.json"),
        "action": "__run",
    }
    hidden = assignment.contexts["secrets"]
    every = {**(hidden if isinstance(hidden, dict) else {}), "GITHUB_TOKEN": state.token}
    return {**assignment.contexts, "github": known, "secrets": every, "runner": dict(state.runner)}


def _with_contexts(state: JobState, assignment: Assignment, contexts: Mapping[str, Value]) -> Frame:
    workflow, job = assignment.workflow, assignment.job
    frame = Frame(state, workflow.file, contexts, {}, places.STEP, places.STEP_IF)
    scope = Scope({**contexts, "env": CaseSensitive()})
    env = frame.texts(workflow.env, scope, places.WORKFLOW_ENV)
    env |= frame.texts(job.env, scope, places.JOB_ENV)
    frame.env = env
    defaults = frame.texts(workflow.defaults, scope, places.WORKFLOW)
    defaults |= frame.texts(job.defaults, scope.with_(env=CaseSensitive(env)), places.JOB_DEFAULTS)
    frame.shell = defaults.get("shell")
    frame.folder = defaults.get("working-directory")
    return frame


def _labels(assignment: Assignment) -> str:
    raw = assignment.job.runs_on
    if raw is None or not isinstance(raw.value, str):
        return ""
    return raw.value.lower()


def _run_within_time(frame: Frame, assignment: Assignment) -> str:
    """Run the steps; what is to be said when the job took too long."""
    minutes = frame.value(assignment.job.timeout, Scope(frame.contexts), places.JOB)
    limit = _DEFAULT_TIMEOUT_MINUTES if minutes is None else to_number(minutes)
    said: list[str] = []

    def give_up() -> None:
        said.append(f"The job has exceeded the maximum execution time of {to_text(limit)} minutes.")
        frame.job.cancellation.cancel()

    timer = Timer(limit * _SECONDS_A_MINUTE, give_up)
    timer.daemon = True
    timer.start()
    try:
        run_steps(frame, assignment.job.steps)
    finally:
        timer.cancel()
    return "".join(said)


def _finish(frame: Frame) -> None:
    """Do what effects left for the job's end, newest first, whatever became of the steps."""
    job = frame.job
    listener = job.session.surroundings.listener
    for name, work in reversed(job.at_end):
        log = StepLog(job.session.masks, lambda text, name=name: listener.line(job.id, name, text))
        order = job.session.order.next()
        listener.step_began(job.id, name)
        outcome: Conclusion = "success"
        try:
            work()
        except EffectFailed as error:
            log.wrong(str(error))
            outcome = frame.status = "failure"
        run = StepRun(name, outcome, outcome, order, output=log.lines, annotations=log.annotations)
        job.records.append(run)
        listener.step_ended(job.id, run)


def _outputs(frame: Frame, assignment: Assignment) -> tuple[dict[str, str], list[str]]:
    """The job's outputs; those that hold a secret are dropped, as GitHub does, and told."""
    masks = frame.job.session.masks
    found: dict[str, str] = {}
    warnings: list[str] = []
    for name, raw in assignment.job.outputs.items():
        text = to_text(frame.value(raw, frame.scope(), places.JOB_OUTPUT))
        if masks.hide(text) != text:
            warnings.append(f"Skip output '{name}' since it may contain secret.")
        else:
            found[name] = text
    if warnings and frame.job.records:
        _warn(frame.job, warnings)
    return found, warnings


def _warn(job: JobState, warnings: list[str]) -> None:
    last = job.records[-1]
    remarks = tuple(Annotation("warning", text) for text in warnings)
    job.records[-1] = replace(last, annotations=last.annotations + remarks)
