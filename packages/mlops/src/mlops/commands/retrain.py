"""`mlops retrain`: a model on newer data, because of what the monitor found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command(
    "retrain",
    "mlops retrain --because prod/17               # record 17 of prod's audit log",
    "mlops retrain --because verdict.json          # what `mlops monitor --json` printed",
    'mlops retrain --because "$EVENT" --submit     # an event of the stage\'s topic; begin, and do not wait',
)
@click.option(
    "--because", required=True, help="An event as JSON or in a file, a verdict of the monitor, or STAGE/RECORD."
)
@click.option("--submit", is_flag=True, help="Only begin: print the job's name, for `mlops train --job`.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, because: str, submit: bool, as_json: bool) -> int:
    """Train on newer data because a stage drifted, and propose the model for the next stage if the gates pass it.

    releases/retraining.yml says on which: the newest version of the data asset, or rows that the stage was asked and
    whose outcome is known by now; and how often. The trainings that began are counted in the audit log. The reason
    is looked up in the stage's audit log, which alone is believed. No training begins, and the command says why and
    exits with 0, when it may not be, when the model that drifted runs no longer, or when there are no newer data.
    The same reason never begins a second one: run again, the command goes on with the first. The drift stands in the
    report of the pull request; a model that the gates block is reported, with exit code 1, and not proposed.
    """
    from mlops.cli.rendering import answer
    from mlops.retraining.trigger import read_trigger
    from mlops.settings.project import load_project

    project = load_project(project_path)
    pointer = read_trigger(because)

    from mlops.azure.clients import WorkspaceClients
    from mlops.retraining.run import begin_retraining, retrain

    act = begin_retraining if submit else retrain
    return answer(act(WorkspaceClients(project), pointer, datetime.now(UTC)), as_json=as_json)
