"""A training run from data file to registered version: this module is the sequence, each part has its own file.

In one go (`train`), or in two parts that may be hours apart and on different machines (`submit_training`,
`finish_training`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import Step, say, step_board
from mlops.core.errors import Interrupted
from mlops.core.layout import VALIDATION_STEP
from mlops.core.results import Block, Line, Result, Table
from mlops.githost.hosts import current_actor
from mlops.models.data_asset import DataVersion, accept, refuse
from mlops.models.facts import keep_training_reports, subject_of_training
from mlops.models.registered import Lineage, ModelVersion, model_type, package_of_job, read_metrics, register
from mlops.settings.project import Project
from mlops.settings.stages import StageName
from mlops.training.following import COMPLETED, FinishedJob, follow, job_failure, read_validation
from mlops.training.submission import SubmittedJob, find_submitted, submit, training_order
from model_package.evaluation import Estimate


@dataclass(frozen=True)
class TrainResult(Result):
    """The result of a training run."""

    job: str
    steps: tuple[Step, ...]
    metrics: dict[str, Estimate]
    model: ModelVersion
    is_new: bool
    data: DataVersion
    warnings: tuple[str, ...]
    report: Path | None
    studio_url: str | None
    stage: StageName
    seconds: float

    @property
    def outputs(self) -> dict[str, str]:
        """The version, for a deployment step."""
        return {"version": self.model.version, "digest": self.model.digest}

    def document(self) -> dict[str, Any]:
        """Everything, with metrics as plain numbers and their intervals separately."""
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
                f"{model} is registered" if self.is_new else f"{model} was already registered: same digest",
                "good",
            ),
            Line(f"digest  {self.model.digest}"),
        ]
        if self.report:
            blocks.append(Line(f"report  {self.report}"))
        if self.studio_url:
            blocks.append(Line(f"job     {self.studio_url}"))
        blocks.append(Line(f"Next: `mlops deploy --stage {self.stage}`", "hint"))
        return blocks


@dataclass(frozen=True)
class SubmitResult(Result):
    """A submitted training job."""

    job: str
    data: DataVersion
    steps: tuple[str, ...]
    studio_url: str | None

    @property
    def outputs(self) -> dict[str, str]:
        """The job, for the step that waits for it."""
        return {"job": self.job}

    def document(self) -> dict[str, Any]:
        """Everything."""
        return {"job": self.job, "data": asdict(self.data), "steps": list(self.steps), "studio_url": self.studio_url}

    def blocks(self) -> Sequence[Block]:
        """The job, and how to wait for it."""
        blocks: list[Block] = [Line(f"job {self.job} is submitted", "good"), Line(f"data    {self.data.reference}")]
        if self.studio_url:
            blocks.append(Line(f"job     {self.studio_url}"))
        return [*blocks, Line(f"Next: `mlops train --job {self.job}`", "hint")]


def training_tables(result: TrainResult) -> list[Table]:
    """The steps with their times, and the metrics with their intervals."""
    steps = tuple((step.name, step.status, _time(step)) for step in result.steps)
    metrics = tuple((name, _shown(metric)) for name, metric in result.metrics.items())
    return [
        Table(f"job {result.job} ({result.seconds:.1f} s)", ("step", "state", "seconds"), steps),
        Table("metrics on the test set", ("metric", "value (95 % interval)"), metrics),
    ]


def train(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    data: Path | str | None,
    parameters: Mapping[str, float] | None = None,
    *,
    fresh: bool = False,
    pipeline: str = "",
) -> TrainResult:
    """Train on `data` in a stage's workspace; register the package.

    `data` is a file, an existing version of the data asset (or `newest`), or None for the generated sample.
    `parameters` are inputs of pipelines/train.yml that differ from their defaults. `fresh` reuses no step of an
    earlier job. `pipeline` names another file, as `Order` has it.
    """
    begun = time.monotonic()
    order, file = training_order(client, project, data, fresh=fresh, pipeline=pipeline)
    try:
        job = submit(client, project, project.settings.stage(stage_name), order, parameters or {})
        finished = _follow(client, job)
    except KeyboardInterrupt:
        raise _cancelled(client, order.job_name) from None
    return _result(client, project, job, finished, file, begun)


def submit_training(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    data: Path | str | None,
    job_name: str | None = None,
    *,
    fresh: bool = False,
    is_new_data: bool = False,
    pipeline: str = "",
) -> SubmitResult:
    """Start what `train` does, and leave the job running; its name is generated unless one is given.

    `is_new_data` for a version that was created for this training: archived if validation refuses it.
    """
    order, _ = training_order(client, project, data, job_name, fresh=fresh, pipeline=pipeline)
    order = replace(order, is_new_data=order.is_new_data or is_new_data)
    job = submit(client, project, project.settings.stage(stage_name), order, {})
    return SubmitResult(job.name, order.data, job.steps, job.studio_url)


def finish_training(client: MLClient, project: Project, job_name: str) -> TrainResult:
    """Wait for a submitted job, and register its package; safe to repeat.

    Interrupting the wait does not stop the job. Raises InputError for a name that is not such a job.
    """
    begun = time.monotonic()
    job = find_submitted(client, job_name)
    try:
        finished = _follow(client, job)
    except KeyboardInterrupt:
        message = f"job {job_name} is still running in the workspace; nothing was registered"
        raise Interrupted(message, "Run the command again to keep waiting.") from None
    return _result(client, project, job, finished, None, begun)


def _follow(client: MLClient, job: SubmittedJob) -> FinishedJob:
    say(f"job {job.name}")
    with step_board() as board:
        return follow(client, job, board)


def _result(
    client: MLClient, project: Project, job: SubmittedJob, finished: FinishedJob, file: Path | None, begun: float
) -> TrainResult:
    """Register a job's package. Raises JobFailed if it produced none."""
    order = job.order
    if finished.status != COMPLETED:
        error = job_failure(client, project, finished, file)
        if order.is_new_data and finished.has_failed(VALIDATION_STEP):
            error.advice += f" {refuse(client, order.data)}"
        raise error
    if not order.is_new_data:
        accept(client, order.data)
    validation = read_validation(client, job.name)
    package, digest = package_of_job(client, project, job.name)
    metrics = read_metrics(package)
    values = {name: metric.value for name, metric in metrics.items() if metric.value is not None}
    lineage = Lineage(job.name, order.git_commit, order.data)
    model, is_new = register(client, project.settings.model, digest, lineage, values, model_type(package))
    _describe_run(client, lineage, model, values)
    return TrainResult(
        job=job.name,
        steps=finished.steps,
        metrics=metrics,
        model=model,
        is_new=is_new,
        data=order.data,
        warnings=validation.warnings,
        report=keep_training_reports(
            project,
            package,
            subject_of_training(model, lineage),
            validation.page,
            finished.studio_url,
            is_new=is_new,
        ),
        studio_url=finished.studio_url,
        stage=project.order.training,
        seconds=time.monotonic() - begun,
    )


def _describe_run(client: MLClient, lineage: Lineage, model: ModelVersion, metrics: Mapping[str, float]) -> None:
    """Log to the job's own run what its steps found: the page that people open shows no run but that one."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    now, name = int(time.time() * 1000), f"{model.name} {model.version}"
    data = f"{lineage.data.name} {lineage.data.version}"
    inputs = client.jobs.get(lineage.job).inputs or {}
    plain = {key: getattr(value, "_data", value) for key, value in inputs.items()}
    parameters = {key: str(value) for key, value in plain.items() if isinstance(value, str | int | float | bool)}
    tags = {
        "model": name,
        "model_digest": model.digest,
        "data": data,
        "data_sha256": lineage.data.sha256,
        "mlflow.source.git.commit": lineage.git_commit,
        "mlflow.user": current_actor(),
        "mlflow.note.content": f"Model {name}, trained on {data} from commit {lineage.git_commit}.",
    }
    try:
        MlflowClient(tracking_uri=client.workspaces.get(client.workspace_name).mlflow_tracking_uri).log_batch(
            lineage.job,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            params=[Param(key, value) for key, value in parameters.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
    except MlflowException as error:
        # The model is registered; its steps' runs have the metrics as well.
        say(f"warning: the run of job {lineage.job} could not be described: {error}")


def _cancelled(client: MLClient, job_name: str) -> Interrupted:
    say(f"interrupted: cancelling job {job_name} (Ctrl-C again leaves it running)")
    try:
        with suppress_output():
            client.jobs.begin_cancel(job_name).wait()
    except KeyboardInterrupt:
        return Interrupted(
            f"job {job_name} is still running in the workspace; nothing was registered", "`mlops status` shows the job."
        )
    except ResourceNotFoundError:
        return Interrupted("the job was not submitted yet; nothing was registered")
    except HttpResponseError as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        # The service refuses to cancel a pipeline that has ended.
        return Interrupted(
            f"job {job_name} had already ended; nothing was registered",
            "Run the command again; finished steps are reused.",
        )
    return Interrupted(
        f"job {job_name} was cancelled; nothing was registered",
        "Run the command again; finished steps are reused.",
    )


def _shown(metric: Estimate) -> str:
    if metric.value is None:
        return "-"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.4f}"
    return f"{metric.value:.4f}  ({metric.low:.4f} to {metric.high:.4f})"


def _time(step: Step) -> str:
    if step.reused:
        return "reused"
    return "" if step.seconds is None else f"{step.seconds:.1f}"
