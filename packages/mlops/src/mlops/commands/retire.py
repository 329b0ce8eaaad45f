"""`mlops retire`: out of service with what no release names any more."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "retire", "mlops retire --stage dev", "mlops retire --stage prod --json", "mlops retire --stage dev --apply"
)
@stage_option()
@click.option("--apply", "applied", is_flag=True, help="Do it; without this, only say what would be done.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, applied: bool, as_json: bool) -> int:
    """Take models and deployments out of service that no release names any more.

    Only after the deadlines of releases/retirement.yml. Models are archived, deployments without traffic are deleted.
    What is live in any stage stays, and so does what is kept for an instant return. Every stage is asked, so the login
    must be allowed to read all of them.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.clients import WorkspaceClients
    from mlops.retire.applying import RetireResult, apply_plan
    from mlops.retire.plan import make_plan

    clients = WorkspaceClients(project)
    planned = make_plan(clients, stage_name)
    if applied:
        apply_plan(clients, stage_name, planned)
    return answer(RetireResult(stage_name, tuple(planned), applied), as_json=as_json)
