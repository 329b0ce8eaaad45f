"""`mlops up`: start the workspace on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command("up", "mlops up", 'mlops up && eval "$(mlops env)" && mlops train')
@json_option
@click.pass_obj
def command(project_path: Path | None, *, as_json: bool) -> int:
    """Start a workspace on this machine: Azure Machine Learning's REST API with jobs that run.

    Safe to run twice. Then `eval "$(mlops env)"` points this shell, and any program in it, at the workspace.
    """
    from mlops.cli.rendering import answer
    from mlops.local.emulator import EmulatorResult, start, state_folder
    from mlops.settings.project import load_project

    project = load_project(project_path)
    hint = 'Next: eval "$(mlops env)"'
    return answer(EmulatorResult(start(project), state_folder(project), hint), as_json=as_json)
