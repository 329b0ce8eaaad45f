"""Runs one step: condition, attempts, result.

Retries do not wait here; the service waits 1, 4, 9 … seconds.
"""

from __future__ import annotations

import time

from workflow_replay.azure.expressions import ExpressionError
from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.state.conditions import evaluate_step_condition
from workflow_replay.azure.state.job_state import JobState
from workflow_replay.azure.state.results import Result, conclusion
from workflow_replay.azure.steps import script_step, task_step
from workflow_replay.azure.steps.attempt import Attempt
from workflow_replay.azure.steps.shells import script_of
from workflow_replay.azure.steps.step_output import StepOutput
from workflow_replay.effects import EffectFailed
from workflow_replay.errors import Unreplayable
from workflow_replay.result import StepRun


def run_step(step: Step, state: JobState) -> StepRun:
    """Run or skip a step, and apply its result to the job. Raises WorkflowError for what the service would reject."""
    name = display_name(step, state)
    state.check_cancellation()
    run = _skipped(step, state, name) or _run(step, state, name)
    state.session.listener.step_finished(state.id, run)
    return run


def display_name(step: Step, state: JobState) -> str:
    """Return the display name of a step: its own, or a description."""
    if step.display_name:
        return state.variables.expand(step.display_name)
    if step.name:
        return step.name
    first = next((line.strip() for line in step.subject.splitlines() if line.strip()), step.kind)
    return first if step.kind == "task" else f"{step.kind}: {first}"


def _skipped(step: Step, state: JobState, name: str) -> StepRun | None:
    """Return the result of a step that does not run; a condition that cannot be evaluated fails it."""
    if state.variables.expand(step.enabled).lower() != "true":
        return StepRun(name, "skipped", "skipped", reason="disabled")
    try:
        condition = evaluate_step_condition(step.condition, state.status, state.variables)
    except ExpressionError as error:
        state.merge(Result.FAILED)
        return StepRun(name, "failure", "failure", reason=f"the condition cannot be evaluated: {error.message}")
    return None if condition.runs else StepRun(name, "skipped", "skipped", reason=condition.reason)


def _run(step: Step, state: JobState, name: str) -> StepRun:
    order = state.session.order.next()
    state.session.listener.step_started(state.id, name)
    started = time.monotonic()
    output = _step_output(step, state, name)
    attempt = _with_retries(step, state, output)
    result = attempt.result
    if result is Result.FAILED and state.variables.expand(step.continue_on_error).lower() == "true":
        result = Result.SUCCEEDED_WITH_ISSUES
    state.merge(result)
    for path in output.paths:
        state.prepend(path)
    state.outputs |= {f"{step.name}.{key}": value for key, value in output.outputs.items() if step.name}
    hide = state.session.masks.hide
    return StepRun(
        name=hide(name),
        conclusion=conclusion(result),
        outcome=conclusion(attempt.result),
        order=order,
        script=attempt.script and hide(attempt.script),
        uses=attempt.uses,
        exit_code=attempt.exit_code,
        output=tuple(output.lines),
        outputs={key: hide(value) for key, value in output.outputs.items()},
        summary=hide(output.summary),
        annotations=tuple(output.annotations),
        seconds=time.monotonic() - started,
        limit=attempt.limit,
    )


def _step_output(step: Step, state: JobState, name: str) -> StepOutput:
    session = state.session

    def on_line(line: str) -> None:
        session.listener.line(state.id, name, line)

    return StepOutput(step.name, state.variables, session.masks, session.artifacts, session.tags, on_line)


def _with_retries(step: Step, state: JobState, output: StepOutput) -> Attempt:
    attempt = _attempt(step, state, output)
    for number in range(1, step.retries + 1):
        if attempt.result is not Result.FAILED or attempt.limit is not None:
            break
        output.annotate("warning", f"The step failed; retry {number} of {step.retries}")
        output.reset_result()
        attempt = _attempt(step, state, output)
    return attempt


def _attempt(step: Step, state: JobState, output: StepOutput) -> Attempt:
    subject = state.variables.expand(step.subject)
    inputs = {key: state.variables.expand(value) for key, value in step.inputs.items()}
    try:
        if step.limit is not None:
            raise Unreplayable(step.limit)
        script = script_of(step, subject, inputs)
        if script is not None:
            return script_step.run(step, script, subject, inputs, state, output)
        return task_step.run(step, subject, inputs, state, output)
    except EffectFailed as error:
        output.annotate("error", str(error))
        return Attempt(Result.FAILED, uses=subject)
    except Unreplayable as error:
        output.annotate("error", error.message)
        return Attempt(Result.FAILED, limit=error.limit)
