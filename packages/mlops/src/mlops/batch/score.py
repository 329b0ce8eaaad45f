"""`mlops score --batch`: sends files to the stage's batch endpoint, and fetches predictions and outcomes."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import say, step_board
from mlops.core.errors import InputError, Interrupted, JobFailed, RequestRefused
from mlops.core.layout import SCORING_STEP
from mlops.core.results import Block, Line, Result, Table, counted
from mlops.endpoint.view import DIGEST_TAG, VERSION_TAG
from mlops.models.facts import Subject, facts_of, find_subject, keep_report
from mlops.models.registered import ModelVersion
from mlops.settings.project import Project
from mlops.settings.stages import StageName
from mlops.training.following import COMPLETED, FinishedJob, follow, job_failure
from mlops.training.submission import new_job_name
from model_package.reports.pages import Fact
from model_package.rows.files import KINDS

OUTCOMES_FILE: Final = "outcomes.jsonl"
SCORED: Final = "scored"
SET_ASIDE: Final = "set aside"
IGNORED: Final = "ignored"
_TEMPLATE: Final = Path(__file__).with_name("report.html.j2")
_REMOTE: Final = "azureml:"
_INPUT: Final = "data"
_PREDICTIONS: Final = "predictions"
_OUTCOMES: Final = "outcomes"
_SHOWN: Final = 20


class Outcome(BaseModel):
    """What happened to one file; `details` are the first findings of at least `total` wrong values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    status: Literal["scored", "set aside", "ignored"]
    rows: int = 0
    output: str | None = None
    reason: str | None = None
    details: list[dict[str, Any]] = []
    total: int = 0


def read_outcomes(file: Path) -> tuple[Outcome, ...]:
    """Read outcomes.jsonl, one JSON object per line. Raises JobFailed when it is anything else."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return tuple(Outcome.model_validate_json(line) for line in lines if line.strip())
    except (OSError, ValidationError) as error:
        raise JobFailed(
            f"{file.name} of the job cannot be read: {str(error).splitlines()[0]}",
            "The scoring step must be the one of this commit: `mlops deploy --batch`, and score again.",
        ) from error


@dataclass(frozen=True)
class _ScoringJob:
    """A job of the batch endpoint."""

    name: str
    steps: tuple[str, ...] = (SCORING_STEP,)


@dataclass(frozen=True)
class BatchScoreResult(Result):
    """The outcome of each file; `output` is the folder of the predictions."""

    endpoint: str
    deployment: str
    model_version: str
    job: str
    outcomes: tuple[Outcome, ...]
    output: Path
    seconds: float
    subject: Subject
    report: Path | None

    @property
    def exit_code(self) -> int:
        """1 if a file was rejected."""
        return int(bool(self.of(SET_ASIDE)))

    def document(self) -> dict[str, Any]:
        """Everything, including the outcome of each file."""
        return {
            "endpoint": self.endpoint,
            "deployment": self.deployment,
            "model_version": self.model_version,
            "job": self.job,
            "rows": self.rows,
            "files": [outcome.model_dump() for outcome in self.outcomes],
            "output": str(self.output),
            "seconds": round(self.seconds, 3),
            "report": str(self.report) if self.report else None,
        }

    def blocks(self) -> Sequence[Block]:
        """The counts, and the files that were set aside with their reasons."""
        scored, aside = self.of(SCORED), self.of(SET_ASIDE)
        facts = (
            ("batch endpoint", f"{self.endpoint}, deployment {self.deployment}"),
            *self.subject.rows(),
            ("files scored", f"{len(scored)} with {counted(self.rows, 'row')}"),
            ("files rejected", str(len(aside))),
            ("predictions", str(self.output)),
            *((("report", str(self.report)),) if self.report else ()),
        )
        blocks: list[Block] = [Table(f"job {self.job} ({self.seconds:.1f} s)", (), facts)]
        if aside:
            rows = tuple((outcome.file, outcome.reason or "") for outcome in aside[:_SHOWN])
            blocks.append(Table("rejected files", ("file", "reason"), rows))
            blocks.append(Line(f"{self.output / OUTCOMES_FILE} has the full reasons.", "bad"))
            blocks.append(Line("Correct these files and score them again; the others are done.", "hint"))
        return blocks

    def of(self, status: str) -> list[Outcome]:
        """The outcomes of one status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def rows(self) -> int:
        """The rows that were scored."""
        return sum(outcome.rows for outcome in self.of(SCORED))


def score_files(
    client: MLClient, project: Project, stage_name: StageName, source: str, output: Path, deployment: str | None = None
) -> BatchScoreResult:
    """Score a file or folder (or what an `azureml:` reference names) with the model that the stage has deployed.

    `deployment`: one that is not the default yet. Writes predictions and outcomes.jsonl to `output`. Run again, it
    writes the same files once more.
    """
    begun = time.monotonic()
    endpoint = project.settings.stage(stage_name).files_endpoint
    name = deployment or _default_deployment(client, endpoint, stage_name)
    tags = client.batch_deployments.get(name, endpoint).tags or {}
    version = tags.get(VERSION_TAG, "unknown")
    job_name = new_job_name(project.settings.name)
    with _input_folder(source) as folder:
        finished = _run(client, endpoint, name, job_name, folder)
    if finished.status != COMPLETED:
        raise job_failure(client, project, finished, Path(source))
    outcomes = _fetch(client, finished.name, output)
    model = ModelVersion(project.settings.model, version, tags.get(DIGEST_TAG, ""))
    result = BatchScoreResult(
        endpoint=endpoint,
        deployment=name,
        model_version=version,
        job=finished.name,
        outcomes=outcomes,
        output=output.resolve(),
        seconds=time.monotonic() - begun,
        subject=find_subject(client, project, stage_name, model),
        report=None,
    )
    # The golden rows of a deployment that is not the default yet are no report for people.
    return (
        result
        if deployment
        else replace(result, report=keep_batch_report(project, stage_name, source, result, finished.studio_url))
    )


def keep_batch_report(
    project: Project, stage: StageName, source: str, result: BatchScoreResult, job_url: str | None
) -> Path:
    """Write the page of a run: how many files and rows were scored, and the outcome of each file."""
    more = (
        Fact("stage", f"{stage}, deployment {result.deployment}"),
        Fact("files", source),
        Fact("scored by job", result.job, job_url or ""),
    )
    facts = facts_of(project, result.subject, "scored", *more)
    return keep_report(project, f"batch-{stage}-{result.job}.html", _TEMPLATE, {"result": result}, facts)


def _default_deployment(client: MLClient, endpoint: str, stage_name: StageName) -> str:
    """Return the default deployment. Raises RequestRefused when there is none."""
    advice = f"Deploy: `mlops deploy --stage {stage_name} --batch`."
    try:
        found = client.batch_endpoints.get(endpoint)
    except ResourceNotFoundError as error:
        raise RequestRefused(f"stage {stage_name} has no batch endpoint {endpoint} yet", advice) from error
    name = getattr(found.defaults, "deployment_name", None)
    if not name:
        raise RequestRefused(f"the batch endpoint {endpoint} has no default deployment", advice)
    return str(name)


@contextmanager
def _input_folder(source: str) -> Generator[str]:
    """Yield a folder for the endpoint: the source itself, or one with the single file.

    Raises InputError for a source without files of rows.
    """
    if source.startswith(_REMOTE):
        yield source
        return
    path = Path(source)
    if not path.exists():
        raise InputError(
            f"{path} does not exist", "Pass a file or a folder of CSV and parquet, or azureml:NAME:VERSION."
        )
    files = [path] if path.is_file() else path.rglob("*")
    if not any(file.is_file() and file.suffix.lower() in KINDS for file in files):
        raise InputError(
            f"there are no files to score in {path}", f"Pass files whose names end with {', '.join(KINDS)}."
        )
    if path.is_dir():
        yield str(path.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder) / path.name)
        yield folder


def _run(client: MLClient, endpoint: str, deployment: str, job_name: str, folder: str) -> FinishedJob:
    data = Input(type=AssetTypes.URI_FOLDER, path=folder)
    try:
        with suppress_output():
            # Always by name: the SDK would send an unnamed call to the deployment of the one before.
            job = client.batch_endpoints.invoke(
                endpoint, deployment_name=deployment, inputs={_INPUT: data}, job_name=job_name
            )
        say(f"job {job.name}")
        with step_board() as board:
            return follow(client, _ScoringJob(str(job.name)), board)
    except KeyboardInterrupt:
        raise _cancelled(client, job_name) from None


def _cancelled(client: MLClient, job_name: str) -> Interrupted:
    try:
        with suppress_output():
            client.jobs.begin_cancel(job_name).wait()
    except ResourceNotFoundError:
        return Interrupted("the job was not started yet; nothing was scored")
    except HttpResponseError as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        # The service refuses to cancel a pipeline that has ended.
        return Interrupted(f"job {job_name} had already ended; nothing was fetched", "Run the command again.")
    return Interrupted(f"job {job_name} was cancelled; nothing was fetched", "Run the command again.")


def _fetch(client: MLClient, job: str, output: Path) -> tuple[Outcome, ...]:
    """Download the predictions, and last outcomes.jsonl, which lists them."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".unfinished-") as scratch:
        with suppress_output():
            for name in (_PREDICTIONS, _OUTCOMES):
                client.jobs.download(job, download_path=scratch, output_name=name)
        folders = {name: Path(scratch) / "named-outputs" / name for name in (_PREDICTIONS, _OUTCOMES)}
        listed = [path for path in folders[_OUTCOMES].rglob("*") if path.is_file()]
        if len(listed) != 1:
            raise JobFailed(f"job {job} has no list of outcomes", f"Check its log: `mlops status`, job {job}.")
        outcomes = read_outcomes(listed[0])
        for outcome in outcomes:
            if outcome.output is not None:
                _move(_require_file(folders[_PREDICTIONS], outcome.output), output / outcome.output)
        _move(listed[0], output / OUTCOMES_FILE)
    return outcomes


def _require_file(folder: Path, relative: str) -> Path:
    file = (folder / relative).resolve()
    if not file.is_file() or not file.is_relative_to(folder.resolve()):
        raise JobFailed(f"the predictions {relative} are listed but missing", "Score the files again.")
    return file


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
