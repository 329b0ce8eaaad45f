"""`mlops rollback`: a stage's traffic back to what it ran before."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command("rollback", "mlops rollback --stage prod", 'mlops rollback --stage prod --reason "wrong amounts"')
@stage_option()
@click.option("--reason", default="", help="Why, for the audit log.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, reason: str, as_json: bool) -> int:
    """Return all traffic of a stage to its other deployment, in one call.

    That is what the stage ran before, which a rollout keeps without traffic; a rollout under way is ended. It
    refuses when that deployment does not answer. Git still says otherwise then: revert the release as well.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import connect
    from mlops.rollout.rollback import rollback

    return answer(rollback(connect(project.settings.stage(stage_name)), project, stage_name, reason), as_json=as_json)
