"""`mlops revert`: a pull request that takes back a release which its stage does not run."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command("revert", "mlops revert --stage prod", "mlops revert --stage staging --json | jq -r .pull_request")
@stage_option()
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, as_json: bool) -> int:
    """Make git agree with what a stage runs: after a rollback releases/<stage>.yml names a model that does not.

    Proposes the release that the stage runs, as a branch and a pull request; its merge moves no traffic
    unless the endpoint's files have changed since. Does nothing when they agree, or while a rollout goes on.
    Neither your checkout nor your index is touched.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.clients import WorkspaceClients
    from mlops.promotion.revert import revert

    return answer(revert(WorkspaceClients(project), stage_name), as_json=as_json)
