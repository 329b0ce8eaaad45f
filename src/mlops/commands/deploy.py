"""`mlops deploy`: a registered model version behind a stage's endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.command_line import command as mlops_command
from mlops.command_line import json_option, stage_option


@mlops_command("deploy", "mlops deploy --stage dev", "mlops deploy --stage dev --version 3")
@stage_option()
@click.option("--version", help="The model version; without it, the newest.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, version: str | None, as_json: bool) -> int:
    """Deploy a registered model to a stage's endpoint, beside what runs there.

    The new deployment first has to answer the golden requests of its model package; then all traffic moves
    to it. If anything fails, traffic stays where it is. The old deployment is kept without traffic.
    """
    from mlops.project import load_project, parse_stage
    from mlops.rendering import answer

    project = load_project(project_path)
    stage_name = parse_stage(stage)

    from mlops.serving.rollout import deploy
    from mlops.workspace import connect

    client = connect(project.settings.stage(stage_name))
    return answer(deploy(client, project, stage_name, version), as_json=as_json)
