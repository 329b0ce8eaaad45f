"""Why a training job failed, and what its validation warned of: step, log excerpt, and what to do next."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import JobFailed
from mlops.core.layout import STATE_FOLDER, VALIDATION_OUTPUT, private_folder
from mlops.settings.project import Project
from mlops.training.following import CANCELED, FAILED, FinishedJob, StepRun

_REPORT: Final = "report.json"
_WARNINGS: Final = "warnings"


def validation_warnings(client: MLClient, job: str) -> tuple[str, ...]:
    """The warnings of a job's validation report; none when the pipeline publishes no report."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with suppress_output():
                client.jobs.download(job, download_path=folder, output_name=VALIDATION_OUTPUT)
        except (AzureError, MlException):
            # A model must not be lost for a report that is only worth a look.
            return ()
        report = next(iter(sorted(Path(folder).rglob(_REPORT))), None)
        return read_warnings(report) if report else ()


def read_warnings(report: Path) -> tuple[str, ...]:
    """The sentences under "warnings" in a report.json; a report of another shape has none."""
    try:
        document = json.loads(report.read_bytes())
    except ValueError:
        return ()
    found = document.get(_WARNINGS) if isinstance(document, dict) else None
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


LOG_LINES: Final = 20
_LOG_FOLDER: Final = STATE_FOLDER / "logs"
_LOG_NAME: Final = "std_log.txt"
# What the service writes before the step's own words: notes, and the command line.
_PREAMBLE: Final = ("#", "$ ")


def job_failure(client: MLClient, project: Project, job: FinishedJob, data_file: Path | None) -> JobFailed:
    """The error for a job that did not complete; `data_file` is what it ran on, where that is on this machine."""
    if job.status == CANCELED:
        return JobFailed(f"job {job.name} was cancelled", "Run the command again; finished steps are reused.")
    failed = next((run for run in job.runs if run.step.status == FAILED), None)
    if failed is None:
        reason = _reason_of_service(client, job.name)
        return JobFailed(f"job {job.name} ended as {job.status}", "Run the command again.", tuple(reason))
    return _step_failure(client, project, job, failed, data_file)


def _step_failure(
    client: MLClient, project: Project, job: FinishedJob, failed: StepRun, data_file: Path | None
) -> JobFailed:
    log = download_log(client, project, failed.job)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    tail = telling_lines(lines, data_file) or _reason_of_service(client, failed.job)
    not_run = [step.name for step in job.steps if step.status not in {FAILED, "Completed"}]
    skipped = f" Not run: {', '.join(not_run)}." if not_run else ""
    where = f" The whole log: {log}." if log else ""
    return JobFailed(
        f"step {failed.step.name} of job {job.name} failed",
        f"Correct what the log says and run the command again; finished steps are reused.{skipped}{where}",
        tuple(tail),
    )


def telling_lines(log: Sequence[str], data_file: Path | None) -> list[str]:
    """The last lines that the step itself said, where the copy that it read of `data_file` has the file's name here."""
    own = [line for line in log if line.strip() and not line.startswith(_PREAMBLE)]
    if data_file is None:
        return own[-LOG_LINES:]
    copy = re.compile(rf"/[^\s'\":]*/{re.escape(data_file.name)}(?![\w.])")
    return [copy.sub(lambda _: str(data_file), line) for line in own[-LOG_LINES:]]


def download_log(client: MLClient, project: Project, job_name: str) -> Path | None:
    """Download what a job printed; None when the workspace has kept nothing of it."""
    folder = private_folder(project.path(_LOG_FOLDER)) / job_name
    try:
        with suppress_output():
            client.jobs.download(job_name, download_path=folder)
    except (AzureError, MlException):
        # A missing log must not hide the failure that we are about to explain.
        return None
    return next(iter(sorted(folder.rglob(_LOG_NAME))), None)


def _reason_of_service(client: MLClient, job_name: str) -> list[str]:
    """What the service says about a job that has ended; the SDK tells it only while streaming."""
    try:
        with suppress_output():
            client.jobs.stream(job_name)
    except (AzureError, MlException) as error:
        return str(error).splitlines()[-LOG_LINES:]
    return []
