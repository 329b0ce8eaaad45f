"""`mlops monitor`: what a stage was asked and answered in a window, and whether that is as it should be."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from mlops.cli.command_line import command as mlops_command
from mlops.cli.command_line import json_option, stage_option

_SPAN: Final = re.compile(r"(\d{1,4})([hd])")
_NOW: Final = "now"
_HOURS: Final = {"h": 1, "d": 24}


class Moment(click.ParamType):
    """A moment in ISO 8601, UTC where it names no zone; or `now`."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        if value == _NOW:
            return datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no moment; write it like 2026-03-01T12:00, or now", param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Span(click.ParamType):
    """Hours or days."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(value)
        if found is None or not int(found[1]):
            self.fail(f"'{value}' is no span; write hours or days, such as 24h or 7d", param, ctx)
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
@click.option("--window", type=Span(), default="24h", show_default=True, help="How long, in hours or days.")
@click.option("--from", "since", type=Moment(), help="Instead: where the window begins, UTC.")
@click.option("--to", "until", type=Moment(), help="Where it ends, UTC, or `now`; without it, with the last full hour.")
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Outcomes known by now: CSV or parquet with correlation_id, row and the target.",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the report.")
@json_option
@click.pass_obj
def command(
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
    """Measure what a stage was asked and answered, and judge it by releases/monitor.yml.

    A job in the stage's workspace compares the window with the training data and the evaluation of the model
    that runs; the data themselves are judged first. Exits with 0 when all is well or too little came, with 10
    for drift, 11 when the data cannot be believed, 12 when the service does not answer as it should. The
    verdict is noted in the audit log, once for the same window and data, however often this is run.
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
