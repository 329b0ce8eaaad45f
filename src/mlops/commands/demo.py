"""`mlops demo`: the whole way on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.command_line import command as mlops_command
from mlops.command_line import json_option


@mlops_command(
    "demo",
    "mlops demo",
    "mlops demo --data credit_default.csv",
    "mlops demo --json | jq .metrics.roc_auc",
    "mlops demo --fresh --stop",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to train on; without it, the sample that data/generate_sample.py makes.",
)
@click.option("--fresh", is_flag=True, help="Delete what earlier runs left in the workspace on this machine.")
@click.option("--stop", "stop_after", is_flag=True, help="Stop the workspace at the end.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, data: Path | None, fresh: bool, stop_after: bool, as_json: bool) -> int:
    """Take data through the whole way on this machine: train, register, deploy, score.

    Needs no Azure account, no Docker and no network. It starts a workspace on this machine and does there
    what `train`, `deploy` and `score` do on Azure. A second run reuses what has not changed.
    """
    from mlops.demo import demo
    from mlops.emulator import stop
    from mlops.project import load_project
    from mlops.rendering import answer

    project = load_project(project_path)
    try:
        return answer(demo(project, data, fresh=fresh), as_json=as_json)
    finally:
        if stop_after:
            stop(project)
