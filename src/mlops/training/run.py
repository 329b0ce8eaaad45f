"""A training run from data file to registered version: the order stands here, each part in its own file."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import Interrupted
from mlops.evaluation import Metric, read_metrics
from mlops.layout import REPORT_FOLDER, VALIDATION_STEP, private_folder
from mlops.package import REPORT_FILE
from mlops.progress import Step, say, step_board
from mlops.project import Project, StageName
from mlops.quiet import quiet
from mlops.results import Block, Line, Result, Table
from mlops.sample import sample_file
from mlops.source_version import git_commit
from mlops.training.data_asset import DataVersion, accept, ensure_data, refuse
from mlops.training.failure import job_failure
from mlops.training.following import COMPLETED, FinishedJob, follow
from mlops.training.package_store import package_of_job
from mlops.training.registration import ModelVersion, Origin, register
from mlops.training.submission import Order, new_job_name, submit
from mlops.training.validation import validation_warnings


@dataclass(frozen=True)
class TrainResult(Result):
    """What a training run made."""

    job: str
    steps: tuple[Step, ...]
    metrics: dict[str, Metric]
    model: ModelVersion
    is_new: bool
    data: DataVersion
    warnings: tuple[str, ...]
    report: Path | None
    studio_url: str | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """Everything, with metrics as plain numbers and their intervals beside them."""
        return {
            "job": self.job,
            "steps": [asdict(step) for step in self.steps],
            "metrics": {name: metric.value for name, metric in self.metrics.items()},
            "intervals": {
                name: [metric.low, metric.high] for name, metric in self.metrics.items() if metric.low is not None
            },
            "model": asdict(self.model),
            "new": self.is_new,
            "data": asdict(self.data),
            "warnings": list(self.warnings),
            "report": str(self.report) if self.report else None,
            "seconds": round(self.seconds, 3),
        }

    def blocks(self) -> Sequence[Block]:
        """Steps, metrics, and the registered version."""
        model = f"{self.model.name} version {self.model.version}"
        blocks: list[Block] = [
            *training_tables(self),
            *(Line(f"warning of {VALIDATION_STEP}: {warning}") for warning in self.warnings),
            Line(
                f"{model} is registered" if self.is_new else f"{model} was registered before: same digest",
                "good",
            ),
            Line(f"digest  {self.model.digest}"),
        ]
        if self.report:
            blocks.append(Line(f"report  {self.report}"))
        if self.studio_url:
            blocks.append(Line(f"job     {self.studio_url}"))
        blocks.append(Line("Next: `mlops deploy --stage dev`", "hint"))
        return blocks


def training_tables(result: TrainResult) -> list[Table]:
    """The steps with their times, and the metrics with their intervals."""
    steps = tuple((step.name, step.status, _time(step)) for step in result.steps)
    metrics = tuple((name, metric.sentence()) for name, metric in result.metrics.items())
    return [
        Table(f"job {result.job} ({result.seconds:.1f} s)", ("step", "state", "seconds"), steps),
        Table("metrics on the test part", ("metric", "value (95 % interval)"), metrics),
    ]


def train(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    data_file: Path | None,
    parameters: Mapping[str, float] | None = None,
) -> TrainResult:
    """Train on `data_file` (the generated sample when None) in a stage's workspace; register the package.

    `parameters` are inputs of pipelines/train.yml that shall differ from their defaults.
    """
    begun = time.monotonic()
    settings = project.settings
    Thread(target=_import_ahead, daemon=True).start()
    file = data_file or sample_file(project)
    data, is_new_data = ensure_data(client, settings.data, file)
    commit = git_commit(project.root)
    job_name = new_job_name(settings.name)
    finished = _run_job(client, project, stage_name, Order(job_name, data, commit, parameters or {}))
    if finished.status != COMPLETED:
        error = job_failure(client, project, finished, file)
        if is_new_data and finished.has_failed(VALIDATION_STEP):
            error.advice += f" {refuse(client, data)}"
        raise error
    if not is_new_data:
        accept(client, data)
    warnings = validation_warnings(client, job_name)
    package, digest = package_of_job(client, project, job_name)
    metrics = read_metrics(package)
    values = {name: metric.value for name, metric in metrics.items()}
    model, is_new = register(client, settings.model, digest, Origin(job_name, commit, data), values)
    return TrainResult(
        job=job_name,
        steps=finished.steps,
        metrics=metrics,
        model=model,
        is_new=is_new,
        data=data,
        warnings=warnings,
        report=_keep_report(project, package, model),
        studio_url=finished.studio_url,
        seconds=time.monotonic() - begun,
    )


def _import_ahead() -> None:
    # The SDK imports it when it first looks at a job, and does without it where it is not installed.
    with suppress(ImportError):
        importlib.import_module("azureml.mlflow")


def _run_job(client: MLClient, project: Project, stage_name: StageName, order: Order) -> FinishedJob:
    stage = project.settings.stage(stage_name)
    try:
        job = submit(client, project, stage, order)
        say(f"job {job.name}")
        with step_board() as board:
            return follow(client, job, board)
    except KeyboardInterrupt:
        raise _cancelled(client, order.job_name) from None


def _cancelled(client: MLClient, job_name: str) -> Interrupted:
    say(f"interrupted: cancelling job {job_name} (Ctrl-C once more leaves it running)")
    try:
        with quiet():
            client.jobs.begin_cancel(job_name).wait()
    except KeyboardInterrupt:
        return Interrupted(f"job {job_name} goes on in the workspace; nothing was registered", "See `mlops status`.")
    except ResourceNotFoundError:
        return Interrupted("the job was not submitted yet; nothing was registered")
    return Interrupted(
        f"job {job_name} is cancelled; nothing was registered",
        "Run the command again; finished steps are reused.",
    )


def _keep_report(project: Project, package: Path, model: ModelVersion) -> Path | None:
    """Copy the package's report to where people find it."""
    report = package / REPORT_FILE
    if not report.is_file():
        return None
    folder = private_folder(project.path(REPORT_FOLDER))
    return Path(shutil.copyfile(report, folder / f"{model.name}-{model.version}.html")).resolve()


def _time(step: Step) -> str:
    if step.reused:
        return "reused"
    return "" if step.seconds is None else f"{step.seconds:.1f}"
