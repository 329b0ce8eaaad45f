"""One step, from its condition to its result: a script in a shell, a task by its effect, or git and files.

Assumed: retries do not wait here, where the service waits 1, 4, 9 … seconds; a clone has one commit unless
`fetchDepth: 0` says all, as in pipelines made since 2022; a step after a cancellation has five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from workflow_replay.azure.expressions import ExpressionError
from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.running.conditions import step_runs
from workflow_replay.azure.running.job_state import JobState
from workflow_replay.azure.running.results import Result, conclusion
from workflow_replay.azure.running.scripts import Script, script_of
from workflow_replay.azure.running.sink import Sink
from workflow_replay.checkout import check_out
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.errors import RepositoryError
from workflow_replay.record import StepRun
from workflow_replay.shell import ShellResult, run_script
from workflow_replay.stopping import Cancellation

AFTER_CANCELLATION_SECONDS = 300.0
DEFAULT_DEPTH = 1
_SECONDS_IN_MINUTE = 60.0


@dataclass
class _Attempt:
    """What one try of a step came to."""

    result: Result
    exit_code: int | None = None
    script: str | None = None
    uses: str | None = None


def run_step(step: Step, state: JobState) -> StepRun:
    """Run a step of a job, or pass it over, and let it count for the job.

    Raises WorkflowError and UnknownStep for what cannot be replayed.
    """
    name = shown_name(step, state)
    listener = state.session.listener
    state.notice_cancellation()
    reason = _why_not(step, state)
    if reason:
        passed = StepRun(name, "skipped", "skipped", reason=reason)
        listener.step_ended(state.id, passed)
        return passed
    order = state.session.order.next()
    listener.step_began(state.id, name)
    begun = time.monotonic()
    sink = _sink(state, name)
    sink.step_name = step.name
    attempt = _with_retries(step, state, sink)
    result = attempt.result
    if result is Result.FAILED and state.variables.expand(step.continue_on_error).lower() == "true":
        result = Result.SUCCEEDED_WITH_ISSUES
    state.merge(result)
    for path in sink.paths:
        state.prepend(path)
    state.outputs |= {f"{step.name}.{key}": value for key, value in sink.outputs.items() if step.name}
    done = StepRun(
        name=name,
        conclusion=conclusion(result),
        outcome=conclusion(attempt.result),
        order=order,
        script=attempt.script and state.session.masks.hide(attempt.script),
        uses=attempt.uses,
        exit_code=attempt.exit_code,
        output=tuple(sink.lines),
        outputs=dict(sink.outputs),
        summary=state.session.masks.hide(sink.summary),
        annotations=tuple(sink.annotations),
        seconds=time.monotonic() - begun,
    )
    listener.step_ended(state.id, done)
    return done


def shown_name(step: Step, state: JobState) -> str:
    """Return the name that people see: the step's own, or what it does."""
    if step.display_name:
        return state.variables.expand(step.display_name)
    if step.name:
        return step.name
    first = next((line.strip() for line in step.subject.splitlines() if line.strip()), step.kind)
    return first if step.kind == "task" else f"{step.kind}: {first}"


def _why_not(step: Step, state: JobState) -> str:
    """Return why a step is passed over, empty when it runs; a condition that cannot be evaluated fails the job."""
    if state.variables.expand(step.enabled).lower() != "true":
        return "disabled"
    try:
        runs = step_runs(step.condition, state.status, state.variables)
    except ExpressionError as error:
        state.merge(Result.FAILED)
        return f"its condition cannot be evaluated: {error.message}"
    return "" if runs else f"condition {step.condition or 'succeeded()'} does not hold"


def _sink(state: JobState, name: str) -> Sink:
    session = state.session
    return Sink(
        state.variables, session.masks, session.artifacts, session.tags,
        lambda line: session.listener.line(state.id, name, line),
    )  # fmt: skip


def _with_retries(step: Step, state: JobState, sink: Sink) -> _Attempt:
    attempt = _attempt(step, state, sink)
    for number in range(1, step.retries + 1):
        if attempt.result is not Result.FAILED:
            break
        sink.annotate("warning", f"The step failed and is tried again ({number} of {step.retries})")
        sink.completed, sink.refused = None, False
        attempt = _attempt(step, state, sink)
    return attempt


def _attempt(step: Step, state: JobState, sink: Sink) -> _Attempt:
    expand = state.variables.expand
    subject = expand(step.subject)
    inputs = {key: expand(value) for key, value in step.inputs.items()}
    script = script_of(step, subject, inputs)
    if script is not None:
        return _script(step, script, subject, inputs, state, sink)
    uses = subject if step.kind == "task" else step.kind
    try:
        _other(step, subject, inputs, state, sink)
    except (EffectFailed, RepositoryError) as error:
        sink.annotate("error", str(error))
        return _Attempt(Result.FAILED, uses=uses)
    return _Attempt(_judged(Result.SUCCEEDED, sink), uses=uses)


def _script(step: Step, script: Script, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> _Attempt:
    variables = state.environment({key: state.variables.expand(value) for key, value in step.environment.items()})
    uses = subject if step.kind == "task" else None
    if uses and uses.partition("@")[0].lower() == "azurecli":
        try:
            variables |= _effect(step, subject, inputs, state, sink).variables
        except EffectFailed as error:
            sink.annotate("error", str(error))
            return _Attempt(Result.FAILED, uses=uses)
    folder = state.default_folder() / script.folder
    if not folder.is_dir():
        sink.annotate("error", f"Not found workingDirectory: {folder}")
        return _Attempt(Result.FAILED, script=script.shown, uses=uses)
    written = state.folders.temporary / f"{uuid4()}{script.suffix}"
    written.write_text(script.text, encoding="utf-8")
    done = _shell(step, script.command(written), folder, variables, state, sink.line)
    return _Attempt(_ended(done, state, sink), done.exit_code, script.shown, uses)


def _shell(
    step: Step,
    command: tuple[str, ...],
    folder: Path,
    variables: dict[str, str],
    state: JobState,
    on_line: Callable[[str], None],
) -> ShellResult:
    own = step.timeout_minutes * _SECONDS_IN_MINUTE or float("inf")
    if state.cancellation.is_cancelled:
        limit, cancellation = AFTER_CANCELLATION_SECONDS, Cancellation()
    else:
        limit, cancellation = state.remaining(), state.cancellation
    done = run_script(command, folder, variables, on_line, cancellation, min(own, limit), state.leftovers)
    if done.ending == "timed out" and limit < own:
        state.cancellation.cancel()
    return done


def _ended(done: ShellResult, state: JobState, sink: Sink) -> Result:
    if done.ending == "timed out":
        over = state.cancellation.is_cancelled
        sink.annotate("error", f"The {'job' if over else 'step'} ran longer than its time and was stopped.")
        return Result.CANCELED if over else Result.FAILED
    if done.ending == "cancelled":
        sink.annotate("error", "The operation was canceled.")
        return Result.CANCELED
    if done.exit_code != 0:
        sink.annotate("error", f"Bash exited with code '{done.exit_code}'.")
        return Result.FAILED
    return _judged(Result.SUCCEEDED, sink)


def _judged(result: Result, sink: Sink) -> Result:
    """Return a good result after what the step said of itself."""
    if sink.refused:
        return Result.FAILED
    return sink.completed or result


def _other(step: Step, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> None:
    match step.kind:
        case "checkout":
            _check_out(step, subject, inputs, state, sink)
        case "download" if subject == "none":
            sink.say("nothing to download")
        case "download":
            _effect(step, "DownloadPipelineArtifact@2", _download_inputs(subject, inputs, state), state, sink)
        case "publish":
            _effect(step, "PublishPipelineArtifact@1", {"path": subject, **inputs}, state, sink)
        case _:
            _effect(step, subject, inputs, state, sink)


def _download_inputs(subject: str, inputs: dict[str, str], state: JobState) -> dict[str, str]:
    artifact = inputs.get("artifact", "")
    path = inputs.get("path") or str(state.folders.workspace / artifact)
    return {"source": subject, "artifact": artifact, "patterns": inputs.get("patterns", ""), "path": path}


def _effect(step: Step, task: str, inputs: dict[str, str], state: JobState, sink: Sink) -> EffectResult:
    name = task.partition("@")[0]
    done = state.session.effects.named(name, str(step.place))(inputs, _context(step, state, sink))
    for mask in done.masks:
        state.session.masks.add(mask)
    if name.lower() == "azurecli":
        return done
    for key, value in done.outputs.items():
        sink.output(key, value)
    state.variables.put_all(done.variables)
    sink.paths += done.paths
    if done.at_end is not None:
        state.endings.append(done.at_end)
    return done


def _context(step: Step, state: JobState, sink: Sink) -> EffectContext:
    facts = state.session.facts
    environment = state.instance.job.environment
    own = {key: state.variables.expand(value) for key, value in step.environment.items()}
    return EffectContext(
        repository=facts.repository,
        commit=facts.commit,
        ref=facts.ref,
        workspace=state.folders.workspace,
        temporary=state.folders.temporary,
        artifacts=state.session.artifacts,
        variables=state.environment(own),
        say=sink.say,
        token=state.variables.get("System.AccessToken") or "",
        job=state.id,
        environment=environment.name if environment else None,
        event=facts.reason,
    )


def _check_out(step: Step, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> None:
    if subject == "none":
        return
    if subject != "self":
        raise step.place.wrong(f"Only `checkout: self` can be replayed, not {subject}")
    target = state.folders.workspace / (inputs.get("path") or "s")
    if state.sources is not None:
        sink.say(f"{state.sources} is checked out already")
        return
    depth = int(inputs.get("fetchDepth") or DEFAULT_DEPTH)
    facts = state.session.facts
    check_out(facts.repository, facts.commit, target, depth=depth or None)
    state.sources = target
    for name in ("Build.SourcesDirectory", "Build.Repository.LocalPath", "System.DefaultWorkingDirectory"):
        state.variables.put(name, str(target))
    sink.say(f"checked out {facts.commit}")
