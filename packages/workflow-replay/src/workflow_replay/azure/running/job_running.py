"""One job that runs: folders and variables of its own, its steps one after the other, and its end.

Variables come, the later over the earlier, from the pipeline's settings, the file's root, the stage, the job and its
leg of a matrix; those that the system sets cannot be changed by any of them. Runtime expressions are evaluated when
the job begins, in the order in which they are written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from workflow_replay.azure.expressions import Contexts, ExpressionError, Value, evaluate, missing, to_text
from workflow_replay.azure.expressions.syntax import INNER_VARIABLE
from workflow_replay.azure.expressions.values import to_number
from workflow_replay.azure.pipeline.model import DEFAULT_STAGE, Group, Stage, Step, Variables
from workflow_replay.azure.pipeline.variables import runtime_expression
from workflow_replay.azure.running.instances import Instance
from workflow_replay.azure.running.job_state import JobState
from workflow_replay.azure.running.predefined import WRITABLE, Folders, of_job, of_run, stand_in_id
from workflow_replay.azure.running.results import Result, conclusion
from workflow_replay.azure.running.session import Session
from workflow_replay.azure.running.step_running import run_step
from workflow_replay.azure.running.variable_store import VariableStore
from workflow_replay.effects import EffectFailed
from workflow_replay.record import JobRun, StepRun
from workflow_replay.stopping import Cancellation
from workflow_replay.tokens import TokenRequest

_SECONDS_IN_MINUTE = 60.0
NO_LIMIT_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class JobEnd:
    """What a job that ran came to; `outputs` are keyed "step.variable"."""

    run: JobRun
    result: Result
    outputs: Mapping[str, str]


def job_id(stage: Stage, job: str, key: str = "") -> str:
    """Return a job's id in the record: stage, job, and which of several."""
    parts = (stage.name if stage.name != DEFAULT_STAGE else "", job, key)
    return ".".join(part for part in parts if part)


def shown_job(stage: Stage, name: str) -> str:
    """Return a job's name for people, behind its stage's."""
    return name if stage.name == DEFAULT_STAGE else f"{stage.display_name or stage.name} / {name}"


def run_job(session: Session, stage: Stage, instance: Instance, names: Mapping[str, Value]) -> JobEnd:
    """Run a job; `names` are the contexts of its runtime expressions.

    Raises WorkflowError and UnknownStep for what cannot be replayed.
    """
    id_ = job_id(stage, instance.job.name, instance.key)
    with session.places:
        session.listener.job_began(id_)
        begun = time.monotonic()
        state = _state(session, stage, instance, id_)
        reason = _set_variables(state, stage, names)
        runs = _all_steps(state) if not reason else []
        reason = reason or _end(state)
        run = JobRun(
            id=id_,
            name=shown_job(stage, instance.display_name),
            conclusion=conclusion(state.status),
            outcome=conclusion(state.status),
            steps=tuple(runs),
            outputs={key: session.masks.hide(value) for key, value in state.outputs.items()},
            environment=instance.job.environment.name if instance.job.environment else None,
            seconds=time.monotonic() - begun,
            reason=reason or "; ".join(state.notes),
        )
        session.listener.job_ended(run)
    return JobEnd(run, state.status, state.outputs)


def base_variables(session: Session, *blocks: Variables) -> VariableStore:
    """Return the variables of the pipeline's settings, the system and some blocks, as conditions see them."""
    store = VariableStore(session.masks)
    around = session.surroundings
    store.put_all(around.variables)
    store.put_all(around.secrets, secret=True)
    for block in blocks:
        for entry in block:
            if isinstance(entry, Group):
                public, secret = session.group(entry)
                store.put_all(public)
                store.put_all(secret, secret=True)
            else:
                store.put(entry.name, entry.value)
    store.put_all(of_run(session.facts), read_only=True)
    return store


def _state(session: Session, stage: Stage, instance: Instance, id_: str) -> JobState:
    root = session.scratch / "jobs" / stand_in_id(id_)[:8]
    folders = Folders(root / "1", root / "_temp", root / "_tool")
    folders.make()
    minutes = instance.job.timeout_minutes
    deadline = time.monotonic() + (minutes * _SECONDS_IN_MINUTE or NO_LIMIT_SECONDS)
    variables = base_variables(session, session.pipeline.variables, stage.variables, instance.job.variables)
    # A job that runs although the run is cancelled is not stopped by that.
    above = None if session.cancellation.is_cancelled else session.cancellation
    return JobState(id_, session, instance, folders, variables, Cancellation(above), deadline)


def _set_variables(state: JobState, stage: Stage, names: Mapping[str, Value]) -> str:
    """Set the variables of a job; returns what is wrong with one of them, empty when nothing is."""
    variables, session = state.variables, state.session
    variables.put_all(state.instance.variables)
    for name, value in of_job(session.facts, stage, state.instance, state.folders).items():
        variables.put(name, value, read_only=name.casefold() not in WRITABLE)
    # What the build service may do is settled in the project, not in the file.
    token = session.surroundings.tokens(TokenRequest(state.id, {}))
    variables.put("System.AccessToken", token, secret=True, read_only=True)
    blocks = (session.pipeline.variables, stage.variables, state.instance.job.variables)
    for entry in (entry for block in blocks for entry in block):
        if isinstance(entry, Group):
            continue
        expression = runtime_expression(entry.value)
        # A block nearer to the job may have given the name another value.
        if expression is not None and variables.get(entry.name) == entry.value:
            try:
                variables.put(entry.name, to_text(_evaluated(expression, state, names)))
            except ExpressionError as error:
                state.merge(Result.FAILED)
                return f"{entry.place}: the variable {entry.name}: {error.message}"
        if entry.read_only:
            variables.put(entry.name, variables.get(entry.name) or "", read_only=True)
    return ""


def _evaluated(expression: str, state: JobState, names: Mapping[str, Value]) -> Value:
    counters = state.session.counters

    def counter(prefix: Value = "", seed: Value = 0.0) -> Value:
        return counters.value(to_text(prefix), to_number(seed))

    contexts = Contexts({**names, "variables": state.variables.context()}, {"counter": counter})
    nothing = missing(expression, INNER_VARIABLE, contexts)
    if nothing:
        state.notes.append(f"there is no {', no '.join(nothing)}")
    return evaluate(expression, INNER_VARIABLE, contexts)


def _all_steps(state: JobState) -> list[StepRun]:
    return [run_step(step, state) for step in (*_implied(state), *state.instance.steps)]


def _implied(state: JobState) -> tuple[Step, ...]:
    """Return the steps that nobody wrote: the checkout of a plain job, the download of a deployment."""
    kinds = {step.kind for step in state.instance.steps}
    place = state.instance.job.place
    if state.instance.hook is None:
        return () if "checkout" in kinds else (Step("checkout", "self", place),)
    has_artifacts = any(state.session.artifacts.iterdir()) if state.session.artifacts.is_dir() else False
    if state.instance.hook == "deploy" and "download" not in kinds and has_artifacts:
        return (Step("download", "current", place),)
    return ()


def _end(state: JobState) -> str:
    """Do what steps left for the end of the job, newest first; returns why one of them failed."""
    reasons: list[str] = []
    for ending in reversed(state.endings):
        try:
            ending()
        except EffectFailed as error:
            state.merge(Result.FAILED)
            reasons.append(str(error))
    state.leftovers.end()
    state.notice_cancellation()
    return "; ".join(reasons)
