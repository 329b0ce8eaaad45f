"""`mlops replay`: run a workflow file on this machine before it is pushed."""

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
@click.option("--ref", help="The branch that has your files in the replay.  [default: the current one]")
@click.option("--since", help="The previous commit of that branch.  [default: that of the remote]")
@click.option("--committed", is_flag=True, help="Replay HEAD instead of the working files.")
@click.option("--base", help="The base of a pull request.  [default: the default branch]")
@click.option("--action", default="opened", show_default=True, help="The activity type of a pull request.")
@click.option("--title", default="A change", help="The title of a pull request.")
@click.option("--type", "type_", help="The type of a repository_dispatch, or the workflow of a workflow_run.")
@click.option("--payload", help="The payload of a repository_dispatch, a JSON object.")
@click.option("--cron", help="The schedule.  [default: the first]")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of a workflow_dispatch.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the repository.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="NAME",
    help="A secret, from the environment variable NAME.",
)
@click.option("--approve", "approved", multiple=True, metavar="ENVIRONMENT", help="Approve only these environments.")
@click.option("--reject", "rejected", multiple=True, metavar="ENVIRONMENT", help="Reject these environments.")
@click.option("--against-azure", is_flag=True, help="Let steps use your own login: they change real resources.")
@click.option("--verbose", is_flag=True, help="Show the output of all steps.")
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
    """Run a workflow of GitHub Actions or Azure Pipelines on this machine before you push it.

    Your working files are pushed to a scratch copy of this repository, where the event takes place. Triggers,
    expressions, conditions, matrices and templates follow the service's rules, scripts run in real shells, and
    third-party actions and tasks do what is declared for them. Steps that log in reach the workspace that this shell
    points to (`mlops up`, then `mlops env`); without --against-azure they have no login stored on this machine.
    Exits with 1 if the run fails, with 2 for a file that the service would reject, otherwise with 0, even if the event
    does not trigger the workflow.
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
