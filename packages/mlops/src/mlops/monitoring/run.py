"""`mlops monitor` from a window to a verdict that is noted once: the order stands here, each part in its own file."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.announcing.topic import announce
from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.collected.window import Window
from mlops.errors import InputError
from mlops.monitoring.measures import nothing_collected
from mlops.monitoring.measuring import Results, measure
from mlops.monitoring.occasion import find_occasion
from mlops.monitoring.report import Monitored
from mlops.monitoring.result import MonitorResult, write_report
from mlops.monitoring.rules import MONITOR_FILE, MonitorFile, read_monitor_rules
from mlops.monitoring.service import measure_service
from mlops.monitoring.verdict import judge_window
from mlops.project import Project, StageName
from mlops.project_schema import read_project_schema
from mlops.training.data_asset import DataVersion, ensure_data

EVENT_KIND: Final = "monitor"
_OCCASION: Final = "occasion"
_NO_JOB: Final = "none"
_HOUR: Final = timedelta(hours=1)


def window_of(since: datetime | None, until: datetime | None, span: timedelta, now: datetime) -> Window:
    """The window that is asked for; without an end, the one that ends with the hour that goes on at `now`.

    So the same command means the same window for an hour. Raises InputError for one that holds no time.
    """
    end = until or now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + _HOUR
    try:
        return Window(since or end - span, end)
    except ValueError as error:
        raise InputError(str(error), "Give --from before --to, such as --from 2026-03-01T00:00Z.") from error


def monitor(
    client: MLClient, project: Project, stage: StageName, window: Window, labels: Path | None, html: Path | None
) -> MonitorResult:
    """Measure a window of a stage, judge it, note the verdict once, and write the report.

    Raises InputError where the stage runs nothing, JobFailed when the window could not be measured.
    """
    rules = read_monitor_rules(project.path(MONITOR_FILE), read_project_schema(project.root))
    outcomes = _labels(client, project, labels)
    occasion = find_occasion(client, project, stage, window, rules, outcomes)
    results = (
        measure(client, project, occasion, rules)
        if occasion.folder
        else Results(_NO_JOB, nothing_collected(window), {})
    )
    service = measure_service(occasion.stage, occasion.live, window, rules.min_requests)
    verdict = judge_window(rules, stage, results.measurements, service)
    monitored = Monitored(occasion, project.settings.model, results, service, verdict)
    record, is_new = AuditLog(client).append_once(
        monitor_event(monitored, rules), lambda event: _is_same(event, monitored, rules)
    )
    announce(occasion.stage, record)
    return MonitorResult(monitored, record.number, is_new, write_report(project, monitored, html))


def monitor_event(monitored: Monitored, rules: MonitorFile) -> Event:
    """The verdict as an audit event: every measure's value, what moved, and whether a newer model is asked for."""
    verdict, occasion = monitored.verdict, monitored.occasion
    values = {each.rule.measure: f"{each.observed}" for each in verdict.outcomes if each.observed is not None}
    facts = {
        "state": verdict.state,
        "retrain": ", ".join(verdict.mendable) or "no",
        "since": occasion.window.since.isoformat(),
        "until": occasion.window.until.isoformat(),
        "rows": f"{monitored.results.measurements.rows}",
        "moved": ", ".join(monitored.moved[:3]) or "nothing",
        "job": monitored.results.job,
        _OCCASION: _occasion(monitored, rules),
    }
    return Event(
        kind=EVENT_KIND,
        stage=occasion.stage_name,
        step=EVENT_KIND,
        model=monitored.model,
        version=occasion.live.version,
        digest=occasion.live.digest,
        target=occasion.live.deployment,
        verdict="none" if verdict.state == "quiet" else "passed" if verdict.state == "healthy" else "failed",
        reason=monitored.reason,
        evidence=values | facts,
    )


def _is_same(event: Event, monitored: Monitored, rules: MonitorFile) -> bool:
    return event.kind == EVENT_KIND and event.evidence.get(_OCCASION) == _occasion(monitored, rules)


def _occasion(monitored: Monitored, rules: MonitorFile) -> str:
    """One text for one verdict on one window: not for what changes from second to second, such as a latency."""
    verdict, occasion = monitored.verdict, monitored.occasion
    facts: list[Any] = [
        str(occasion.window),
        occasion.live.digest,
        monitored.results.measurements.digest,
        rules.model_dump(mode="json"),
        verdict.state,
        [each.rule.measure for each in verdict.broken],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _labels(client: MLClient, project: Project, file: Path | None) -> DataVersion | None:
    """The outcomes as a version of a data asset of their own; the same file is uploaded once."""
    if file is None:
        return None
    return ensure_data(client, project.settings.labels, file)[0]
