"""`mlops train`: a training job in a stage's workspace, and its model registered."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "train",
    "mlops train",
    "mlops train --data credit_default.csv",
    "mlops train --data-version newest",
    "mlops train --json | jq .model.version",
    "mlops train --fresh                   # run every step, whoever ran it before",
    "mlops train --submit                  # begin, and do not wait",
    "mlops train --job credit-default-20260301-101500-1a2b",
)
@stage_option(required=False, text="The stage to train in; without it, the first of project.yml.")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to train on; without it, the sample that data/generate_sample.py makes.",
)
@click.option("--data-version", help="In place of a file: a version of the data asset that is there, or `newest`.")
@click.option(
    "--fresh",
    is_flag=True,
    envvar="MLOPS_FRESH",
    show_envvar=True,
    help="Run every step anew: take none over from an earlier job, which somebody else may have run.",
)
@click.option("--submit", is_flag=True, help="Only begin: print the job's name, and do not wait for it.")
@click.option("--job", help="Only wait for this job, which --submit began, and register its model.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    stage: str | None,
    data: Path | None,
    data_version: str | None,
    fresh: bool,
    submit: bool,
    job: str | None,
    as_json: bool,
) -> int:
    """Train, evaluate and register a model: runs pipelines/train.yml as a job in the stage's workspace.

    The data become a version of the data asset, uploaded only when the workspace does not have them. Steps
    that have not changed are reused, but with --fresh. A model package that is registered already is not registered
    again.
    Ctrl-C cancels the job; nothing is registered then. In two parts, with --submit and --job, the second can
    be run as often as needed, and Ctrl-C leaves the job alone: a login need not last as long as a training.
    """
    if job is not None and (submit or data or data_version):
        raise click.UsageError("--job names a job that runs already: it goes with neither --submit nor --data")
    if data and data_version:
        raise click.UsageError("say what to train on once: either --data or --data-version")
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage) if stage else project.order.training

    from mlops.azure.workspace import connect
    from mlops.training.run import finish_training, submit_training, train

    client = connect(project.settings.stage(stage_name))
    if job is not None:
        return answer(finish_training(client, project, job), as_json=as_json)
    act = submit_training if submit else train
    # A CI system hands over an empty text for a version that nobody named.
    return answer(act(client, project, stage_name, data_version or data, fresh=fresh), as_json=as_json)
