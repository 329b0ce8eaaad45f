"""`mlops stages`: the stages that models move through, in project.yml and in every file that follows from it."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import examples_below, json_option, stage_option

_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the difference, and write nothing.")


@click.group(
    "stages",
    epilog=examples_below(
        "mlops stages list",
        "mlops stages add preprod --after staging",
        "mlops stages add preprod --after staging --dry-run",
        "mlops stages remove preprod",
    ),
)
def command() -> None:
    """List, add or remove the stages that models move through.

    Their list is in project.yml, in the order of promotion: the first trains, the last is production. Add and remove
    change every file that follows from it, in your checkout, for you to review and commit.
    """


@command.command(
    "list", short_help="Show the stages in their order.", epilog=examples_below("mlops stages list --json")
)
@json_option
@click.pass_obj
def list_command(project_path: Path | None, *, as_json: bool) -> int:
    """Show the stages in their order, and where each takes its models from."""
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.listing import StageList

    return answer(StageList(load_project(project_path)), as_json=as_json)


@command.command(
    "add",
    short_help="Add a stage behind another one.",
    epilog=examples_below("mlops stages add preprod --after staging", "mlops stages add uat --after dev --dry-run"),
)
@click.argument("name")
@stage_option("--after", text="The stage before it, whose settings are copied.")
@_DRY_RUN
@json_option
@click.pass_obj
def add_command(project_path: Path | None, *, name: str, after: str, dry_run: bool, as_json: bool) -> int:
    """Add a stage NAME: to project.yml, releases/, infra/, and the CI files.

    Everything is copied from the stage before it, with a comment where it has to be looked at. Refused when a file
    that is to be changed has changes that are not committed. Run again, it writes what is still missing.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.change import add_stage

    return answer(add_stage(load_project(project_path), name, after, is_dry_run=dry_run), as_json=as_json)


@command.command(
    "remove",
    short_help="Remove a stage.",
    epilog=examples_below("mlops stages remove preprod --dry-run", "mlops stages remove preprod"),
)
@click.argument("name")
@_DRY_RUN
@json_option
@click.pass_obj
def remove_command(project_path: Path | None, *, name: str, dry_run: bool, as_json: bool) -> int:
    """Remove the stage NAME from project.yml, releases/, infra/, and the CI files.

    What runs there goes on running. Releases of other stages that came through it stay valid. Refused for the first
    stage, where models are trained, and when a file that is to be changed has changes that are not committed.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.change import remove_stage

    return answer(remove_stage(load_project(project_path), name, is_dry_run=dry_run), as_json=as_json)
