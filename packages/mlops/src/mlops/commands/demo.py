"""`mlops demo`: the whole way on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "demo",
    "mlops demo",
    "mlops demo --data credit_default.csv",
    "mlops demo --json | jq .metrics.roc_auc",
    "mlops demo --to dev",
    "mlops demo --bad-model",
    "mlops demo --drift",
    "mlops demo --drift --json | jq .drift.retraining.promotion.branch",
    "mlops demo --fresh --stop",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file to train on; without it, the sample that data/generate_sample.py makes.",
)
@stage_option("--to", "until", required=False, text="The last stage to release to; without it, production.")
@click.option("--bad-model", is_flag=True, help="Then show how a bad model is stopped, and how one is rolled back.")
@click.option("--drift", is_flag=True, help="Then other callers come: drift, an event, and a newer model.")
@click.option("--fresh", is_flag=True, help="Delete what earlier runs left in the workspace on this machine.")
@click.option("--stop", "stop_after", is_flag=True, help="Stop the workspace at the end.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    data: Path | None,
    until: str | None,
    bad_model: bool,
    drift: bool,
    fresh: bool,
    stop_after: bool,
    as_json: bool,
) -> int:
    """Take data through the whole way on this machine: train, register, deploy, promote through the stages.

    Needs no Azure account, no Docker and no network. It starts a workspace on this machine and does there
    what `train`, `deploy`, `promote` and `gate` do on Azure, in a scratch repository below .mlops/demo: your
    checkout stays as it is. A second run reuses what has not changed.

    With --drift the callers of production become others, as in a recession: the monitor sees it, publishes an event,
    and the event starts a training on what was asked. The newer model waits as a proposal for staging, with the drift
    as its reason. A second time no training begins: retraining.yml has a cool-down.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.demo.lifecycle import DemoOptions, demo
    from mlops.local.emulator import stop
    from mlops.settings.project import load_project

    stories = [name for name, is_wished in (("--bad-model", bad_model), ("--drift", drift)) if is_wished]
    if len(stories) > 1:
        raise InputError("--bad-model and --drift are two stories", "Run them one after the other.")
    project = load_project(project_path)
    last = project.order.find(until) if until else project.order.production
    if stories and last != project.order.production:
        raise InputError(f"{stories[0]} needs the whole way", "Leave --to out.")
    try:
        result = demo(project, data, DemoOptions(last, bad_model, drift), fresh=fresh)
    finally:
        if stop_after:
            stop(project)
    return answer(replace(result, goes_on=not stop_after), as_json=as_json)
