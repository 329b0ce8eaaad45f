"""`mlops env`: the variables that point programs at the workspace on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command("env", 'eval "$(mlops env)"', "mlops env --json")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, as_json: bool) -> int:
    """Print the variables that point any program using azure-ai-ml at the workspace on this machine."""
    from mlops.cli.rendering import answer
    from mlops.local.emulator import variables
    from mlops.settings.project import load_project

    return answer(variables(load_project(project_path)), as_json=as_json)
