"""Steps one after the other: conditions, variables, timeouts, what each came to. What a step does is left to others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from workflow_replay.errors import WorkflowError
from workflow_replay.github.expressions.failures import ExpressionError
from workflow_replay.github.expressions.templates import holds
from workflow_replay.github.expressions.values import to_number, to_text, truthy
from workflow_replay.github.running import composite, scripts
from workflow_replay.github.running.frame import Frame
from workflow_replay.github.running.played import play
from workflow_replay.github.running.step_log import StepLog
from workflow_replay.github.running.work import Work
from workflow_replay.github.workflow import Step
from workflow_replay.record import Conclusion, StepRun
from workflow_replay.stopping import Cancellation

_LONGEST_NAME: Final = 80
_SECONDS_A_MINUTE: Final = 60


def run_steps(frame: Frame, steps: Sequence[Step]) -> None:
    """Run steps in a frame; what they come to is in the job's records and in the frame's status."""
    for step in steps:
        _run_step(frame, step)


@dataclass(frozen=True)
class _Begun:
    """A step that has begun; `place` is where it stands among the job's records: before the steps inside it."""

    frame: Frame
    step: Step
    name: str
    log: StepLog
    order: int
    place: int
    since: float


@dataclass(frozen=True)
class _Ended:
    """What a step came to; `tolerated` says that its failure does not count."""

    outcome: Conclusion
    work: Work = field(default_factory=Work)
    tolerated: bool = False


def _run_step(frame: Frame, step: Step) -> None:
    try:
        env = frame.texts(step.env, frame.scope())
        name = _name(frame, step, env)
        if not _holds(frame, step, env):
            _skip(frame, step, name)
            return
    except WorkflowError as error:
        begun = _begin(frame, step, _plain_name(step))
        begun.log.wrong(error.message)
        _close(begun, _Ended("failure"))
        return
    begun = _begin(frame, step, name)
    _close(begun, _perform(begun, env))


def _begin(frame: Frame, step: Step, name: str) -> _Begun:
    job = frame.job
    shown = job.session.masks.hide(frame.prefix + name)
    listener = job.session.surroundings.listener
    log = StepLog(job.session.masks, lambda text: listener.line(job.id, shown, text))
    listener.step_began(job.id, shown)
    return _Begun(frame, step, name, log, job.session.order.next(), len(job.records), time.monotonic())


def _perform(begun: _Begun, env: dict[str, str]) -> _Ended:
    """Do what a step is there for."""
    frame, step, log = begun.frame, begun.step, begun.log
    tolerated = False
    try:
        scope = frame.scope(env)
        tolerated = truthy(frame.value(step.continue_on_error, scope))
        minutes = frame.value(step.timeout, scope)
        work = _work(begun, env, None if minutes is None else to_number(minutes) * _SECONDS_A_MINUTE)
    except WorkflowError as error:
        log.wrong(error.message)
        return _Ended("failure", tolerated=tolerated)
    if work.ending == "cancelled":
        log.wrong("The operation was canceled.")
        return _Ended("cancelled", work)
    if work.ending == "timed out":
        log.wrong(f"The action {begun.name!r} has timed out after {to_text(minutes)} minutes.")
        return _Ended("failure", work, tolerated)
    if log.broken is not None:
        log.wrong(log.broken)
    failed = work.failed or log.broken is not None
    return _Ended("failure" if failed else "success", work, tolerated)


def _work(begun: _Begun, env: dict[str, str], seconds: float | None) -> Work:
    frame, step = begun.frame, begun.step
    if step.run is not None:
        return scripts.run(frame, step, env, begun.log, _cancellation(frame, step, env), seconds)
    if step.uses is not None and step.uses.startswith("./"):
        return composite.run(frame, step, env, begun.log, run_steps, begun.name)
    return play(frame, step, env, begun.log, begun.name)


def _close(begun: _Begun, ended: _Ended) -> None:
    """Write down what a step came to, and let those after it see that."""
    frame, work, job = begun.frame, ended.work, begun.frame.job
    conclusion: Conclusion = "success" if ended.tolerated and ended.outcome == "failure" else ended.outcome
    outputs = {**begun.log.outputs, **work.outputs}
    job.exported.update(work.variables)
    job.paths[:0] = reversed(work.paths)
    if conclusion == "failure" and frame.status == "success":
        frame.status = "failure"
    _remember(frame, begun.step, outputs, ended.outcome, conclusion)
    masks = job.session.masks
    run = StepRun(
        name=masks.hide(frame.prefix + begun.name),
        conclusion=conclusion,
        outcome=ended.outcome,
        order=begun.order,
        script=None if work.script is None else masks.hide(work.script),
        uses=work.uses,
        exit_code=work.exit_code,
        output=begun.log.lines,
        outputs={key: masks.hide(value) for key, value in outputs.items()},
        summary=masks.hide(work.summary),
        annotations=begun.log.annotations,
        seconds=time.monotonic() - begun.since,
    )
    job.records.insert(begun.place, run)
    job.session.surroundings.listener.step_ended(job.id, run)


def _skip(frame: Frame, step: Step, name: str) -> None:
    _remember(frame, step, {}, "skipped", "skipped")
    expression = step.condition.expression
    reason = f"if: {expression}" if expression else "an earlier step did not succeed"
    run = StepRun(frame.prefix + name, "skipped", "skipped", reason=reason)
    frame.job.records.append(run)
    frame.job.session.surroundings.listener.step_ended(frame.job.id, run)


def _remember(frame: Frame, step: Step, outputs: dict[str, str], outcome: Conclusion, conclusion: Conclusion) -> None:
    # Steps without an id are not for expressions to name.
    if step.id is not None:
        frame.steps[step.id] = {"outputs": dict(outputs), "outcome": outcome, "conclusion": conclusion}


def _holds(frame: Frame, step: Step, env: dict[str, str], *, as_if_cancelled: bool = False) -> bool:
    scope = frame.scope(env, as_if_cancelled=as_if_cancelled)
    try:
        return holds(step.condition.expression, frame.condition_place, scope)
    except ExpressionError as error:
        raise WorkflowError(frame.file, step.condition.line, str(error)) from error


def _cancellation(frame: Frame, step: Step, env: dict[str, str]) -> Cancellation:
    """What ends a step early: nothing for one that is to run although, or because, the job was cancelled."""
    if _holds(frame, step, env, as_if_cancelled=True):
        return Cancellation()
    return frame.job.cancellation


def _name(frame: Frame, step: Step, env: dict[str, str]) -> str:
    if step.name is not None:
        return to_text(frame.value(step.name, frame.scope(env))) or _plain_name(step)
    return _plain_name(step)


def _plain_name(step: Step) -> str:
    """What GitHub calls a step that has no name."""
    if step.uses is not None:
        return f"Run {step.uses}"
    text = str(step.run.value if step.run else "").strip()
    first = text.splitlines()[0].strip() if text else ""
    return f"Run {first if len(first) <= _LONGEST_NAME else first[: _LONGEST_NAME - 3] + '...'}"
