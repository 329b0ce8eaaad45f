"""`run` steps: the text after all expressions, in a file, in a real shell."""

from __future__ import annotations

from pathlib import Path

from workflow_replay.github.expressions.values import to_text
from workflow_replay.github.running.file_commands import CommandFiles, FileCommandError, Written
from workflow_replay.github.running.frame import Frame
from workflow_replay.github.running.shells import ShellError, shell
from workflow_replay.github.running.step_log import StepLog
from workflow_replay.github.running.variables import process_variables
from workflow_replay.github.running.work import Work
from workflow_replay.github.workflow import Step
from workflow_replay.shell import run_script
from workflow_replay.stopping import Cancellation


def run(
    frame: Frame,
    step: Step,
    env: dict[str, str],
    log: StepLog,
    cancellation: Cancellation,
    timeout_seconds: float | None,
) -> Work:
    """Run a script. Raises WorkflowError for expressions that cannot be evaluated."""
    scope = frame.scope(env)
    text = to_text(frame.value(step.run, scope))
    name = to_text(frame.value(step.shell, scope)) or frame.shell
    folder = _folder(frame, to_text(frame.value(step.working_directory, scope)) or frame.folder)
    job = frame.job
    try:
        program = shell(name, str(job.runner["os"]))
    except ShellError as error:
        log.wrong(str(error))
        return Work(failed=True, script=text)
    if not folder.is_dir():
        log.wrong(f"The working directory {folder} does not exist. Was the repository checked out?")
        return Work(failed=True, script=text)
    place = job.temporary / f"step-{job.session.folders.next()}"
    files = CommandFiles(place)
    script = place / f"script{program.suffix}"
    script.write_text(text + "\n", encoding="utf-8")
    variables = {**process_variables(frame, env), **files.variables()}
    result = run_script(
        program.command(script), folder, variables, log.line, cancellation, timeout_seconds, job.leftovers
    )
    try:
        written = files.read()
    except FileCommandError as error:
        log.wrong(f"Unable to process file command successfully. {error}")
        written = Written({}, {}, (), "")
        failed = True
    else:
        failed = result.exit_code != 0
    if result.ending == "ended" and result.exit_code != 0:
        log.wrong(f"Process completed with exit code {result.exit_code}.")
    return Work(
        failed=failed,
        ending=result.ending,
        script=text,
        exit_code=result.exit_code,
        outputs=written.outputs,
        variables=written.variables,
        paths=written.paths,
        summary=written.summary,
    )


def _folder(frame: Frame, name: str | None) -> Path:
    return frame.job.workspace / name if name else frame.job.workspace
