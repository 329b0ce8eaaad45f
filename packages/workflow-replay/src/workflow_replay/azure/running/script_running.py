"""A step that is a script: written to a file, run by its program in its folder, and judged by how it ended.

Assumed: a step after a cancellation has five minutes.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.running.attempt import Attempt, judged
from workflow_replay.azure.running.job_state import JobState
from workflow_replay.azure.running.results import Result
from workflow_replay.azure.running.scripts import Script
from workflow_replay.azure.running.sink import Sink
from workflow_replay.azure.running.task_running import play
from workflow_replay.effects import EffectFailed
from workflow_replay.shell import ShellResult, run_script
from workflow_replay.stopping import Cancellation

AFTER_CANCELLATION_SECONDS = 300.0
_SECONDS_IN_MINUTE = 60.0
_LOGS_IN = "azurecli"


def run(step: Step, script: Script, subject: str, inputs: dict[str, str], state: JobState, sink: Sink) -> Attempt:
    """Run a script once; `subject` and `inputs` are the step's, without macros. Raises UnknownStep."""
    uses = subject if step.kind == "task" else None
    own = {key: state.variables.expand(value) for key, value in step.environment.items()}
    variables = state.environment(own)
    if uses and uses.partition("@")[0].lower() == _LOGS_IN:
        try:
            variables |= play(step, subject, inputs, state, sink).variables
        except EffectFailed as error:
            sink.annotate("error", str(error))
            return Attempt(Result.FAILED, uses=uses)
    folder = state.default_folder() / script.folder
    if not folder.is_dir():
        sink.annotate("error", f"Not found workingDirectory: {folder}")
        return Attempt(Result.FAILED, script=script.shown, uses=uses)
    done = _shell(step, script, folder, variables, state, sink)
    return Attempt(_ended(done, state, sink), done.exit_code, script.shown, uses)


def _shell(
    step: Step, script: Script, folder: Path, variables: dict[str, str], state: JobState, sink: Sink
) -> ShellResult:
    written = state.folders.temporary / f"{uuid4()}{script.suffix}"
    written.write_text(script.text, encoding="utf-8")
    own = step.timeout_minutes * _SECONDS_IN_MINUTE or float("inf")
    if state.cancellation.is_cancelled:
        limit, cancellation = AFTER_CANCELLATION_SECONDS, Cancellation()
    else:
        limit, cancellation = state.remaining(), state.cancellation
    command = script.command(written)
    done = run_script(command, folder, variables, sink.line, cancellation, min(own, limit), state.leftovers)
    if done.ending == "timed out" and limit < own:
        # The job's time is over, not the step's.
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
        sink.annotate("error", f"Script exited with code '{done.exit_code}'.")
        return Result.FAILED
    return judged(sink)
