"""What the dashboard's template shows: the snapshot, newest first, with timelines and charts. No I/O."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from mlops.audit.log import COLUMNS, row_of
from mlops.audit.record import Record
from mlops.core.markdown import clean
from mlops.dashboard.charts import Charts, Line
from mlops.dashboard.snapshot import SERVICE_INTERVAL, SERVICE_WINDOW, Service, Snapshot, StageSnapshot
from model_package.tasks import task_class

Outcome = Literal["released", "rolled back", "halted", "in progress", "unfinished"]
_TIDIED: Final = "tidy up"
# How monitoring records the verdict of a window.
_STATE: Final = "state"


@dataclass(frozen=True)
class Rollout:
    """The records of one rollout, first to last, and how it ended."""

    records: tuple[Record, ...]
    outcome: Outcome

    @property
    def first(self) -> Record:
        """The first record."""
        return self.records[0]

    @property
    def last(self) -> Record:
        """The last record so far."""
        return self.records[-1]

    @property
    def duration(self) -> timedelta:
        """The time from the first record to the last."""
        return self.last.time - self.first.time


@dataclass(frozen=True)
class Point:
    """A measure in a window that ended at `time`."""

    time: datetime
    value: float


@dataclass
class _Open:
    records: list[Record] = field(default_factory=list)

    def end(self, outcome: Outcome) -> list[Rollout]:
        ended = [Rollout(tuple(self.records), outcome)] if self.records else []
        self.records = []
        return ended


def rollouts(records: Sequence[Record], *, in_progress: bool) -> list[Rollout]:
    """The rollouts of one stage, newest first, from its records in order; `in_progress` if the last one is."""
    found: list[Rollout] = []
    current = _Open()
    for record in records:
        event = record.event
        if event.kind not in ("rollout", "rollback") or event.step == _TIDIED:
            continue
        if event.step == "begin" and any(each.event.step != "endpoint" for each in current.records):
            found += current.end("unfinished")
        current.records.append(record)
        outcome = _ending(record)
        if outcome:
            found += current.end(outcome)
    found += current.end("in progress" if in_progress else "unfinished")
    return found[::-1]


def gates(records: Sequence[Record]) -> list[Record]:
    """The verdicts of gates, newest first."""
    return [record for record in reversed(records) if record.event.kind == "gate"]


def windows(records: Sequence[Record]) -> list[Record]:
    """The verdicts of monitoring, newest first."""
    return [record for record in reversed(records) if record.event.kind == "monitor"]


def state_of(record: Record) -> str:
    """The verdict of a window."""
    return record.event.evidence.get(_STATE, record.event.verdict)


def measured(records: Sequence[Record]) -> dict[str, list[Point]]:
    """Every measure of the windows over time, oldest first; missing values are left out."""
    found: dict[str, list[Point]] = defaultdict(list)
    for record in reversed(windows(records)):
        for name, text in record.event.evidence.items():
            value = _number(text)
            if value is not None:
                found[name].append(Point(_end_of_window(record), value))
    return dict(found)


def _ending(record: Record) -> Outcome | None:
    event = record.event
    if event.kind == "rollback":
        return "rolled back"
    if event.step == "finish":
        return "released"
    return "halted" if event.step == "halt" else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _end_of_window(record: Record) -> datetime:
    try:
        until = datetime.fromisoformat(record.event.evidence.get("until", ""))
    except ValueError:
        return record.time
    return until if until.tzinfo else record.time


ROLLOUTS_SHOWN: Final = 10
GATES_SHOWN: Final = 10
WINDOWS_SHOWN: Final = 30
# Shown from the start; the rest is shown on request.
RECORDS_SHOWN: Final = 50
# Those that monitoring has measured are drawn.
DRIFT_MEASURES: Final = {
    "weighted_drift": "Importance-weighted drift (PSI)",
    "largest_feature_drift": "Largest drift (PSI)",
    "score_drift": "Score drift (PSI)",
}
_SHORTEST_EDGE: Final = timedelta(hours=12)
_EDGES: Final = 50
_MIDNIGHT: Final = datetime(1970, 1, 1, tzinfo=UTC)
# By distance from production; one per stage that a project may have.
_STAGE_COLOURS: Final = ("accent", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class StagePart:
    """One stage as the template shows it."""

    stage: StageSnapshot
    rollouts: list[Rollout]
    window: Record | None

    @property
    def word(self) -> str:
        """Its state in a word or two."""
        status = self.stage.status
        if status.problem:
            return "unknown"
        if status.view is None or not status.view.exists or status.view.live is None:
            return "runs no model"
        if status.view.in_progress:
            return f"rollout: {status.view.in_progress.phase}"
        return "settled" if status.view.deployments[status.view.live].ready else "unhealthy"

    @property
    def tone(self) -> str:
        """good, bad, or busy."""
        return {"settled": "good", "unhealthy": "bad", "unknown": "bad"}.get(self.word, "busy")

    @property
    def live_version(self) -> str:
        """The version with most of the traffic."""
        view = self.stage.status.view
        live = view.deployments.get(view.live) if view and view.live else None
        return live.model_version if live else ""

    @property
    def disagrees(self) -> bool:
        """Whether git names another model than the live one."""
        view, release = self.stage.status.view, self.stage.release
        live = view.deployments.get(view.live) if view and view.live else None
        return release is not None and live is not None and live.digest != release.model.digest


def contents(snapshot: Snapshot, charts: Charts) -> dict[str, Any]:
    """The template's variables; their charts are added to `charts`."""
    parts = [_part(stage) for stage in snapshot.stages]
    histories = [stage.history.records for stage in snapshot.stages]
    found = sorted((each for part in parts for each in part.rollouts), key=lambda each: each.first.time, reverse=True)
    records = [[clean(cell) for cell in row_of(record)] for record in _newest(histories)]
    # The end of the current interval: the chart stays the same until it has new data.
    end = snapshot.taken + SERVICE_INTERVAL - (snapshot.taken - _MIDNIGHT) % SERVICE_INTERVAL
    return {
        "snapshot": snapshot,
        "parts": parts,
        "breaks": [(stage.name, each) for stage in snapshot.stages for each in stage.history.breaks],
        "rollouts": found[:ROLLOUTS_SHOWN],
        "rollout_count": len(found),
        "gates": _newest([gates(records) for records in histories])[:GATES_SHOWN],
        "windows": _newest([windows(records) for records in histories])[:WINDOWS_SHOWN],
        "drift_measures": list(_measures(snapshot)),
        "drift_charts": _drift_charts(snapshot, charts),
        "service_charts": {stage.name: _service_charts(stage.service, end, charts) for stage in snapshot.stages},
        "columns": COLUMNS,
        "records": records[:RECORDS_SHOWN],
        "older": records[RECORDS_SHOWN:],
    }


def _part(stage: StageSnapshot) -> StagePart:
    view = stage.status.view
    in_progress = view is not None and view.in_progress is not None
    seen = windows(stage.history.records)
    return StagePart(stage, rollouts(stage.history.records, in_progress=in_progress), seen[0] if seen else None)


def _newest(found: Sequence[Sequence[Record]]) -> list[Record]:
    return sorted((record for each in found for record in each), key=lambda record: record.time, reverse=True)


def _measures(snapshot: Snapshot) -> dict[str, str]:
    """The measures of drift, and the task's main metric, by title."""
    task = task_class(snapshot.task)
    return {**DRIFT_MEASURES, **{each.name: each.title for each in task.metrics if each.name == task.main_metric}}


def _drift_charts(snapshot: Snapshot, charts: Charts) -> list[str]:
    by_stage = {stage.name: measured(stage.history.records) for stage in reversed(snapshot.stages)}
    windows_told = [point.time for values in by_stage.values() for points in values.values() for point in points]
    first, last = min(windows_told, default=_MIDNIGHT), max(windows_told, default=_MIDNIGHT)
    # A little wider than the data, so that the frame hides neither end, and a single window is visible.
    edge = max(_SHORTEST_EDGE, (last - first) / _EDGES)
    span = (first - edge, last + edge)
    drawn = []
    for measure, title in _measures(snapshot).items():
        lines = [
            Line(stage, [point.time for point in points], [point.value for point in points], _STAGE_COLOURS[distance])
            for distance, (stage, values) in enumerate(by_stage.items())
            if (points := values.get(measure))
        ]
        if lines:
            drawn.append(charts.draw(title, lines, span, from_zero=measure in DRIFT_MEASURES))
    return drawn


def _service_charts(service: Service, end: datetime, charts: Charts) -> list[str]:
    if not service.intervals:
        return []
    span = (end - SERVICE_WINDOW - SERVICE_INTERVAL, end)
    times = [each.begin for each in service.intervals]
    latency = [
        Line("p95", times, [each.p95_milliseconds for each in service.intervals]),
        Line("p99", times, [each.p99_milliseconds for each in service.intervals], "second"),
    ]
    counts = [
        Line("requests", times, [each.requests for each in service.intervals]),
        Line("failures", times, [each.failures for each in service.intervals], "bad"),
    ]
    return [charts.draw("Latency, milliseconds", latency, span), charts.draw("Requests per half hour", counts, span)]
