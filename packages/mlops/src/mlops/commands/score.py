"""`mlops score`: one request to a stage's endpoint, or files to its batch endpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option

_STANDARD_INPUT = "-"


@mlops_command(
    "score",
    "mlops score --stage dev",
    "mlops score --stage dev --file request.json --json",
    "cat request.json | mlops score --stage dev --file -",
    "mlops score --stage dev --deployment green",
    "mlops score --stage prod --batch rows/ --output predictions/",
)
@stage_option()
@click.option("--file", "file", help="The request as JSON, `-` for standard input; without it, the sample request.")
@click.option("--deployment", help="The deployment to ask; without it, wherever the traffic goes.")
@click.option("--batch", help="Files instead of a request: a CSV or parquet file, a folder, or azureml:NAME:VERSION.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="With --batch: where results go.")
@json_option
@click.pass_obj
def command(
    project_path: Path | None,
    *,
    stage: str,
    file: str | None,
    deployment: str | None,
    batch: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Send a request to a stage's endpoint and print the answer. The body is sent as it is.

    Exits with 6 when the endpoint refuses the request; the error shows what it says.

    With --batch, files are scored by the stage's batch endpoint: each becomes a parquet file in --output, beside
    outcomes.jsonl, which lists them. A file that cannot be scored is set aside with its reason, and the rest
    completes; the exit code is 1 then. Ctrl-C cancels the job; run again, it begins anew.
    """
    if batch is not None or output is not None:
        asked = {"--file": file, "--deployment": deployment}
        return _files(project_path, stage, batch, output, asked=asked, as_json=as_json)
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.core.layout import SAMPLE_REQUEST
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)
    if file == _STANDARD_INPUT:
        body = sys.stdin.buffer.read()
    else:
        path = Path(file) if file else project.required_file(SAMPLE_REQUEST)
        if not path.is_file():
            raise InputError(f"{path} is no file", "Give the path of a JSON file to --file, or `-`.")
        body = path.read_bytes()

    from mlops.azure.workspace import connect
    from mlops.endpoint.scoring import score

    client = connect(project.settings.stage(stage_name))
    return answer(score(client, project, stage_name, body, deployment), as_json=as_json)


def _files(
    project_path: Path | None,
    stage: str,
    batch: str | None,
    output: Path | None,
    *,
    asked: dict[str, str | None],
    as_json: bool,
) -> int:
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.settings.project import load_project

    if batch is None or output is None:
        raise InputError("--batch and --output belong together", "Give both: --batch FOLDER --output FOLDER.")
    wrong = [name for name, value in asked.items() if value is not None]
    if wrong:
        raise InputError(f"{wrong[0]} is for a request, and --batch for files", "Give one of them.")
    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import connect
    from mlops.batch.score import score_files

    client = connect(project.settings.stage(stage_name))
    return answer(score_files(client, project, stage_name, batch, output), as_json=as_json)
