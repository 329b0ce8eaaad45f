"""Why a job ended badly: the step that failed, the last lines of its log, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.errors import JobFailed
from mlops.layout import STATE_FOLDER, private_folder
from mlops.project import Project
from mlops.quiet import quiet
from mlops.training.following import CANCELED, FAILED, FinishedJob, StepRun

LOG_LINES: Final = 20
_LOG_FOLDER: Final = STATE_FOLDER / "logs"
_LOG_NAME: Final = "std_log.txt"
_AGAIN: Final = "Run `mlops train` again; finished steps are reused."


def job_failure(client: MLClient, project: Project, job: FinishedJob) -> JobFailed:
    """The error for a job that did not complete."""
    if job.status == CANCELED:
        return JobFailed(f"job {job.name} was cancelled", "Run `mlops train` again; finished steps are reused.")
    failed = next((run for run in job.runs if run.step.status == FAILED), None)
    if failed is None:
        reason = _reason_of_service(client, job.name)
        return JobFailed(f"job {job.name} ended as {job.status}", "Run `mlops train` again.", tuple(reason))
    return _step_failure(client, project, job, failed)


def _step_failure(client: MLClient, project: Project, job: FinishedJob, failed: StepRun) -> JobFailed:
    log = download_log(client, project, failed.job)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    tail = [line for line in lines if line.strip()][-LOG_LINES:] or _reason_of_service(client, failed.job)
    not_run = [step.name for step in job.steps if step.status not in {FAILED, "Completed"}]
    skipped = f" Not run: {', '.join(not_run)}." if not_run else ""
    where = f" The whole log: {log}." if log else ""
    return JobFailed(
        f"step {failed.step.name} of job {job.name} failed",
        f"Correct what the log says and run `mlops train` again; finished steps are reused.{skipped}{where}",
        tuple(tail),
    )


def download_log(client: MLClient, project: Project, job_name: str) -> Path | None:
    """Download what a job printed; None when the workspace has kept nothing of it."""
    folder = private_folder(project.path(_LOG_FOLDER)) / job_name
    try:
        with quiet():
            client.jobs.download(job_name, download_path=folder)
    except (AzureError, MlException):
        # A missing log must not hide the failure that we are about to explain.
        return None
    return next(iter(sorted(folder.rglob(_LOG_NAME))), None)


def _reason_of_service(client: MLClient, job_name: str) -> list[str]:
    """What the service says about a job that has ended; the SDK tells it only while streaming."""
    try:
        with quiet():
            client.jobs.stream(job_name)
    except (AzureError, MlException) as error:
        return str(error).splitlines()[-LOG_LINES:]
    return []
