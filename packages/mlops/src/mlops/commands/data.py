"""`mlops init`: a project of your own from your table, or from one of the examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option
from mlops.core.results import Block, Line, Result, Table

if TYPE_CHECKING:
    from mlops.init.example import Example
    from mlops.init.project_files import InitOptions
    from mlops.init.result import InitResult
    from mlops.settings.project import Project


@dataclass(frozen=True)
class ExampleList(Result):
    """The examples that can be put at the root."""

    examples: dict[str, Example]

    def document(self) -> dict[str, Any]:
        """Name, title and description of each."""
        found = self.examples.items()
        return {"examples": [{"name": name, "title": e.title, "description": e.description} for name, e in found]}

    def blocks(self) -> Sequence[Block]:
        """A row per example."""
        if not self.examples:
            return [Line("examples/ holds no example", "hint")]
        rows = tuple((name, each.title) for name, each in self.examples.items())
        return [Table("", ("example", "what it is"), rows), Line("Next: `mlops init --example NAME`", "hint")]


@mlops_command(
    "init",
    "mlops init --data my.csv --target price --dry-run    # show every change",
    "mlops init --data my.csv --target churned --id customer --time signed_up",
    "mlops init --data my.csv --target churned --name churn --slice region",
    "mlops init --data my.csv --target churned --ci github --no-infra",
    "mlops init --data my.csv --target churned --batch-only",
    "mlops init --data price.csv --target price --into models/price",
    "mlops init --list",
    "mlops init --example regression",
)
@click.option("--data", type=click.Path(path_type=Path), help="A CSV or parquet file.")
@click.option("--target", help="The column to predict.")
@click.option(
    "--task", help="binary_classification, multiclass_classification or regression.  [default: from the target]"
)
@click.option("--id", "identifier", help="The column that identifies the rows.  [default: one that never repeats]")
@click.option("--time", help="The column with the time of each row: the newest rows then test the model.")
@click.option("--name", help="The name of the project, its model and its data.  [default: from the file's name]")
@click.option("--owner", help="The organisation that owns the repository.  [default: from git's remote]")
@click.option("--slice", "slices", multiple=True, help="A column whose subgroups must be treated alike; repeatable.")
@click.option("--ci", type=click.Choice(["github", "azure"]), help="Keep the files of this CI system only.")
@click.option("--no-infra", is_flag=True, help="Remove infra/: the workspaces exist already.")
@click.option("--batch-only", is_flag=True, help="Score only files: remove the online endpoints, and their monitoring.")
@click.option("--into", metavar="FOLDER", help="A further model: put it into this new folder, such as models/price.")
@click.option("--keep-rules", is_flag=True, help="Run no baseline, and leave gates.yml and monitor.yml as they are.")
@click.option("--example", "example_name", metavar="NAME", help="Put this example at the root instead of a table.")
@click.option("--list", "is_list", is_flag=True, help="List the examples.")
@click.option("--force", is_flag=True, help="Overwrite changes that are not committed, or made since the last init.")
@click.option("--dry-run", is_flag=True, help="Show what was found and every change, and write nothing.")
@json_option
@click.pass_obj
def init_command(
    project_path: Path | None,
    *,
    data: Path | None,
    target: str | None,
    slices: tuple[str, ...],
    example_name: str | None,
    is_list: bool,
    no_infra: bool,
    batch_only: bool,
    into: str | None,
    keep_rules: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
    task: str | None,
    identifier: str | None,
    time: str | None,
    name: str | None,
    owner: str | None,
    ci: str | None,
) -> int:
    """Make this project yours, from a table of your own.

    Needs no code: it finds out what to predict (a yes or no, one of several classes, or a number), the type, range or
    categories of each column, likely ids, constants, and columns that give the target away. Writes schema.yml with the
    reasons, the data as data/NAME.csv with its data asset, and a sample request; runs the training steps once, and
    writes gates and monitoring with bounds derived from them; renames everything that has the example's name, and
    removes what only the example needed. `mlops demo` then takes the model to prod on this machine.

    The CSV may have any usual separator, encoding, and notation of numbers and dates. Refused if a file to be changed
    has uncommitted changes or was edited since the last init.
    """
    from mlops.checks import fix_project
    from mlops.cli.rendering import answer
    from mlops.init.example import examples_of
    from mlops.init.project_files import InitOptions
    from mlops.settings.project import load_project

    project = load_project(project_path)
    if is_list:
        if data is not None or target or example_name is not None or into is not None:
            raise click.UsageError("--list lists the examples: leave --data, --target, --example and --into out")
        return answer(ExampleList(examples_of(project)), as_json=as_json)
    options = InitOptions(
        target=target or "",
        task=task,
        identifier=identifier,
        time=time,
        name=name,
        owner=owner,
        ci=ci,
        slices=slices,
        without_infrastructure=no_infra,
        is_batch_only=batch_only,
        keeps_rules=keep_rules,
        is_dry_run=dry_run,
        is_forced=force,
    )
    if into is not None:
        if dry_run or ci or no_infra:
            raise click.UsageError(
                "--into adds a folder, and changes no CI system: it takes no --dry-run, --ci, --no-infra"
            )
        return answer(_init_into(project, into, data, options, example_name), as_json=as_json)
    result = _initialised(project, project, data, options, example_name)
    if not dry_run:
        # It may bring steps and environments, whose versions are not recorded yet.
        fix_project(project.root)
    return answer(result, as_json=as_json)


def _initialised(
    project: Project, source: Project, data: Path | None, options: InitOptions, example_name: str | None
) -> InitResult:
    """Make a project what the options say; examples are those of `source`."""
    import tempfile

    from mlops.init.example import example_table, examples_of
    from mlops.init.project_files import example_options, init_project
    from mlops.init.reading import read_table

    if example_name is None:
        if data is None:
            raise click.UsageError("give --data FILE and --target COLUMN, or --example NAME, or --list")
        if not options.target:
            columns = ", ".join(read_table(data).texts.columns)
            raise click.UsageError(f"give --target COLUMN; {data.name} has {columns}")
        return init_project(project, data, options)
    if data is not None or options.target:
        raise click.UsageError("--example brings its own table and target: leave --data and --target out")
    examples = examples_of(source)
    if example_name not in examples:
        raise click.UsageError(f"unknown example {example_name!r}; `mlops init --list` lists {', '.join(examples)}")
    with tempfile.TemporaryDirectory(prefix="mlops-init-") as folder:
        table = example_table(source, example_name, Path(folder))
        return init_project(project, table, example_options(source, example_name, options))


def _init_into(
    project: Project, into: str, data: Path | None, options: InitOptions, example_name: str | None
) -> InitResult:
    """Add a further model to the repository of a project, or nothing at all."""
    import shutil
    from dataclasses import replace
    from pathlib import PurePosixPath

    from mlops.checks import fix_project
    from mlops.init.example import add_owners, copy_model_folder

    model = PurePosixPath(into)
    added = copy_model_folder(project.root, model)
    options = replace(options, name=options.name or model.name.replace("_", "-"), is_forced=True)
    try:
        result = _initialised(added, project, data, options, example_name)
    except BaseException:
        shutil.rmtree(added.root)
        if added.root.parent != project.root and not any(added.root.parent.iterdir()):
            added.root.parent.rmdir()
        raise
    add_owners(project.root, model)
    fix_project(project.root)
    return replace(result, folder=model)
