"""Runs one job on a fresh runner: folders, token, contexts, steps, post steps and outputs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Timer
from typing import Final

from workflow_replay.cancellation import Cancellation
from workflow_replay.effects import EffectFailed
from workflow_replay.errors import Limit, WorkflowError
from workflow_replay.github.contexts import runner_context, write_event
from workflow_replay.github.definition import availability
from workflow_replay.github.definition.model import Job, Workflow
from workflow_replay.github.expressions.evaluation import Scope
from workflow_replay.github.expressions.values import CaseSensitive, Value, to_number, to_text
from workflow_replay.github.session import Session
from workflow_replay.github.steps.frame import Frame, JobState
from workflow_replay.github.steps.step_log import StepLog
from workflow_replay.github.steps.step_runner import run_steps
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Annotation, Conclusion, StepRun
from workflow_replay.tokens import TokenRequest

_DEFAULT_TIMEOUT_MINUTES: Final = 360.0
_SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True)
class Assignment:
    """A job, or one job of its matrix, ready to run. `contexts` are those of the job except `env`."""

    workflow: Workflow
    job: Job
    id: str
    contexts: Mapping[str, Value]
    scopes: Mapping[str, str]
    environment: str | None


@dataclass(frozen=True)
class JobOutcome:
    """The result of a job."""

    conclusion: Conclusion
    steps: tuple[StepRun, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    limit: Limit | None = None


def run_job(session: Session, assignment: Assignment, cancellation: Cancellation) -> JobOutcome:
    """Run a job; `cancellation` is its own. An invalid file fails the job, with a reason."""
    started = time.monotonic()
    try:
        frame = _frame(session, assignment, cancellation)
    except WorkflowError as error:
        return JobOutcome("failure", reason=error.message)
    job = frame.job
    try:
        timeout_message = _run_with_timeout(frame, assignment)
        _run_post_steps(frame)
        outputs, warnings = _outputs(frame, assignment)
    except WorkflowError as error:
        return JobOutcome("failure", tuple(job.records), reason=error.message, seconds=time.monotonic() - started)
    finally:
        job.background.kill()
    conclusion: Conclusion = "cancelled" if cancellation.is_cancelled else frame.status
    reason = timeout_message or "; ".join(warnings)
    return JobOutcome(conclusion, tuple(job.records), outputs, time.monotonic() - started, reason)


def _frame(session: Session, assignment: Assignment, cancellation: Cancellation) -> Frame:
    root = session.scratch / "jobs" / str(session.folders.next())
    host = session.host
    workspace = root / "work" / host.name / host.name
    temporary = root / "temp"
    tools = root / "tools"
    for folder in (workspace, temporary, tools):
        folder.mkdir(parents=True)
    write_event(session, temporary / "event.json")
    token = host.tokens(TokenRequest(assignment.id, assignment.scopes))
    session.masks.add(token)
    (root / "gitconfig").write_text(_git_settings(host))
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


def _git_settings(host: HostEnvironment) -> str:
    """Git's configuration on a fresh runner: no identity, but the caller's settings for reaching the remote."""
    found = "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
    included = host.environ.get("GIT_CONFIG_GLOBAL")
    return found + (f"[include]\n\tpath = {included}\n" if included else "")


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
    secrets = assignment.contexts["secrets"]
    with_token = {**(secrets if isinstance(secrets, dict) else {}), "GITHUB_TOKEN": state.token}
    return {**assignment.contexts, "github": known, "secrets": with_token, "runner": dict(state.runner)}


def _with_contexts(state: JobState, assignment: Assignment, contexts: Mapping[str, Value]) -> Frame:
    workflow, job = assignment.workflow, assignment.job
    frame = Frame(state, workflow.file, contexts, {}, availability.STEP, availability.STEP_IF)
    scope = Scope({**contexts, "env": CaseSensitive()})
    env = frame.texts(workflow.env, scope, availability.WORKFLOW_ENV)
    env |= frame.texts(job.env, scope, availability.JOB_ENV)
    frame.env = env
    defaults = frame.texts(workflow.defaults, scope, availability.WORKFLOW)
    defaults |= frame.texts(job.defaults, scope.updated(env=CaseSensitive(env)), availability.JOB_DEFAULTS)
    frame.shell = defaults.get("shell")
    frame.folder = defaults.get("working-directory")
    return frame


def _labels(assignment: Assignment) -> str:
    raw = assignment.job.runs_on
    if raw is None or not isinstance(raw.value, str):
        return ""
    return raw.value.lower()


def _run_with_timeout(frame: Frame, assignment: Assignment) -> str:
    """Run the steps; return an error message if they took too long."""
    minutes = frame.value(assignment.job.timeout, Scope(frame.contexts), availability.JOB)
    limit = _DEFAULT_TIMEOUT_MINUTES if minutes is None else to_number(minutes)
    messages: list[str] = []

    def cancel() -> None:
        messages.append(f"The job has exceeded the maximum execution time of {to_text(limit)} minutes.")
        frame.job.cancellation.cancel()

    timer = Timer(limit * _SECONDS_PER_MINUTE, cancel)
    timer.daemon = True
    timer.start()
    try:
        run_steps(frame, assignment.job.steps)
    finally:
        timer.cancel()
    return "".join(messages)


def _run_post_steps(frame: Frame) -> None:
    """Run what effects registered for the end of the job, newest first, whether steps failed or not."""
    job = frame.job
    listener = job.session.host.listener
    for name, post in reversed(job.post):
        log = StepLog(job.session.masks, lambda text, name=name: listener.line(job.id, name, text))
        order = job.session.order.next()
        listener.step_started(job.id, name)
        outcome: Conclusion = "success"
        try:
            post()
        except EffectFailed as error:
            log.add_error(str(error))
            outcome = frame.status = "failure"
        run = StepRun(name, outcome, outcome, order, output=log.lines, annotations=log.annotations)
        job.records.append(run)
        listener.step_finished(job.id, run)


def _outputs(frame: Frame, assignment: Assignment) -> tuple[dict[str, str], list[str]]:
    """The outputs of the job, and warnings about those that were dropped because they contain a secret."""
    masks = frame.job.session.masks
    found: dict[str, str] = {}
    warnings: list[str] = []
    for name, raw in assignment.job.outputs.items():
        text = to_text(frame.value(raw, frame.scope(), availability.JOB_OUTPUT))
        if masks.hide(text) != text:
            warnings.append(f"Skip output '{name}' since it may contain secret.")
        else:
            found[name] = text
    if warnings and frame.job.records:
        _warn(frame.job, warnings)
    return found, warnings


def _warn(job: JobState, warnings: list[str]) -> None:
    last = job.records[-1]
    annotations = tuple(Annotation("warning", text) for text in warnings)
    job.records[-1] = replace(last, annotations=last.annotations + annotations)
