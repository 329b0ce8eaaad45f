"""One step, from its condition to its result and its place in the record.

Assumed: retries do not wait here, where the service waits 1, 4, 9 … seconds.
"""

from __future__ import annotations

import time

from workflow_replay.azure.expressions import ExpressionError
from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.running import script_running, task_running
from workflow_replay.azure.running.attempt import Attempt
from workflow_replay.azure.running.conditions import judge_step
from workflow_replay.azure.running.job_state import JobState
from workflow_replay.azure.running.results import Result, conclusion
from workflow_replay.azure.running.scripts import script_of
from workflow_replay.azure.running.sink import Sink
from workflow_replay.effects import EffectFailed
from workflow_replay.record import StepRun


def run_step(step: Step, state: JobState) -> StepRun:
    """Run a step of a job, or pass it over, and let it count for the job.

    Raises WorkflowError and UnknownStep for what cannot be replayed.
    """
    name = shown_name(step, state)
    state.notice_cancellation()
    done = _passed_over(step, state, name) or _run(step, state, name)
    state.session.listener.step_ended(state.id, done)
    return done


def shown_name(step: Step, state: JobState) -> str:
    """Return the name that people see: the step's own, or what it does."""
    if step.display_name:
        return state.variables.expand(step.display_name)
    if step.name:
        return step.name
    first = next((line.strip() for line in step.subject.splitlines() if line.strip()), step.kind)
    return first if step.kind == "task" else f"{step.kind}: {first}"


def _passed_over(step: Step, state: JobState, name: str) -> StepRun | None:
    """Return the record of a step that does not run; a condition that cannot be evaluated fails it."""
    if state.variables.expand(step.enabled).lower() != "true":
        return StepRun(name, "skipped", "skipped", reason="disabled")
    try:
        verdict = judge_step(step.condition, state.status, state.variables)
    except ExpressionError as error:
        state.merge(Result.FAILED)
        return StepRun(name, "failure", "failure", reason=f"its condition cannot be evaluated: {error.message}")
    return None if verdict.runs else StepRun(name, "skipped", "skipped", reason=verdict.reason)


def _run(step: Step, state: JobState, name: str) -> StepRun:
    order = state.session.order.next()
    state.session.listener.step_began(state.id, name)
    begun = time.monotonic()
    sink = _sink(step, state, name)
    attempt = _with_retries(step, state, sink)
    result = attempt.result
    if result is Result.FAILED and state.variables.expand(step.continue_on_error).lower() == "true":
        result = Result.SUCCEEDED_WITH_ISSUES
    state.merge(result)
    for path in sink.paths:
        state.prepend(path)
    state.outputs |= {f"{step.name}.{key}": value for key, value in sink.outputs.items() if step.name}
    hide = state.session.masks.hide
    return StepRun(
        name=hide(name),
        conclusion=conclusion(result),
        outcome=conclusion(attempt.result),
        order=order,
        script=attempt.script and hide(attempt.script),
        uses=attempt.uses,
        exit_code=attempt.exit_code,
        output=tuple(sink.lines),
        outputs={key: hide(value) for key, value in sink.outputs.items()},
        summary=hide(sink.summary),
        annotations=tuple(sink.annotations),
        seconds=time.monotonic() - begun,
    )


def _sink(step: Step, state: JobState, name: str) -> Sink:
    session = state.session

    def tell(line: str) -> None:
        session.listener.line(state.id, name, line)

    return Sink(step.name, state.variables, session.masks, session.artifacts, session.tags, tell)


def _with_retries(step: Step, state: JobState, sink: Sink) -> Attempt:
    attempt = _attempt(step, state, sink)
    for number in range(1, step.retries + 1):
        if attempt.result is not Result.FAILED:
            break
        sink.annotate("warning", f"The step failed and is tried again ({number} of {step.retries})")
        sink.forget_result()
        attempt = _attempt(step, state, sink)
    return attempt


def _attempt(step: Step, state: JobState, sink: Sink) -> Attempt:
    subject = state.variables.expand(step.subject)
    inputs = {key: state.variables.expand(value) for key, value in step.inputs.items()}
    try:
        script = script_of(step, subject, inputs)
    except EffectFailed as error:
        sink.annotate("error", str(error))
        return Attempt(Result.FAILED, uses=subject)
    if script is not None:
        return script_running.run(step, script, subject, inputs, state, sink)
    return task_running.run(step, subject, inputs, state, sink)
