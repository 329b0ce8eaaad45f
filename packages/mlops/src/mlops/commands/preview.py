"""`mlops preview`: what a range of commits changes in the infrastructure; needs no login."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command("preview", "mlops preview --since origin/main", "mlops preview --since HEAD~1 --json | jq .stacks.prod")
@click.option("--since", required=True, help="The revision to compare the working folder with.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, since: str, as_json: bool) -> int:
    """Show what changes in the infrastructure since a revision: resources, rights and idle cost of every stack.

    Both revisions' programs are run without Pulumi's engine and without Azure; `pulumi preview` compares with
    what is there. Exits with 3 when a stack's settings are wrong.
    """
    from mlops.cli.rendering import answer
    from mlops.infrastructure.preview import preview
    from mlops.settings.project import load_project

    return answer(preview(load_project(project_path), since), as_json=as_json)
