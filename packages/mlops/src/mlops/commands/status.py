"""`mlops status`: what each stage runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option

if TYPE_CHECKING:
    from mlops.endpoint.stage_status import StageStatus
    from mlops.settings.project import Project
    from mlops.settings.stages import StageName


@mlops_command("status", "mlops status", "mlops status --stage prod --json")
@stage_option(required=False)
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str | None, as_json: bool) -> int:
    """Show what each stage runs: deployments with traffic, model version and digest, and the last job."""
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    names = project.order.names if stage is None else (project.order.find(stage),)

    from mlops.endpoint.stage_status import StatusResult

    return answer(StatusResult(tuple(_ask(project, name) for name in names)), as_json=as_json)


def _ask(project: Project, name: StageName) -> StageStatus:
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError

    from mlops.azure.errors import explain
    from mlops.azure.workspace import connect
    from mlops.core.errors import MlopsError
    from mlops.endpoint.stage_status import StageStatus, stage_status

    try:
        return stage_status(connect(project.settings.stage(name)), project, name)
    except (AzureError, MlException, MlopsError) as error:
        # One stage that cannot be asked must not hide the others.
        explained = error if isinstance(error, MlopsError) else explain(error) or MlopsError(str(error))
        return StageStatus(name, project.settings.stage(name).endpoint, problem=explained)
