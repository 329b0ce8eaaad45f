"""`mlops score`: one request to a stage's endpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlops.command_line import command as mlops_command
from mlops.command_line import json_option, stage_option

_STANDARD_INPUT = "-"


@mlops_command(
    "score",
    "mlops score --stage dev",
    "mlops score --stage dev --file request.json --json",
    "cat request.json | mlops score --stage dev --file -",
    "mlops score --stage dev --deployment green",
)
@stage_option()
@click.option("--file", "file", help="The request as JSON, `-` for standard input; without it, the sample request.")
@click.option("--deployment", help="The deployment to ask; without it, wherever the traffic goes.")
@json_option
@click.pass_obj
def command(project_path: Path | None, *, stage: str, file: str | None, deployment: str | None, as_json: bool) -> int:
    """Send a request to a stage's endpoint and print the answer. The body is sent as it is.

    Exits with 6 when the endpoint refuses the request; the error shows what it says.
    """
    from mlops.errors import InputError
    from mlops.layout import SAMPLE_REQUEST
    from mlops.project import load_project, parse_stage
    from mlops.rendering import answer

    project = load_project(project_path)
    stage_name = parse_stage(stage)
    if file == _STANDARD_INPUT:
        body = sys.stdin.buffer.read()
    else:
        path = Path(file) if file else project.required_file(SAMPLE_REQUEST)
        if not path.is_file():
            raise InputError(f"{path} is no file", "Give the path of a JSON file to --file, or `-`.")
        body = path.read_bytes()

    from mlops.serving.scoring import score
    from mlops.workspace import connect

    client = connect(project.settings.stage(stage_name))
    return answer(score(client, project, stage_name, body, deployment), as_json=as_json)
