"""`mlops check`, `configure`, `stages`, `preview`, `infra`, `upgrade` and `detach`: the files of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import examples_below, json_option, stage_option
from mlops.core.layout import INFRASTRUCTURE_PROGRAMS
from mlops.core.results import Block, Line, Result, Table

if TYPE_CHECKING:
    from mlops.infrastructure.outputs import Change


@mlops_command(
    "check",
    "mlops check",
    "mlops check --fix      # pins of environments/ from uv.lock, stages of CI files from project.yml",
    "mlops check --leftovers    # lines in which something of the template's example is left",
    "mlops check --repository    # how GitHub or Azure DevOps protects the repository; needs `gh` or `az`",
    "mlops check --json",
)
@click.option("--fix", is_flag=True, help="Fix what can be fixed automatically, then check.")
@click.option("--leftovers", is_flag=True, help="Find only what is left of the template's example.")
@click.option("--repository", is_flag=True, help="Check how the git host protects the repository instead.")
@json_option
@click.pass_obj
def check_command(project_path: Path | None, *, fix: bool, leftovers: bool, repository: bool, as_json: bool) -> int:
    """Check components, pipelines and environments without a workspace.

    Finds bindings, names, types and files that do not match, and components that changed without a new version.
    Prints one line per problem, with whose rule it breaks, and exits with 1 if there are any besides warnings. House
    rules, which Azure does not have, become warnings or are switched off under `checks` in project.yml. After
    `mlops init` it also finds lines in which a name, a column or an owner of the template's example is left;
    --leftovers finds only those.

    With --repository it checks GitHub or Azure DevOps instead: branch protection, environments, what workflows may
    do, logins. Differences from releases/protection.yml are listed with how to set them; nothing is changed.
    """
    from mlops.checks import CheckResult, Problem, check_project, fix_project
    from mlops.cli.rendering import answer
    from mlops.init.example import find_leftovers, was_initialised
    from mlops.settings.project import load_project

    project = load_project(project_path)
    root = project.root
    if repository:
        from mlops.checks.protection import check_repository

        if fix:
            raise click.UsageError("--fix changes files and --repository reads settings of the git host")
        return answer(check_repository(project), as_json=as_json)
    fixed = tuple(fix_project(root)) if fix else ()
    problems = [] if leftovers else check_project(root)
    if leftovers or was_initialised(root):
        problems += [
            Problem(each.file, each.line, each.message, each.advice, "mlops") for each in find_leftovers(project)
        ]
    return answer(CheckResult(root, tuple(problems), fixed), as_json=as_json)


@dataclass(frozen=True)
class ConfigureResult(Result):
    """What changed in project.yml."""

    stage: str
    changes: tuple[Change, ...]

    def document(self) -> dict[str, Any]:
        """The changes."""
        return {"stage": self.stage, "changes": [asdict(change) for change in self.changes]}

    def blocks(self) -> Sequence[Block]:
        """One row per change."""
        if not self.changes:
            return [Line(f"project.yml is up to date for {self.stage}", "good")]
        rows = tuple((change.key, change.before or "", change.after or "") for change in self.changes)
        return [
            Table("project.yml", ("key", "was", "is"), rows),
            Line("Review and commit project.yml.", "hint"),
        ]


@mlops_command(
    "configure",
    "mlops configure --stage dev",
    "mlops configure --stage prod --outputs outputs.json    # of `pulumi stack output --json`",
)
@stage_option()
@click.option(
    "--outputs",
    type=click.Path(path_type=Path),
    help="A file with the stack's outputs.  [default: ask `pulumi`]",
)
@json_option
@click.pass_obj
def configure_command(project_path: Path | None, *, stage: str, outputs: Path | None, as_json: bool) -> int:
    """Fill in a stage's resources in project.yml from the outputs of `pulumi up`. Comments are kept."""
    from mlops.cli.rendering import answer
    from mlops.core.layout import PROJECT_FILE
    from mlops.infrastructure.outputs import ask_pulumi, configure, read_outputs
    from mlops.settings.project import load_project

    project = load_project(project_path)
    name = project.order.find(stage)
    found = ask_pulumi(project.root, name) if outputs is None else read_outputs(outputs)
    changes = configure(project.path(Path(PROJECT_FILE)), name, found)
    return answer(ConfigureResult(name, changes), as_json=as_json)


_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the diff, and write nothing.")


@click.group(
    "stages",
    epilog=examples_below(
        "mlops stages list",
        "mlops stages add preprod --after staging",
        "mlops stages add preprod --after staging --dry-run",
        "mlops stages remove preprod",
    ),
)
def stages_command() -> None:
    """List, add or remove the stages that models move through.

    project.yml lists them in the order of promotion: the first trains, the last is production. Add and remove
    change every file that depends on the list, in your checkout, for you to review and commit.
    """


@stages_command.command(
    "list", short_help="Show the stages in their order.", epilog=examples_below("mlops stages list --json")
)
@json_option
@click.pass_obj
def list_command(project_path: Path | None, *, as_json: bool) -> int:
    """Show the stages in their order, and where each takes its models from."""
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.change import StageList

    return answer(StageList(load_project(project_path)), as_json=as_json)


@stages_command.command(
    "add",
    short_help="Add a stage after another one.",
    epilog=examples_below("mlops stages add preprod --after staging", "mlops stages add uat --after dev --dry-run"),
)
@click.argument("name")
@stage_option("--after", text="The previous stage, whose settings are copied.")
@_DRY_RUN
@json_option
@click.pass_obj
def add_command(project_path: Path | None, *, name: str, after: str, dry_run: bool, as_json: bool) -> int:
    """Add a stage NAME: to project.yml, releases/, infra/, and the CI files.

    Everything is copied from the previous stage, with a comment where you must check the values. Refused if a file
    to be changed has uncommitted changes. Run again, it writes what is still missing.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.change import add_stage

    return answer(add_stage(load_project(project_path), name, after, is_dry_run=dry_run), as_json=as_json)


@stages_command.command(
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

    Its deployments keep running. Releases of other stages that came through it stay valid. Refused for the first
    stage, where models are trained, and if a file to be changed has uncommitted changes.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project
    from mlops.stages.change import remove_stage

    return answer(remove_stage(load_project(project_path), name, is_dry_run=dry_run), as_json=as_json)


@mlops_command("preview", "mlops preview --since origin/main", "mlops preview --since HEAD~1 --json | jq .stacks.prod")
@click.option("--since", required=True, help="The revision to compare the working folder with.")
@json_option
@click.pass_obj
def preview_command(project_path: Path | None, *, since: str, as_json: bool) -> int:
    """Show what changes in the infrastructure since a revision: resources and role assignments of every stack.

    The programs of both revisions are run without Pulumi's engine and without Azure; `pulumi preview` compares with
    what is deployed. Exits with 3 if a stack's settings are wrong.
    """
    from mlops.cli.rendering import answer
    from mlops.infrastructure.preview import preview
    from mlops.settings.project import load_project

    return answer(preview(load_project(project_path), since), as_json=as_json)


@mlops_command(
    "infra",
    "mlops infra bootstrap --dry-run              # what is left of the first steps",
    "mlops infra bootstrap --stack staging",
    "mlops infra quota --stack prod               # before a deployment",
    "mlops infra inventory --stage prod           # resources, diagram, rights",
    "mlops infra teardown --stage dev             # the commands, in order",
    "mlops infra quota --help",
    # Everything behind the program's name is the program's, `--help` as well.
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
@click.argument("program", type=click.Choice(INFRASTRUCTURE_PROGRAMS))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def infra_command(project_path: Path | None, *, program: str, arguments: tuple[str, ...]) -> int:
    """Run a program of infra/, which declares the Azure resources.

    `bootstrap` does the first steps in a subscription, and asks before each. `quota` compares a stack's machines with
    what Azure allows. `inventory` lists what a stack declares, and `teardown` prints the commands that delete a stage:
    both need no login. Exits as the program does.
    """
    from mlops.infrastructure.preview import run_program
    from mlops.settings.project import load_project

    return run_program(load_project(project_path), program, arguments)


@mlops_command(
    "upgrade",
    "mlops upgrade --dry-run                      # what would change, and what would conflict",
    "mlops upgrade                                # to the newest version",
    "mlops upgrade --to 1.1.0",
    "mlops upgrade --from upstream                # a remote, an address or a path",
    "mlops upgrade --from dist                    # newer wheels, for a fork that pins wheels",
)
@click.option("--to", metavar="VERSION", help="The version to take.  [default: the newest]")
@click.option(
    "--from", "source", metavar="ADDRESS", help="Where to take it from.  [default: the repository in .template.yml]"
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--finish-from", metavar="VERSION", hidden=True, help="Only finish: the former version runs this.")
@json_option
@click.pass_obj
def upgrade_command(
    project_path: Path | None,
    *,
    to: str | None,
    source: str | None,
    dry_run: bool,
    finish_from: str | None,
    as_json: bool,
) -> int:
    """Take a newer version of the template into this repository.

    A fork merges the template's tag; a copy made by "Use this template" first records which version it was made from;
    a detached fork gets new pins. Then the new version migrates your files, writes copies and locks again, and all of
    it is one commit. Refused with uncommitted changes.

    Conflicts stay as git leaves them, and the command exits with 1: resolve them and run it again. Interrupted, it
    goes on when run again.
    """
    # All that is needed later, since a merge replaces the files that would be imported.
    from mlops.cli.rendering import answer
    from mlops.settings.project import project_file
    from mlops.template.plan import FinishResult
    from mlops.template.upgrade import finish_by_new_version, upgrade

    root = project_file(project_path).resolve().parent
    if finish_from is not None:
        return answer(FinishResult(finish_upgrade(root, finish_from)), as_json=as_json)
    version = to.removeprefix("v") if to else None
    result = upgrade(root, to=version, source=source, dry_run=dry_run, finish=finish_by_new_version)
    return answer(result, as_json=as_json)


def finish_upgrade(root: Path, before: str) -> tuple[str, ...]:
    """Adapt the fork's files to this version after a merge of its files: migrations, copies, pins, versions."""
    from mlops.checks import fix_project, raise_versions
    from mlops.template.origin import migrate

    return (*migrate(root, before), *fix_project(root), *raise_versions(root))


@mlops_command(
    "detach",
    "mlops detach --dry-run                       # what would change, as a diff",
    "mlops detach                                 # pinned by the template's git tag",
    "mlops detach --git https://git.example.com/platform/template --tag v1.0.0",
    "mlops detach --wheels dist                   # pinned by wheels, copied to wheels/",
)
@click.option("--git", "url", help="The repository to pin.  [default: the one in .template.yml]")
@click.option("--tag", help="The tag to pin.  [default: the version in .template.yml]")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Pin the wheels in this folder instead of a git tag.",
)
@click.option("--dry-run", is_flag=True, help="Show the diff, and change nothing.")
@json_option
@click.pass_obj
def detach_command(
    project_path: Path | None, *, url: str | None, tag: str | None, wheels: Path | None, dry_run: bool, as_json: bool
) -> int:
    """Remove packages/ from this fork and install pinned releases of the four packages instead.

    For teams that do not want the engine's source in their repository. Refused with uncommitted changes; review and
    commit the result.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.settings.project import load_project
    from mlops.template.detach import GitPin, detach, distributions, find_wheels
    from mlops.template.origin import read_origin

    if wheels is not None and (url or tag):
        raise InputError("--wheels and --git cannot be combined", "Give one of them.")
    project = load_project(project_path)
    origin = read_origin(project)
    git = GitPin(url or origin.repository, tag or origin.tag)
    pin, files = (git, ()) if wheels is None else find_wheels(distributions(project.root), wheels)
    browse = f"{git.url.removesuffix('.git')}/tree/{git.tag}"
    return answer(detach(project, pin, browse, wheels=files, dry_run=dry_run), as_json=as_json)
