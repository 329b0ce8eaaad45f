"""Follows a job to its end: the state and duration of each step, and why a job failed.

Polls the workspace as often as waiting.py says.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Job
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.sdk_output import suppress_output
from mlops.cli.progress import Step, StepBoard
from mlops.core.environments import advice_for_module
from mlops.core.errors import JobFailed
from mlops.core.layout import STATE_FOLDER, VALIDATION_OUTPUT, private_folder
from mlops.core.waiting import poll
from mlops.settings.project import Project

COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELED: Final = "Canceled"
TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELED, "NotResponding", "Paused"})
_NOT_BEGUN: Final = frozenset({"NotStarted", "Queued", "Starting", "Preparing", "Provisioning"})
_WAITING: Final = "NotStarted"
_REUSED_PROPERTY: Final = "azureml.isreused"
# While a step is running the job cannot have ended, unless the service lost track of the step.
_LOOK_AT_JOB_EVERY_SECONDS: Final = 5.0


class Followed(Protocol):
    """A submitted job; `steps` in display order."""

    @property
    def name(self) -> str:
        """The job's name."""
        ...

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps."""
        ...


@dataclass(frozen=True)
class StepRun:
    """A step and its child job."""

    step: Step
    job: str


@dataclass(frozen=True)
class FinishedJob:
    """A job in a terminal state; `studio_url` is its page in Azure ML studio."""

    name: str
    status: str
    runs: tuple[StepRun, ...]
    studio_url: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order."""
        return tuple(run.step for run in self.runs)

    def has_failed(self, step: str) -> bool:
        """Whether the step of this name failed."""
        return any(run.step.name == step and run.step.status == FAILED for run in self.runs)


def step_seconds(status: str, begun: datetime | None, changed: datetime | None, now: datetime) -> float | None:
    """How long a step has been running by `now`, or ran until it ended; None before it began, or if unknown.

    A cancelled step has no duration: the service does not say whether it ever began.
    `begun` and `changed` (aware) are when the service created the run and when it last changed it.
    """
    if status in _NOT_BEGUN or status == CANCELED or begun is None:
        return None
    end = changed if status in TERMINAL else now
    # The clocks of the service and of this machine may differ.
    return None if end is None else max(0.0, (end - begun).total_seconds())


def follow(
    client: MLClient,
    job: Followed,
    board: StepBoard,
    inside: Callable[[Sequence[StepRun]], Sequence[Step]] | None = None,
) -> FinishedJob:
    """Show the job's steps until it has ended, and what `inside` adds to them."""
    next_look_at_job = 0.0
    for elapsed in poll():
        runs = _step_runs(client, job)
        board.show([*_all_steps(job, runs), *(inside(runs) if inside else ())])
        if _may_have_ended(runs) or elapsed >= next_look_at_job:
            next_look_at_job = elapsed + _LOOK_AT_JOB_EVERY_SECONDS
            now = client.jobs.get(job.name)
            if now.status in TERMINAL:
                # Again: the last step may have ended between the two polls.
                runs = _step_runs(client, job)
                board.show([*_all_steps(job, runs), *(inside(runs) if inside else ())])
                # Some kinds of jobs have an enum, whose str() is not the value.
                status = str(getattr(now.status, "value", now.status))
                return FinishedJob(job.name, status, tuple(runs), now.studio_url)
    raise AssertionError("poll() never ends")


def _step_runs(client: MLClient, job: Followed) -> list[StepRun]:
    """The runs of the job's steps so far, in pipeline file order."""
    children = [child for child in client.jobs.list(parent_job_name=job.name) if child is not None]
    now = datetime.now(UTC)
    runs = [StepRun(_step(child, now), str(child.name)) for child in children]
    order = {name: index for index, name in enumerate(job.steps)}
    return sorted(runs, key=lambda run: order.get(run.step.name, len(order)))


def _step(child: Job, now: datetime) -> Step:
    status = child.status or _WAITING
    times = child.creation_context
    begun, changed = (times.created_at, times.last_modified_at) if times else (None, None)
    reused = str((child.properties or {}).get(_REUSED_PROPERTY, "")).lower() == "true"
    return Step(
        name=child.display_name or str(child.name),
        status=status,
        seconds=None if reused else step_seconds(status, begun, changed, now),
        reused=reused,
    )


def _all_steps(job: Followed, runs: Sequence[StepRun]) -> list[Step]:
    """The steps in order, including those without a run."""
    begun = {run.step.name for run in runs}
    waiting = [Step(name, _WAITING) for name in job.steps if name not in begun]
    return [*(run.step for run in runs), *waiting]


def _may_have_ended(runs: Sequence[StepRun]) -> bool:
    return all(run.step.status in TERMINAL for run in runs)


_REPORT: Final = "report.json"
_WARNINGS: Final = "warnings"


@dataclass(frozen=True)
class Validation:
    """What the validation of the data found: its warnings, and its report as a page."""

    warnings: tuple[str, ...] = ()
    page: str = ""


def read_validation(client: MLClient, job: str) -> Validation:
    """The validation report of a job; empty if the pipeline publishes none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with suppress_output():
                client.jobs.download(job, download_path=folder, output_name=VALIDATION_OUTPUT)
        except (AzureError, MlException):
            # A model must not be lost because of an optional report.
            return Validation()
        report = next(iter(sorted(Path(folder).rglob(_REPORT))), None)
        if report is None:
            return Validation()
        page = report.with_suffix(".html")
        return Validation(read_warnings(report), page.read_text(encoding="utf-8") if page.is_file() else "")


def read_warnings(report: Path) -> tuple[str, ...]:
    """The sentences under "warnings" in a report.json; a report with another structure has none."""
    try:
        document = json.loads(report.read_bytes())
    except ValueError:
        return ()
    found = document.get(_WARNINGS) if isinstance(document, dict) else None
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


LOG_LINES: Final = 20
_LOG_FOLDER: Final = STATE_FOLDER / "logs"
_LOG_NAME: Final = "std_log.txt"
_LOG_NAMES_OF_PROCESSES: Final = "std_log_process_*.txt"
# What the service writes before the step's own output: notes, and the command line.
_PREAMBLE: Final = ("#", "$ ")


def job_failure(client: MLClient, project: Project, job: FinishedJob, data_file: Path | None) -> JobFailed:
    """The error for a job that did not complete; `data_file` is the local file that it ran on, if any."""
    if job.status == CANCELED:
        return JobFailed(f"job {job.name} was cancelled", "Run the command again; finished steps are reused.")
    failed = next((run for run in job.runs if run.step.status == FAILED), None)
    if failed is None:
        reason = _reason_of_service(client, job.name)
        return JobFailed(f"job {job.name} ended as {job.status}", "Run the command again.", tuple(reason[-LOG_LINES:]))
    return _step_failure(client, project, job, _innermost(client, failed), data_file)


def _innermost(client: MLClient, failed: StepRun) -> StepRun:
    """The failed step inside a nested pipeline, which has the log; a step itself, with the names of the levels."""
    now = datetime.now(UTC)
    children = [child for child in client.jobs.list(parent_job_name=failed.job) if child is not None]
    inside = next((child for child in children if child.status == FAILED), None)
    if inside is None:
        return failed
    step = _step(inside, now)
    return _innermost(client, StepRun(replace(step, name=f"{failed.step.name}.{step.name}"), str(inside.name)))


def _step_failure(
    client: MLClient, project: Project, job: FinishedJob, failed: StepRun, data_file: Path | None
) -> JobFailed:
    logs = download_logs(client, project, failed.job)
    tail = telling_lines(_lines(logs[0]), data_file) if len(logs) == 1 else []
    if not tail:
        # A sweep has no log, and each process of a distributed step has one: the service knows which of them failed.
        tail = telling_lines(_reason_of_service(client, job.name), data_file)
    not_run = [step.name for step in job.steps if step.status not in {FAILED, "Completed"}]
    skipped = f" Not run: {', '.join(not_run)}." if not_run else ""
    where = f" The full log: {logs[0]}." if len(logs) == 1 else f" The logs: {logs[0].parent}." if logs else ""
    return JobFailed(
        f"step {failed.step.name} of job {job.name} failed",
        f"{advice_for_module(project.root, tail)} Fix what the log reports and run the command again; finished steps "
        f"are reused.{skipped}{where}".lstrip(),
        tuple(tail),
    )


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def telling_lines(log: Sequence[str], data_file: Path | None) -> list[str]:
    """The last lines of the step's own output, in which its copy of `data_file` has the local file's name."""
    own = [line for line in log if line.strip() and not line.startswith(_PREAMBLE)]
    if data_file is None:
        return own[-LOG_LINES:]
    copy = re.compile(rf"/[^\s'\":]*/{re.escape(data_file.name)}(?![\w.])")
    return [copy.sub(lambda _: str(data_file), line) for line in own[-LOG_LINES:]]


def download_logs(client: MLClient, project: Project, job_name: str) -> list[Path]:
    """Download a job's log, or one per process; none if the workspace has not kept them."""
    folder = private_folder(project.path(_LOG_FOLDER)) / job_name
    try:
        with suppress_output():
            client.jobs.download(job_name, download_path=folder)
    except (AzureError, MlException):
        # A missing log must not hide the failure that is being explained.
        return []
    return sorted(folder.rglob(_LOG_NAME)) or sorted(folder.rglob(_LOG_NAMES_OF_PROCESSES))


def _reason_of_service(client: MLClient, job_name: str) -> list[str]:
    """The service's message about a job that has ended; the SDK shows it only while streaming, as JSON in a text."""
    try:
        with suppress_output():
            client.jobs.stream(job_name)
    except (AzureError, MlException) as error:
        text = str(error)
        # Of another form, the text itself is the reason.
        with suppress(ValueError, LookupError, TypeError):
            text = json.loads(text[text.index("{") :])["error"]["message"]
        return str(text).splitlines()
    return []
