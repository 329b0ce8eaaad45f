"""`mlops deploy`: what a stage is to run, rolled out to its endpoint."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "deploy",
    "mlops deploy --stage dev --version 3",
    "mlops deploy --stage prod",
    "mlops deploy --stage prod --unless-superseded      # for a run that waited for its approval",
    "mlops deploy --stage prod --batch                  # for files: mlops score --batch",
)
@stage_option()
@click.option("--version", help="The first stage only: the model version; without it, the newest.")
@click.option("--take-over", is_flag=True, help="End the hold of another rollout of this stage that you know is dead.")
@click.option(
    "--unless-superseded", is_flag=True, help="Do nothing if the remote's default branch says otherwise by now."
)
@click.option("--batch", is_flag=True, help="To the stage's batch endpoint, which scores files; no traffic moves.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    stage: str,
    version: str | None,
    take_over: bool,
    unless_superseded: bool,
    batch: bool,
    as_json: bool,
) -> int:
    """Roll out to a stage what it is to run, beside what runs there.

    The first stage runs any registered version, the others run what releases/<stage>.yml says. The new deployment has
    to answer the golden requests of its model package and bear a load; then live traffic moves to it step by step,
    as the stage's rollout says, and each step has to keep the stage's SLO. Whatever goes wrong, all traffic
    returns to where it was. An interrupted rollout goes on where it stopped when the command is run again. The
    old deployment is kept without traffic: `mlops rollback` returns to it in one call.

    With --batch the same model goes to the stage's batch endpoint instead: callers get it from the next call on.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.promotion.superseded import superseded

    newer = superseded(project, stage_name) if unless_superseded else None
    if newer is not None:
        return answer(newer, as_json=as_json)

    from mlops.azure.workspace import connect

    client = connect(project.settings.stage(stage_name))
    if batch:
        from mlops.batch.deploy import deploy_batch

        return answer(deploy_batch(client, project, stage_name, version or None), as_json=as_json)

    from mlops.rollout.deploy import deploy

    # A CI system hands over an empty text for a version that nobody named.
    return answer(deploy(client, project, stage_name, version or None, take_over=take_over), as_json=as_json)
