"""`mlops init`: the files of a project that follow from its data."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command(
    "init",
    "mlops init --data my.csv --target price --dry-run    # what it finds, and the new schema.yml as a diff",
    "mlops init --data my.csv --target churned --id customer --name churn",
    "mlops init --data my.csv --target churned --dry-run --json",
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="A CSV or parquet file.")
@click.option("--target", required=True, help="The column to predict.")
@click.option(
    "--task", help="binary_classification, multiclass_classification or regression.  [default: from the target]"
)
@click.option("--id", "identifier", help="The column that identifies the rows.  [default: one that never repeats]")
@click.option("--time", help="The column with the time of each row: the newest rows then test the model.")
@click.option("--name", help="The name of the project, its model and its data.  [default: from the file's name]")
@click.option("--force", is_flag=True, help="Overwrite changes that are not committed.")
@click.option("--dry-run", is_flag=True, help="Show what was found and the diff of schema.yml, and write nothing.")
@json_option
@click.pass_obj
def init_command(
    project_path: Path | None,
    *,
    data: Path,
    target: str,
    task: str | None,
    identifier: str | None,
    time: str | None,
    name: str | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Look at a table, and write the schema.yml that fits it.

    Finds the type, range or categories of each column, likely ids, constants, and columns that give the target away.
    Writes schema.yml with the reasons, the data as data/NAME.csv and its data asset data/NAME.yml, a sample request,
    and the names in project.yml. Gates, monitor bounds, and the example's other files stay as they are.

    The CSV may have any usual separator, encoding, and notation of numbers and dates. Refused if a file to be changed
    has uncommitted changes, or if this version cannot train a model on such a table yet.
    """
    from mlops.cli.rendering import answer
    from mlops.init.project_files import init_project
    from mlops.settings.project import load_project

    result = init_project(
        load_project(project_path),
        data,
        target=target,
        task=task,
        identifier=identifier,
        time=time,
        name=name,
        is_dry_run=dry_run,
        is_forced=force,
    )
    return answer(result, as_json=as_json)
