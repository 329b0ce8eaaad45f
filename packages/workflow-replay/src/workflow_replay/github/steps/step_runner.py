"""Runs the steps of a job one after the other: conditions, variables, timeouts, results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from workflow_replay.cancellation import Cancellation
from workflow_replay.errors import Limit, Unreplayable, WorkflowError
from workflow_replay.github.definition.model import LOCAL, Step
from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.templates import holds
from workflow_replay.github.expressions.values import to_number, to_text, truthy
from workflow_replay.github.steps import composite_action, script_step
from workflow_replay.github.steps.frame import Frame
from workflow_replay.github.steps.simulated_action import simulate
from workflow_replay.github.steps.step_execution import StepExecution
from workflow_replay.github.steps.step_log import StepLog
from workflow_replay.result import Conclusion, StepRun

_MAX_NAME_LENGTH: Final = 80
_SECONDS_PER_MINUTE: Final = 60


def run_steps(frame: Frame, steps: Sequence[Step]) -> None:
    """Run steps. Their results are added to the job's records and to the frame's status."""
    for step in steps:
        _run_step(frame, step)


@dataclass(frozen=True)
class _Started:
    """A step that has started; `index` is its position in the job's records, before the steps within it."""

    frame: Frame
    step: Step
    name: str
    log: StepLog
    order: int
    index: int
    since: float


@dataclass(frozen=True)
class _Finished:
    """How a step ended; a failure that is `ignored` does not fail the job (continue-on-error)."""

    outcome: Conclusion
    execution: StepExecution = field(default_factory=StepExecution)
    ignored: bool = False
    limit: Limit | None = None


def _run_step(frame: Frame, step: Step) -> None:
    try:
        env = frame.texts(step.env, frame.scope())
        name = _name(frame, step, env)
        if not _holds(frame, step, env):
            _skip(frame, step, name)
            return
    except WorkflowError as error:
        started = _start(frame, step, _default_name(step))
        started.log.add_error(error.message)
        _finish(started, _Finished("failure"))
        return
    started = _start(frame, step, name)
    _finish(started, _run(started, env))


def _start(frame: Frame, step: Step, name: str) -> _Started:
    job = frame.job
    display_name = job.session.masks.hide(frame.prefix + name)
    listener = job.session.host.listener
    log = StepLog(job.session.masks, lambda text: listener.line(job.id, display_name, text))
    listener.step_started(job.id, display_name)
    return _Started(frame, step, name, log, job.session.order.next(), len(job.records), time.monotonic())


def _run(started: _Started, env: dict[str, str]) -> _Finished:
    """Run a step according to its kind."""
    frame, step, log = started.frame, started.step, started.log
    ignored = False
    try:
        scope = frame.scope(env)
        ignored = truthy(frame.value(step.continue_on_error, scope))
        minutes = frame.value(step.timeout, scope)
        execution = _run_by_kind(started, env, None if minutes is None else to_number(minutes) * _SECONDS_PER_MINUTE)
    except WorkflowError as error:
        log.add_error(error.message)
        return _Finished("failure", ignored=ignored)
    except Unreplayable as error:
        log.add_error(error.message)
        return _Finished("failure", ignored=ignored, limit=error.limit)
    if execution.termination == "cancelled":
        log.add_error("The operation was canceled.")
        return _Finished("cancelled", execution)
    if execution.termination == "timed out":
        log.add_error(f"The action {started.name!r} has timed out after {to_text(minutes)} minutes.")
        return _Finished("failure", execution, ignored)
    if log.command_error is not None:
        log.add_error(log.command_error)
    failed = execution.failed or log.command_error is not None
    return _Finished("failure" if failed else "success", execution, ignored)


def _run_by_kind(started: _Started, env: dict[str, str], seconds: float | None) -> StepExecution:
    frame, step = started.frame, started.step
    if step.run is not None:
        return script_step.run(frame, step, env, started.log, _cancellation(frame, step, env), seconds)
    if step.uses is not None and step.uses.startswith(LOCAL) and step.action_name not in frame.job.session.effects:
        return composite_action.run(frame, step, env, started.log, run_steps, started.name)
    return simulate(frame, step, env, started.log, started.name)


def _finish(started: _Started, finished: _Finished) -> None:
    """Record how a step ended, for the result and for later steps."""
    frame, execution, job = started.frame, finished.execution, started.frame.job
    conclusion: Conclusion = "success" if finished.ignored and finished.outcome == "failure" else finished.outcome
    outputs = {**started.log.outputs, **execution.outputs}
    job.exported.update(execution.variables)
    job.paths[:0] = reversed(execution.paths)
    if conclusion == "failure" and frame.status == "success":
        frame.status = "failure"
    _set_context(frame, started.step, outputs, finished.outcome, conclusion)
    masks = job.session.masks
    run = StepRun(
        name=masks.hide(frame.prefix + started.name),
        conclusion=conclusion,
        outcome=finished.outcome,
        order=started.order,
        script=None if execution.script is None else masks.hide(execution.script),
        uses=execution.uses,
        exit_code=execution.exit_code,
        output=started.log.lines,
        outputs={key: masks.hide(value) for key, value in outputs.items()},
        summary=masks.hide(execution.summary),
        annotations=started.log.annotations,
        seconds=time.monotonic() - started.since,
        limit=finished.limit,
    )
    job.records.insert(started.index, run)
    job.session.host.listener.step_finished(job.id, run)


def _skip(frame: Frame, step: Step, name: str) -> None:
    _set_context(frame, step, {}, "skipped", "skipped")
    expression = step.condition.expression
    reason = f"if: {expression}" if expression else "an earlier step did not succeed"
    run = StepRun(frame.prefix + name, "skipped", "skipped", reason=reason)
    frame.job.records.append(run)
    frame.job.session.host.listener.step_finished(frame.job.id, run)


def _set_context(
    frame: Frame, step: Step, outputs: dict[str, str], outcome: Conclusion, conclusion: Conclusion
) -> None:
    # Expressions can refer only to steps with an id.
    if step.id is not None:
        frame.steps[step.id] = {"outputs": dict(outputs), "outcome": outcome, "conclusion": conclusion}


def _holds(frame: Frame, step: Step, env: dict[str, str], *, as_if_cancelled: bool = False) -> bool:
    scope = frame.scope(env, as_if_cancelled=as_if_cancelled)
    try:
        return holds(step.condition.expression, frame.condition_available, scope)
    except ExpressionError as error:
        raise WorkflowError(frame.file, step.condition.line, str(error)) from error


def _cancellation(frame: Frame, step: Step, env: dict[str, str]) -> Cancellation:
    """What cancels a step: nothing if its condition is true for a cancelled job."""
    if _holds(frame, step, env, as_if_cancelled=True):
        return Cancellation()
    return frame.job.cancellation


def _name(frame: Frame, step: Step, env: dict[str, str]) -> str:
    if step.name is not None:
        return to_text(frame.value(step.name, frame.scope(env))) or _default_name(step)
    return _default_name(step)


def _default_name(step: Step) -> str:
    """GitHub's name for a step without one."""
    if step.uses is not None:
        return f"Run {step.uses}"
    text = str(step.run.value if step.run else "").strip()
    first = text.splitlines()[0].strip() if text else ""
    return f"Run {first if len(first) <= _MAX_NAME_LENGTH else first[: _MAX_NAME_LENGTH - 3] + '...'}"
