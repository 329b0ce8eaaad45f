"""`mlops status`, `monitor`, `history` and `dashboard`: what the stages run and how they are doing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mlops.cli.command_line import json_option, stage_option
from mlops.commands import workspace_command as mlops_command

if TYPE_CHECKING:
    from mlops.audit.log import StageHistory
    from mlops.endpoint.stage_status import StageStatus
    from mlops.settings.project import Project
    from mlops.settings.stages import StageName


@mlops_command("status", "mlops status", "mlops status --stage prod --json")
@stage_option(required=False)
@json_option
@click.pass_obj
def status_command(project_path: Path | None, *, stage: str | None, as_json: bool) -> int:
    """Show what each stage runs: deployments with traffic, model version and digest, and the last job."""
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    names = project.order.names if stage is None else (project.order.find(stage),)

    from mlops.core.layout import demo_hint
    from mlops.endpoint.stage_status import StatusResult

    stages = tuple(_status_of(project, name) for name in names)
    return answer(StatusResult(stages, demo_hint(project.root)), as_json=as_json)


def _status_of(project: Project, name: StageName) -> StageStatus:
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError

    from mlops.azure.errors import explain
    from mlops.azure.workspace import connect
    from mlops.core.errors import MlopsError
    from mlops.endpoint.stage_status import StageStatus, stage_status

    try:
        return stage_status(connect(project.settings.stage(name)), project, name)
    except (AzureError, MlException, MlopsError) as error:
        # One unreachable stage must not hide the others.
        explained = error if isinstance(error, MlopsError) else explain(error) or MlopsError(str(error))
        return StageStatus(name, project.settings.stage(name).main_endpoint, problem=explained)


_SPAN: Final = re.compile(r"(\d{1,4})([hd])")
_NOW: Final = "now"
_HOURS: Final = {"h": 1, "d": 24}


class TimeType(click.ParamType):
    """A time in ISO 8601, in UTC unless it names a zone; or `now`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse the text."""
        if isinstance(value, datetime):
            return value
        if value == _NOW:
            return datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is not a valid time; write it like 2026-03-01T12:00, or now", param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class DurationType(click.ParamType):
    """A duration in hours or days."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the text."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(value)
        if found is None or not int(found[1]):
            self.fail(f"'{value}' is not a valid duration; write hours or days, such as 24h or 7d", param, ctx)
        return timedelta(hours=int(found[1]) * _HOURS[found[2]])


@mlops_command(
    "monitor",
    "mlops monitor --stage prod",
    "mlops monitor --stage prod --window 7d --labels outcomes.parquet",
    "mlops monitor --stage prod --window 1h --to now",
    "mlops monitor --stage prod --from 2026-03-01 --to 2026-03-02 --json",
    "mlops monitor --stage prod --html drift.html || echo look at it",
)
@stage_option()
@click.option(
    "--window",
    type=DurationType(),
    default="24h",
    show_default=True,
    help="The length of the window, in hours or days.",
)
@click.option("--from", "since", type=TimeType(), help="Instead of --window: the start of the window, UTC.")
@click.option(
    "--to", "until", type=TimeType(), help="The end of the window, UTC, or `now`.  [default: the last full hour]"
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Outcomes known by now: CSV or parquet with correlation_id, row and the target.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report.")
@json_option
@click.pass_obj
def monitor_command(
    project_path: Path | None,
    *,
    stage: str,
    window: timedelta,
    since: datetime | None,
    until: datetime | None,
    labels: Path | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Check a stage's recent traffic for drift, data quality and performance, by releases/monitor.yml.

    A job in the stage's workspace compares the window with the training data and the evaluation of the live model;
    the data are judged first. Exits with 0 when no rule is broken or there are too few rows, with 10 for drift, 11
    when the data cannot be trusted, 12 when the service fails or is slow. The verdict is recorded in the audit log,
    once for the same window and data, however often this is run.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    stage_name = project.order.find(stage)

    from mlops.azure.workspace import connect
    from mlops.monitoring.run import monitor, window_of

    asked = window_of(since, until, window, datetime.now(UTC))
    client = connect(project.settings.stage(stage_name))
    return answer(monitor(client, project, stage_name, asked, labels, html), as_json=as_json)


@mlops_command("history", "mlops history", "mlops history --limit 20", "mlops history --stage prod --json")
@stage_option(required=False)
@click.option("--limit", type=click.IntRange(min=1), help="Show only the newest so many records.  [default: all]")
@json_option
@click.pass_obj
def history_command(project_path: Path | None, *, stage: str | None, limit: int | None, as_json: bool) -> int:
    """Show every gate, promotion, rollout step and rollback: who, what, when and why.

    Each record holds the hash of the previous one. Exits with 1 if a log was tampered with.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)
    names = project.order.names if stage is None else (project.order.find(stage),)

    from mlops.audit.log import HistoryResult

    return answer(HistoryResult(tuple(_history_of(project, name) for name in names), limit), as_json=as_json)


def _history_of(project: Project, name: StageName) -> StageHistory:
    """One stage; an unreachable one is shown, and does not hide the others."""
    from azure.core.exceptions import AzureError

    from mlops.audit.log import StageHistory, read_history
    from mlops.azure.errors import explain
    from mlops.azure.workspace import WorkspaceClients

    try:
        return read_history(WorkspaceClients(project), name)
    except AzureError as error:
        explained = explain(error)
        return StageHistory(name, problem=explained.message if explained else str(error))


_PORT = 8765
_LARGEST_PORT = 65_535


@mlops_command("dashboard", "mlops dashboard", "mlops dashboard --port 0 --json", "mlops dashboard --write reports/")
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the page into this folder as dashboard.html, for a CI artefact, and exit.",
)
@click.option(
    "--port",
    type=click.IntRange(0, _LARGEST_PORT),
    default=_PORT,
    show_default=True,
    help="The local port to serve on; 0 picks a free one.",
)
@json_option
@click.pass_obj
def dashboard_command(project_path: Path | None, *, folder: Path | None, port: int, as_json: bool) -> int:
    """Show all stages on one page: what runs, rollouts, gates, drift, latency and errors, history.

    Served to browsers on this machine until Ctrl-C, and refreshed automatically. The page is self-contained and
    loads nothing from elsewhere; nothing can be changed through it.
    """
    from mlops.cli.rendering import answer
    from mlops.settings.project import load_project

    project = load_project(project_path)

    from mlops.azure.workspace import WorkspaceClients
    from mlops.dashboard.serving import ServedResult, serve_page, write_page

    clients = WorkspaceClients(project)
    if folder is not None:
        return answer(write_page(clients, folder), as_json=as_json)

    def begun(result: ServedResult) -> int:
        return answer(result, as_json=as_json)

    return serve_page(clients, port, begun)
