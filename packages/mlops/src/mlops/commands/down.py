"""`mlops down`: stop the workspace on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command("down", "mlops down")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, as_json: bool) -> int:
    """Stop the workspace on this machine. What it holds stays, and is there again after `mlops up`."""
    from mlops.cli.rendering import answer
    from mlops.local.emulator import EmulatorResult, state_folder, stop
    from mlops.settings.project import load_project

    project = load_project(project_path)
    return answer(EmulatorResult(stop(project), state_folder(project)), as_json=as_json)
