"""`mlops detach`: a fork without upstream's packages, which it installs pinned instead."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option


@mlops_command(
    "detach",
    "mlops detach --dry-run                       # what would change, as a diff",
    "mlops detach                                 # pinned by the template's git tag",
    "mlops detach --git https://git.example.com/platform/template --tag v1.0.0",
    "mlops detach --wheels dist                   # pinned by wheels, copied to wheels/",
)
@click.option("--git", "url", help="The repository to pin; without it, the one that .template.yml names.")
@click.option("--tag", help="The tag to pin; without it, the one of .template.yml's version.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Pin the wheels in this folder instead of a git tag.",
)
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None, *, url: str | None, tag: str | None, wheels: Path | None, dry_run: bool, as_json: bool
) -> int:
    """Remove packages/ from this fork and install the four packages pinned instead.

    For teams that do not want to own the engine's source. Refuses with uncommitted changes; review the result and
    commit it.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.settings.project import load_project
    from mlops.template.detach import detach, find_wheels
    from mlops.template.detachment import GitPin
    from mlops.template.origin import read_origin

    if wheels is not None and (url or tag):
        raise InputError("--wheels and --git name two sources", "Give one of them.")
    project = load_project(project_path)
    origin = read_origin(project)
    git = GitPin(url or origin.repository, tag or origin.tag)
    pin, files = (git, ()) if wheels is None else find_wheels(project.root, wheels)
    browse = f"{git.url.removesuffix('.git')}/tree/{git.tag}"
    return answer(detach(project, pin, browse, wheels=files, dry_run=dry_run), as_json=as_json)
