"""Runs one job: folders, variables, steps, post-job callbacks.

Variables come from the pipeline's settings, the root of the file, the stage, the job and the leg of a matrix. Later
ones override earlier ones, but no system variables. Runtime expressions are evaluated when the job starts, in the
order of the file.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from workflow_replay.azure.expressions import Contexts, ExpressionError, Value, evaluate, missing_references, to_text
from workflow_replay.azure.expressions.syntax import INNER_VARIABLE
from workflow_replay.azure.expressions.values import to_number
from workflow_replay.azure.ids import stable_id
from workflow_replay.azure.pipeline.model import DEFAULT_STAGE, Group, Stage, Step, Variables
from workflow_replay.azure.pipeline.variables import runtime_expression
from workflow_replay.azure.state.job_instances import Instance
from workflow_replay.azure.state.job_state import JobState
from workflow_replay.azure.state.predefined_variables import WRITABLE, Folders, job_variables, run_variables
from workflow_replay.azure.state.results import Result, conclusion
from workflow_replay.azure.state.session import Session
from workflow_replay.azure.state.variable_store import VariableStore
from workflow_replay.azure.steps.step_runner import run_step
from workflow_replay.cancellation import Cancellation
from workflow_replay.effects import EffectFailed
from workflow_replay.result import JobRun, StepRun
from workflow_replay.tokens import TokenRequest

_SECONDS_PER_MINUTE = 60.0
NO_LIMIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class JobResult:
    """The result of a job that ran; the keys of `outputs` are "step.variable"."""

    run: JobRun
    result: Result
    outputs: Mapping[str, str]


def job_id(stage: Stage, job: str, key: str = "") -> str:
    """Return the id of a job in the result: stage, job and key of the instance."""
    parts = (stage.name if stage.name != DEFAULT_STAGE else "", job, key)
    return ".".join(part for part in parts if part)


def job_display_name(stage: Stage, name: str) -> str:
    """Return the display name of a job, preceded by that of its stage."""
    return name if stage.name == DEFAULT_STAGE else f"{stage.display_name or stage.name} / {name}"


def run_job(session: Session, stage: Stage, instance: Instance, names: Mapping[str, Value]) -> JobResult:
    """Run a job; `names` are the contexts of its runtime expressions.

    Raises WorkflowError for what the service would reject.
    """
    id_ = job_id(stage, instance.job.name, instance.key)
    with session.slots:
        session.listener.job_started(id_)
        started = time.monotonic()
        state = _state(session, stage, instance, id_)
        reason = _set_variables(state, stage, names)
        steps = _run_steps(state) if not reason else []
        reason = reason or _finish(state)
        run = JobRun(
            id=id_,
            name=job_display_name(stage, instance.display_name),
            conclusion=conclusion(state.status),
            outcome=conclusion(state.status),
            steps=tuple(steps),
            outputs={key: session.masks.hide(value) for key, value in state.outputs.items()},
            environment=instance.job.environment.name if instance.job.environment else None,
            seconds=time.monotonic() - started,
            reason=reason or "; ".join(state.notes),
        )
        session.listener.job_finished(run)
    return JobResult(run, state.status, state.outputs)


def base_variables(session: Session, *blocks: Variables) -> VariableStore:
    """Return the variables that conditions see: those of the pipeline's settings, of `blocks`, and of the run."""
    store = VariableStore(session.masks)
    host = session.host
    store.put_all(host.variables)
    store.put_all(host.secrets, secret=True)
    for block in blocks:
        for entry in block:
            if isinstance(entry, Group):
                public, secret = session.group(entry)
                store.put_all(public)
                store.put_all(secret, secret=True)
            else:
                store.put(entry.name, entry.value)
    store.put_all(run_variables(session.facts), read_only=True)
    return store


def _state(session: Session, stage: Stage, instance: Instance, id_: str) -> JobState:
    root = session.scratch / "jobs" / stable_id(id_)[:8]
    folders = Folders(root / "1", root / "_temp", root / "_tool")
    folders.create()
    minutes = instance.job.timeout_minutes
    deadline = time.monotonic() + (minutes * _SECONDS_PER_MINUTE or NO_LIMIT_SECONDS)
    variables = base_variables(session, session.pipeline.variables, stage.variables, instance.job.variables)
    # A job that starts after the run was cancelled is not cancelled by that.
    parent = None if session.cancellation.is_cancelled else session.cancellation
    return JobState(id_, session, instance, folders, variables, Cancellation(parent), deadline)


def _set_variables(state: JobState, stage: Stage, names: Mapping[str, Value]) -> str:
    """Set the variables of a job; return an error message, empty if all are valid."""
    variables, session = state.variables, state.session
    variables.put_all(state.instance.variables)
    for name, value in job_variables(session.facts, stage, state.instance, state.folders).items():
        variables.put(name, value, read_only=name.casefold() not in WRITABLE)
    # The permissions of the build service are settings of the project, not of the file.
    token = session.host.tokens(TokenRequest(state.id, {}))
    variables.put("System.AccessToken", token, secret=True, read_only=True)
    blocks = (session.pipeline.variables, stage.variables, state.instance.job.variables)
    for entry in (entry for block in blocks for entry in block):
        if isinstance(entry, Group):
            continue
        expression = runtime_expression(entry.value)
        # A block closer to the job may have overridden the variable.
        if expression is not None and variables.get(entry.name) == entry.value:
            try:
                variables.put(entry.name, to_text(_evaluated(expression, state, names)))
            except ExpressionError as error:
                state.merge(Result.FAILED)
                return f"{entry.location}: the variable {entry.name}: {error.message}"
        if entry.read_only:
            variables.put(entry.name, variables.get(entry.name) or "", read_only=True)
    return ""


def _evaluated(expression: str, state: JobState, names: Mapping[str, Value]) -> Value:
    counters = state.session.counters

    def counter(prefix: Value = "", seed: Value = 0.0) -> Value:
        return counters.value(to_text(prefix), to_number(seed))

    contexts = Contexts({**names, "variables": state.variables.context()}, {"counter": counter})
    unknown = missing_references(expression, INNER_VARIABLE, contexts)
    if unknown:
        state.notes.append(f"unknown: {', '.join(unknown)}")
    return evaluate(expression, INNER_VARIABLE, contexts)


def _run_steps(state: JobState) -> list[StepRun]:
    return [run_step(step, state) for step in (*_implicit_steps(state), *state.instance.steps)]


def _implicit_steps(state: JobState) -> tuple[Step, ...]:
    """Return the implicit steps: the checkout of a job, the download of a deployment."""
    kinds = {step.kind for step in state.instance.steps}
    location = state.instance.job.location
    if state.instance.hook is None:
        return () if "checkout" in kinds else (Step("checkout", "self", location),)
    has_artifacts = any(state.session.artifacts.iterdir()) if state.session.artifacts.is_dir() else False
    if state.instance.hook == "deploy" and "download" not in kinds and has_artifacts:
        return (Step("download", "current", location),)
    return ()


def _finish(state: JobState) -> str:
    """Run the post-job callbacks of effects, newest first; return the errors."""
    reasons: list[str] = []
    for post in reversed(state.post):
        try:
            post()
        except EffectFailed as error:
            state.merge(Result.FAILED)
            reasons.append(str(error))
    state.background.kill()
    state.check_cancellation()
    return "; ".join(reasons)
