"""`mlops explain`: what each feature added to the answers to a request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option

if TYPE_CHECKING:
    from mlops.settings.project import Project

_STANDARD_INPUT = "-"


@mlops_command(
    "explain",
    "mlops explain --stage prod --file request.json",
    "mlops explain --stage prod --json",
    "mlops explain --package model_package/ --file request.json",
)
@stage_option(required=False, text="Explain what this stage runs.")
@click.option(
    "--package",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Explain a model package in a folder instead; nothing is asked of Azure.",
)
@click.option("--file", "file", help="The request as JSON, `-` for standard input; without it, the sample request.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None, *, stage: str | None, package: Path | None, file: str | None, as_json: bool
) -> int:
    """Show what each feature of a request's rows added to their probability.

    Computed here, from the model package alone: Shapley values against rows drawn from the training distribution.
    They add up to the row's probability minus the average one. Features are drawn independently of each other, so
    where two tell the same, what they add is shared between them.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.core.layout import SAMPLE_REQUEST
    from mlops.settings.project import load_project

    if (stage is None) == (package is None):
        raise InputError("--stage or --package says what to explain", "Give one of the two.")
    project = load_project(project_path)
    if file == _STANDARD_INPUT:
        body = sys.stdin.buffer.read()
    else:
        path = Path(file) if file else project.required_file(SAMPLE_REQUEST)
        if not path.is_file():
            raise InputError(f"{path} is no file", "Give the path of a JSON file to --file, or `-`.")
        body = path.read_bytes()
    model, folder = (project.settings.model, package) if package else _live(project, stage or "")

    from mlops.explain.explaining import explain_rows

    return answer(explain_rows(folder, model, body), as_json=as_json)


def _live(project: Project, stage: str) -> tuple[str, Path]:
    """What a stage runs: its name, and its package."""
    from mlops.azure.clients import WorkspaceClients
    from mlops.core.errors import InputError
    from mlops.endpoint.current_deployment import live_model
    from mlops.models.package_store import package_of_model
    from mlops.models.registration import ModelVersion

    name = project.order.find(stage)
    clients = WorkspaceClients(project)
    live = live_model(clients.stage(name), project.settings.stage(name))
    if live is None:
        raise InputError(f"{name} runs nothing yet", f"Deploy: `mlops deploy --stage {name}`.")
    model = ModelVersion(project.settings.model, live.version, live.digest)
    return f"{model.name} {model.version}", package_of_model(clients.models(name), project, model)
