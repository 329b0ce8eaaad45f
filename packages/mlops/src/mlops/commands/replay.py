"""`mlops replay`: a workflow file on this machine, before it is pushed."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option

_EVENTS = (
    "push", "pull_request", "workflow_dispatch", "schedule", "repository_dispatch", "workflow_run", "merge_group",
)  # fmt: skip


@mlops_command(
    "replay",
    "mlops replay .github/workflows/ci.yml --event pull_request --ref my-change",
    "mlops replay .github/workflows/train.yml --ref main --since HEAD~3",
    "mlops replay .github/workflows/deploy.yml --event workflow_dispatch --input since=HEAD~1 --reject prod",
    "mlops replay azure-pipelines.yml --ref main --json | jq -r '.commands[]'",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--event", "event_name", type=click.Choice(_EVENTS), default="push", show_default=True)
@click.option("--ref", help="The branch that has your files in the replay; without it, the one checked out.")
@click.option("--since", help="The commit that the branch had before; without it, what the remote has of it.")
@click.option("--committed", is_flag=True, help="Replay HEAD, not the working files.")
@click.option("--base", help="The branch that a pull request goes to; without it, the default branch.")
@click.option("--action", default="opened", show_default=True, help="What happened to the pull request.")
@click.option("--title", default="A change", help="The pull request's title.")
@click.option("--type", "type_", help="The type of a repository_dispatch, or the name of a workflow_run's workflow.")
@click.option("--payload", help="The JSON object that a repository_dispatch brings.")
@click.option("--cron", help="Which schedule; without it, any.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of a run by hand.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the repository.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME", help="A secret: the shell's variable of that name.")
@click.option("--approve", "approved", multiple=True, metavar="ENVIRONMENT", help="Let jobs into these alone.")
@click.option("--reject", "rejected", multiple=True, metavar="ENVIRONMENT", help="Let no job into these.")
@click.option("--against-azure", is_flag=True, help="Let steps use your own login: they change what is real.")
@click.option("--verbose", is_flag=True, help="Show every line that steps print.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    file: Path,
    event_name: str,
    ref: str | None,
    since: str | None,
    committed: bool,
    base: str | None,
    action: str,
    title: str,
    type_: str | None,
    payload: str | None,
    cron: str | None,
    inputs: tuple[str, ...],
    variables: tuple[str, ...],
    secrets: tuple[str, ...],
    approved: tuple[str, ...],
    rejected: tuple[str, ...],
    against_azure: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run a workflow of GitHub Actions or Azure Pipelines on this machine, before you push it.

    Your files, as they are now, are pushed to a scratch copy of this repository; there the event happens. Triggers,
    expressions, conditions, matrices and called files follow the service's rules, scripts run in real shells, and
    steps of other people do what is declared for them. Steps that log in reach the workspace that this shell points
    to (`mlops up`, then `mlops env`); without --against-azure no login stored on this machine reaches them.
    Exits with 1 when the run fails, with 0 also when the event does not start it, and with 2 for a file that the
    service would refuse.
    """
    from mlops.cli.rendering import answer
    from mlops.replaying.event import EventOptions, from_shell, pairs
    from mlops.replaying.replay import ReplayOptions, replay_file
    from mlops.settings.project import load_project

    wanted = EventOptions(event_name, base, action, type_, cron, payload, title, pairs(inputs, "--input"))
    options = ReplayOptions(
        ref=ref,
        since=since,
        committed_only=committed,
        approved=approved,
        rejected=rejected,
        variables=pairs(variables, "--var"),
        secrets=from_shell(secrets),
        against_azure=against_azure,
        every_line=verbose,
    )
    return answer(replay_file(load_project(project_path).root, file, wanted, options), as_json=as_json)
