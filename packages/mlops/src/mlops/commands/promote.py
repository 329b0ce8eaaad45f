"""`mlops promote`: a pull request that lets the next stage run what this one runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "promote",
    "mlops promote --to staging",
    "mlops promote --to prod --version 3",
    "mlops promote --to prod --no-pull-request --json",
    "mlops promote --to prod --when-ready              # for a schedule: says so when it is too early",
)
@stage_option("--to", "target", text="The stage to propose a release for.")
@click.option("--version", help="The version that the stage before must run; without it, whatever it runs.")
@click.option("--pull-request/--no-pull-request", default=True, help="Open a pull request, or only push the branch.")
@click.option("--when-ready", is_flag=True, help="Propose nothing, and exit with 0, before it is time.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    target: str,
    version: str | None,
    pull_request: bool,
    when_ready: bool,
    as_json: bool,
) -> int:
    """Propose for a stage what the stage before runs healthy, as a branch and a pull request.

    The gates run first: what they block is not proposed, and the command exits with 1. The model goes to the
    registry, so that every stage deploys the same bytes. Neither your checkout nor your index is touched. Run
    twice, it updates the same branch and pull request. With --when-ready it is time when the stage before has run
    the model for `wait_hours` of releases/<stage>.yml without breaking its SLO, and nobody has proposed it yet.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(target)

    from mlops.azure.clients import WorkspaceClients
    from mlops.promotion.promote import promote
    from mlops.promotion.readiness import not_yet

    clients = WorkspaceClients(project)
    too_early = not_yet(clients, stage_name, datetime.now(UTC)) if when_ready else None
    return answer(too_early or promote(clients, stage_name, version, pull_request=pull_request), as_json=as_json)
