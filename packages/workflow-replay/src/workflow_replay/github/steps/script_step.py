"""Steps with `run`: the script, with expressions evaluated, runs in a real shell."""

from __future__ import annotations

from pathlib import Path

from workflow_replay.cancellation import Cancellation
from workflow_replay.common.shell import ShellResult, require_program, run_script
from workflow_replay.github.definition.model import Step
from workflow_replay.github.expressions.values import to_text
from workflow_replay.github.steps.file_commands import CommandFiles, FileCommandError, FileCommands
from workflow_replay.github.steps.frame import Frame
from workflow_replay.github.steps.process_environment import process_environment
from workflow_replay.github.steps.shells import ShellError, shell
from workflow_replay.github.steps.step_execution import StepExecution
from workflow_replay.github.steps.step_log import StepLog


def run(
    frame: Frame,
    step: Step,
    env: dict[str, str],
    log: StepLog,
    cancellation: Cancellation,
    timeout_seconds: float | None,
) -> StepExecution:
    """Run the script of a step.

    Raises WorkflowError for invalid expressions, Unreplayable for a shell that is not installed.
    """
    scope = frame.scope(env)
    text = to_text(frame.value(step.run, scope))
    name = to_text(frame.value(step.shell, scope)) or frame.shell
    folder = _folder(frame, to_text(frame.value(step.working_directory, scope)) or frame.folder)
    job = frame.job
    try:
        program = shell(name, str(job.runner["os"]))
    except ShellError as error:
        log.add_error(str(error))
        return StepExecution(failed=True, script=text)
    if not folder.is_dir():
        log.add_error(f"The working directory {folder} does not exist. Was the repository checked out?")
        return StepExecution(failed=True, script=text)
    files = CommandFiles(job.temporary / f"step-{job.session.folders.next()}")
    script = files.folder / f"script{program.suffix}"
    script.write_text(text + "\n", encoding="utf-8")
    variables = {**process_environment(frame, env), **files.variables()}
    require_program(program.words[0], variables, f"{frame.file}:{step.line}")
    result = run_script(
        program.command(script), folder, variables, log.line, cancellation, timeout_seconds, job.background
    )
    return _execution(text, result, files, log)


def _execution(script: str, result: ShellResult, files: CommandFiles, log: StepLog) -> StepExecution:
    """What a script that ran did: its exit code, and its file commands."""
    failed = result.exit_code != 0
    try:
        written = files.read()
    except FileCommandError as error:
        log.add_error(f"Unable to process file command successfully. {error}")
        written = FileCommands({}, {}, (), "")
        failed = True
    if result.termination == "exited" and result.exit_code != 0:
        log.add_error(f"Process completed with exit code {result.exit_code}.")
    return StepExecution(
        failed=failed,
        termination=result.termination,
        script=script,
        exit_code=result.exit_code,
        outputs=written.outputs,
        variables=written.variables,
        paths=written.paths,
        summary=written.summary,
    )


def _folder(frame: Frame, name: str | None) -> Path:
    return frame.job.workspace / name if name else frame.job.workspace
