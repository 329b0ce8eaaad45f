"""`mlops train`, `tune`, `retrain`, `score`, `explain` and `retire`: a model from training to retirement."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops.cli.command_line import json_option, stage_option
from mlops.commands import workspace_command as mlops_command

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.settings.project import Project

_DATA_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _data_options(command: Callable[..., int]) -> Callable[..., int]:
    version = "Instead of a file: an existing version of the data asset, or `newest`."
    file = "The file to train on.  [default: the project's own rows, or a sample]"
    return click.option("--data", type=_DATA_FILE, help=file)(click.option("--data-version", help=version)(command))


def _connected(project_path: Path | None, stage: str | None) -> tuple[Project, str, MLClient]:
    """The project, the name of a stage of it, by default the training stage, and a client of its workspace."""
    from mlops.settings.project import load_project

    project = load_project(project_path)
    name = project.order.find(stage) if stage else project.order.training

    from mlops.azure.workspace import connect

    return project, name, connect(project.settings.stage(name))


def _one_of(data: Path | None, data_version: str | None) -> None:
    if data and data_version:
        raise click.UsageError("--data and --data-version cannot be combined")


@mlops_command(
    "train",
    "mlops train",
    "mlops train --data my.csv",
    "mlops train --data-version newest",
    "mlops train --json | jq .model.version",
    "mlops train --fresh                   # reuse no step of an earlier job",
    "mlops train --pipeline distributed     # on several machines: pipelines/train.distributed.yml",
    "mlops train --submit                  # start, and do not wait",
    "mlops train --job churn-20260301-101500-1a2b",
)
@stage_option(required=False, text="The stage to train in.  [default: the first in project.yml]")
@_data_options
@click.option(
    "--fresh",
    is_flag=True,
    envvar="MLOPS_FRESH",
    show_envvar=True,
    help="Run every step: reuse none of an earlier job, which someone else may have run.",
)
@click.option("--pipeline", default="", help="Run pipelines/train.<NAME>.yml.  [default: pipelines/train.yml]")
@click.option("--submit", is_flag=True, help="Only start the job: print its name, and do not wait for it.")
@click.option("--job", help="Only wait for this job, which --submit started, and register its model.")
@json_option
@click.pass_obj
def train_command(
    project_path: Path | None,
    *,
    stage: str | None,
    data: Path | None,
    data_version: str | None,
    fresh: bool,
    pipeline: str,
    submit: bool,
    job: str | None,
    as_json: bool,
) -> int:
    """Train, evaluate and register a model: runs pipelines/train.yml as a job in the stage's workspace.

    The data become a version of the data asset, uploaded only if the workspace does not have them. Steps that have not
    changed are reused, except with --fresh. A model package that is already registered is not registered again.
    Ctrl-C cancels the job, and nothing is registered. In two parts, with --submit and --job, the second can be run as
    often as needed, and Ctrl-C leaves the job running, so that a login does not have to outlast the training.
    """
    if job is not None and (submit or data or data_version or pipeline):
        raise click.UsageError("--job names a running job: it cannot be combined with --submit, --data or --pipeline")
    _one_of(data, data_version)
    from mlops.cli.rendering import answer

    project, stage_name, client = _connected(project_path, stage)

    from mlops.training.run import finish_training, submit_training, train

    if job is not None:
        return answer(finish_training(client, project, job), as_json=as_json)
    from mlops.init.conversion import converted_file

    act = submit_training if submit else train
    # A CI system passes an empty text for an input that was left out.
    source = data_version or converted_file(project, data)
    return answer(act(client, project, stage_name, source, fresh=fresh, pipeline=pipeline), as_json=as_json)


@mlops_command(
    "tune",
    "mlops tune --stage dev",
    "mlops tune --stage dev --trials 40 --data-version newest",
    "mlops tune --job churn-20260301-101500-1a2b             # wait again, after an interruption",
    "mlops tune --job churn-20260301-101500-1a2b --propose   # the change, on a branch",
)
@stage_option(required=False, text="The stage to tune in.  [default: the first in project.yml]")
@_data_options
@click.option("--trials", type=click.IntRange(1, 1000), help="The number of trials.  [default: that of tune.yml]")
@click.option("--fresh", is_flag=True, help="Run every step and trial: reuse none of an earlier job.")
@click.option("--propose", is_flag=True, help="If a trial is better: commit its parameters on a branch, for review.")
@click.option("--job", help="Only wait for this job, which the command started before.")
@json_option
@click.pass_obj
def tune_command(
    project_path: Path | None,
    *,
    stage: str | None,
    data: Path | None,
    data_version: str | None,
    trials: int | None,
    fresh: bool,
    propose: bool,
    job: str | None,
    as_json: bool,
) -> int:
    """Tune the train step: run pipelines/tune.yml as a job, and compare its trials with the parameters of train.yml.

    components/search_space.yml says what is varied. Trials that fall behind on held-out rows are stopped. The result
    is a report with pictures, and the change of train.yml as a diff: no file is changed. With --propose it is
    committed on a branch, with a pull request where there is a git host.
    Ctrl-C leaves the job running; --job waits for it again. Run again, finished steps are reused.
    """
    if job is not None and (data or data_version or trials or fresh):
        raise click.UsageError("--job names a running job: only --stage and --propose can be combined with it")
    _one_of(data, data_version)
    from mlops.cli.rendering import answer

    project, stage_name, client = _connected(project_path, stage)

    from mlops.tuning.run import finish_tuning, tune

    if job is not None:
        return answer(finish_tuning(client, project, job, propose=propose), as_json=as_json)
    from mlops.init.conversion import converted_file

    source = data_version or converted_file(project, data)
    return answer(tune(client, project, stage_name, source, trials, fresh=fresh, propose=propose), as_json=as_json)


@mlops_command(
    "retrain",
    "mlops retrain --because prod/17               # record 17 of prod's audit log",
    "mlops retrain --because verdict.json          # what `mlops monitor --json` printed",
    'mlops retrain --because "$EVENT" --submit     # an event of the stage\'s topic; start, and do not wait',
)
@click.option("--because", required=True, help="An event (JSON or a file), a verdict of the monitor, or STAGE/RECORD.")
@click.option("--submit", is_flag=True, help="Submit the job, print its name for `mlops train --job`, and do not wait.")
@json_option
@click.pass_obj
def retrain_command(project_path: Path | None, *, because: str, submit: bool, as_json: bool) -> int:
    """Retrain on newer data because a stage drifted, and propose the model for the next stage if it passes the gates.

    releases/retraining.yml says on which data: the newest version of the data asset, or rows that the stage
    collected and whose outcomes are known by now; and how often. The reason is looked up in the stage's audit log,
    which alone is trusted. No training starts, and the command says why and exits with 0, when the rules
    do not allow one, when the stage runs another model by now, or when there is no newer data. The same reason never
    starts a second training: run again, the command continues with the first. The report of the pull request shows
    the drift; a model that the gates block is reported, with exit code 1, and not proposed.
    """
    from mlops.azure.workspace import WorkspaceClients
    from mlops.cli.rendering import answer
    from mlops.retraining.begin import read_trigger
    from mlops.retraining.run import begin_retraining, retrain
    from mlops.settings.project import load_project

    project = load_project(project_path)
    trigger = read_trigger(because)
    act = begin_retraining if submit else retrain
    return answer(act(WorkspaceClients(project), trigger, datetime.now(UTC)), as_json=as_json)


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
@click.option("--file", "file", help="The request as JSON, `-` for standard input.  [default: the sample request]")
@click.option("--deployment", help="The deployment to call.  [default: wherever the traffic goes]")
@click.option("--batch", help="Files instead of a request: a CSV or parquet file, a folder, or azureml:NAME:VERSION.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="With --batch: where the results go.")
@json_option
@click.pass_obj
def score_command(
    project_path: Path | None,
    *,
    stage: str,
    file: str | None,
    deployment: str | None,
    batch: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Send a request to a stage's endpoint and print the response. The body is sent unchanged.

    Exits with 6 if the endpoint refuses the request; the error shows its response.

    With --batch, files are scored by the stage's batch endpoint: each becomes a parquet file in --output, next to
    outcomes.jsonl, which lists them. A file that cannot be scored is rejected with a reason, and the rest
    completes; the exit code is then 1. Ctrl-C cancels the job; another run starts over.
    """
    if batch is not None or output is not None:
        asked = {"--file": file, "--deployment": deployment}
        return _score_batch(project_path, stage, batch, output, asked=asked, as_json=as_json)
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)
    # First: without one, the request does not matter.
    _ = project.settings.stage(stage_name).online_endpoint
    body = _request_body(project, file)

    from mlops.azure.workspace import connect
    from mlops.endpoint.scoring import score

    client = connect(project.settings.stage(stage_name))
    return answer(score(client, project, stage_name, body, deployment), as_json=as_json)


def _score_batch(
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

    if batch is None or output is None:
        raise InputError("--batch and --output go together", "Give both: --batch FOLDER --output FOLDER.")
    wrong = [name for name, value in asked.items() if value is not None]
    if wrong:
        raise InputError(f"{wrong[0]} is for requests and --batch is for files", "Give one of them.")
    project, stage_name, client = _connected(project_path, stage)

    from mlops.batch.score import score_files

    return answer(score_files(client, project, stage_name, batch, output), as_json=as_json)


@mlops_command(
    "explain",
    "mlops explain --stage prod --file request.json",
    "mlops explain --stage prod --json",
    "mlops explain --package model_package/ --file request.json",
)
@stage_option(required=False, text="Explain the model that this stage runs.")
@click.option(
    "--package",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Explain a model package in a folder instead, without Azure.",
)
@click.option("--file", "file", help="The request as JSON, `-` for standard input.  [default: the sample request]")
@json_option
@click.pass_obj
def explain_command(
    project_path: Path | None, *, stage: str | None, package: Path | None, file: str | None, as_json: bool
) -> int:
    """Explain predictions: what each feature contributed to the answer to a request's rows.

    Computed locally, from the model package alone: Shapley values against rows drawn from the training distribution.
    They add up to the row's answer minus the average one. Features are sampled independently, so
    correlated features share their contribution.
    """
    from mlops.cli.rendering import answer
    from mlops.core.errors import InputError
    from mlops.models.explanation import explain_rows, with_report
    from mlops.settings.project import load_project

    if (stage is None) == (package is None):
        raise InputError("say what to explain: either --stage or --package", "Give one of the two.")
    project = load_project(project_path)
    body = _request_body(project, file)
    subject, folder = None, package
    if folder is None:
        from mlops.azure.workspace import WorkspaceClients
        from mlops.endpoint.view import live_package

        subject, folder = live_package(WorkspaceClients(project), project.order.find(stage or ""))

    result = explain_rows(folder, subject.model if subject else project.settings.model, body)
    return answer(with_report(project, result, folder, subject), as_json=as_json)


@mlops_command(
    "retire", "mlops retire --stage dev", "mlops retire --stage prod --json", "mlops retire --stage dev --apply"
)
@stage_option()
@click.option("--apply", "applied", is_flag=True, help="Apply the plan; without this, only show it.")
@json_option
@click.pass_obj
def retire_command(project_path: Path | None, *, stage: str, applied: bool, as_json: bool) -> int:
    """Retire models and deployments that no release refers to.

    Only after the grace periods in releases/retirement.yml. Models are archived, deployments without traffic deleted.
    What is live in any stage stays, and so does what is kept for an instant rollback. Every stage is read, so the login
    must be allowed to read all of them.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import WorkspaceClients
    from mlops.retire.applying import RetireResult, apply_plan
    from mlops.retire.plan import make_plan

    clients = WorkspaceClients(project)
    planned = make_plan(clients, stage_name)
    if applied:
        apply_plan(clients, stage_name, planned)
    return answer(RetireResult(stage_name, project.settings.model, tuple(planned), applied), as_json=as_json)


def _request_body(project: Project, file: str | None) -> bytes:
    """Return the request to send: from a file, from standard input for `-`, or the sample. Raises InputError."""
    from mlops.core.errors import InputError
    from mlops.core.layout import SAMPLE_REQUEST

    if file == _STANDARD_INPUT:
        return sys.stdin.buffer.read()
    if file is None and all(stage.endpoint is None for stage in project.settings.stages):
        raise InputError("there is no sample request: every stage scores only files", "Give one to --file, or `-`.")
    path = Path(file) if file else project.required_file(SAMPLE_REQUEST)
    if not path.is_file():
        raise InputError(f"{path} is not a file", "Give the path of a JSON file to --file, or `-`.")
    return path.read_bytes()
