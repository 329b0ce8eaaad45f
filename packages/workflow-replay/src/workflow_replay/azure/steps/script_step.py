"""Steps that run a script: it is written to a file and run by a real shell.

Assumed here: a step that runs after a cancellation has five minutes.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from workflow_replay.azure.pipeline.model import Step
from workflow_replay.azure.state.job_state import JobState
from workflow_replay.azure.state.results import Result
from workflow_replay.azure.steps.attempt import Attempt, reported_result
from workflow_replay.azure.steps.shells import Script
from workflow_replay.azure.steps.step_output import StepOutput
from workflow_replay.azure.steps.task_step import simulate
from workflow_replay.cancellation import Cancellation
from workflow_replay.common.shell import ShellResult, require_program, run_script
from workflow_replay.effects import EffectFailed

AFTER_CANCELLATION_SECONDS = 300.0
_SECONDS_PER_MINUTE = 60.0
_LOGIN_TASK = "azurecli"


def run(
    step: Step, script: Script, subject: str, inputs: dict[str, str], state: JobState, output: StepOutput
) -> Attempt:
    """Run a script once; `subject` and `inputs` are those of the step, with macros expanded.

    Raises Unreplayable for a shell that is not installed.
    """
    uses = subject if step.kind == "task" else None
    own = {key: state.variables.expand(value) for key, value in step.environment.items()}
    variables = state.environment(own)
    if uses and uses.partition("@")[0].lower() == _LOGIN_TASK:
        try:
            variables |= simulate(step, subject, inputs, state, output).variables
        except EffectFailed as error:
            output.annotate("error", str(error))
            return Attempt(Result.FAILED, uses=uses)
    folder = state.default_folder() / script.folder
    if not folder.is_dir():
        output.annotate("error", f"Not found workingDirectory: {folder}")
        return Attempt(Result.FAILED, script=script.source, uses=uses)
    result = _run_shell(step, script, folder, variables, state, output)
    return Attempt(_result(result, state, output), result.exit_code, script.source, uses)


def _run_shell(
    step: Step, script: Script, folder: Path, variables: dict[str, str], state: JobState, output: StepOutput
) -> ShellResult:
    written = state.folders.temporary / f"{uuid4()}{script.suffix}"
    written.write_text(script.text, encoding="utf-8")
    own = step.timeout_minutes * _SECONDS_PER_MINUTE or float("inf")
    if state.cancellation.is_cancelled:
        limit, cancellation = AFTER_CANCELLATION_SECONDS, Cancellation()
    else:
        limit, cancellation = state.remaining(), state.cancellation
    command = script.command(written)
    require_program(command[0], variables, str(step.location))
    result = run_script(command, folder, variables, output.line, cancellation, min(own, limit), state.background)
    if result.termination == "timed out" and limit < own:
        # The job timed out, not the step.
        state.cancellation.cancel()
    return result


def _result(done: ShellResult, state: JobState, output: StepOutput) -> Result:
    if done.termination == "timed out":
        job_timed_out = state.cancellation.is_cancelled
        output.annotate("error", f"The {'job' if job_timed_out else 'step'} timed out and was stopped.")
        return Result.CANCELED if job_timed_out else Result.FAILED
    if done.termination == "cancelled":
        output.annotate("error", "The operation was canceled.")
        return Result.CANCELED
    if done.exit_code != 0:
        output.annotate("error", f"Script exited with code '{done.exit_code}'.")
        return Result.FAILED
    return reported_result(output)
