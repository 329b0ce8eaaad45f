"""`mlops provenance`: where a stage's model comes from, and whether the stage accepts that."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option


@mlops_command(
    "provenance",
    "mlops provenance --stage prod",
    "mlops provenance --version 3 --out provenance    # files for `gh` or `cosign` to sign",
)
@stage_option(required=False, text="The stage; without it, the first of project.yml.")
@click.option("--version", help="The first stage only: the model version; without it, the newest.")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write statement.json, predicate.json and SHA256SUMS, whose sha256 is the package's digest, to this folder.",
)
@json_option
@click.pass_obj
def command(
    project_path: Path | None, *, stage: str | None, version: str | None, folder: Path | None, as_json: bool
) -> int:
    """Show where a model comes from: digest, commit, data, environment, and who trained it in which run.

    In the first stage it is stated from the registered version; for the others it is read from releases/provenance/,
    as promotions commit it. Either way it is checked against the bytes, git and releases/provenance.yml, as
    `mlops deploy` does. Exits with 1 when the stage would refuse it.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage) if stage else project.order.training
    if version is not None and stage_name != project.order.training:
        raise InputError(
            f"which version {stage_name} runs is said by releases/{stage_name}.yml", "Leave out --version."
        )

    from mlops.azure.clients import WorkspaceClients
    from mlops.provenance.inspection import inspect

    return answer(inspect(WorkspaceClients(project), stage_name, version, folder), as_json=as_json)
