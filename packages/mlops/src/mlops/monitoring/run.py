"""`mlops monitor`: measure a window, judge it, record the verdict once, and write the report."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.ai.ml import MLClient

from mlops.audit.announcement import announce
from mlops.audit.log import AuditLog
from mlops.audit.record import IMAGE, Event
from mlops.core.environments import job_image
from mlops.core.errors import InputError
from mlops.core.layout import MONITOR_PIPELINE_FILE
from mlops.models.data_asset import ensure_data
from mlops.models.facts import find_subject
from mlops.models.registered import ModelVersion
from mlops.monitoring.measuring import Results, find_monitoring_request, measure, measure_service, nothing_collected
from mlops.monitoring.result import Monitored, MonitorResult, write_report
from mlops.monitoring.verdict import judge_window
from mlops.settings.monitoring import MONITOR_FILE, MonitorFile, read_monitor_rules
from mlops.settings.project import BATCH, NO_ONLINE_ENDPOINT, Project, read_project_schema
from mlops.settings.stages import StageName
from model_package.collected.window import Window

EVENT_KIND: Final = "monitor"
_FINGERPRINT: Final = "fingerprint"
_NO_JOB: Final = "none"


def window_of(since: datetime | None, until: datetime | None, span: timedelta, now: datetime) -> Window:
    """Return the requested window; without `until`, the one that ends with the last full hour before `now`.

    It never ends in the future, so that no rows are added to a window after it was measured, and the same command means
    the same window for an hour. Raises InputError for a window that is empty or has not ended.
    """
    end = until or now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if end > now:
        raise InputError(f"the window ends in the future, at {end.isoformat()}", "Give an earlier --to, or --to now.")
    try:
        return Window(since or end - span, end)
    except ValueError as error:
        raise InputError(
            str(error), "Give --from before --to; without --to, the window ends with the last full hour."
        ) from error


def monitor(
    client: MLClient, project: Project, stage: StageName, window: Window, labels: Path | None, html: Path | None
) -> MonitorResult:
    """Measure a window of a stage, judge it, record the verdict once, and write the report.

    Raises InputError where the stage runs nothing, JobFailed when the window could not be measured.
    """
    if project.settings.stage(stage).serving == BATCH:
        raise InputError(
            f"drift in {stage} is {NO_ONLINE_ENDPOINT} collects its rows",
            "Compare the files that you score yourself, or give the stage an `endpoint` in project.yml.",
        )
    rules = read_monitor_rules(project.path(MONITOR_FILE), project.order, read_project_schema(project.root))
    # The same file of labels is uploaded once.
    outcomes = ensure_data(client, project.settings.labels, labels)[0] if labels else None
    request = find_monitoring_request(client, project, stage, window, rules, outcomes)
    results = measure(client, project, request, rules) if request.folder else Results(_NO_JOB, nothing_collected(), {})
    service = measure_service(request.stage, request.live, window, rules.min_requests)
    verdict = judge_window(rules, stage, results.findings, service)
    monitored = Monitored(request, project.settings.model, results, service, verdict)
    image = job_image(project.path(MONITOR_PIPELINE_FILE)) if request.folder else ""
    event = monitor_event(monitored, rules, image)
    record, is_new = AuditLog(client).append_once(event, lambda earlier: _is_same(earlier, event))
    announce(request.stage, record)
    model = ModelVersion(project.settings.model, request.live.version, request.live.digest)
    page = write_report(project, monitored, html, find_subject(client, project, stage, model))
    return MonitorResult(monitored, record.number, is_new, page)


def monitor_event(monitored: Monitored, rules: MonitorFile, image: str = "") -> Event:
    """Return the verdict as an audit event: every measure's value, what drifted, and whether to retrain.

    `image`: what the job ran in, if there was one.
    """
    verdict, request = monitored.verdict, monitored.request
    values = {each.rule.measure: f"{each.observed}" for each in verdict.outcomes if each.observed is not None}
    facts = {
        "state": verdict.state,
        "retrain": ", ".join(verdict.retrainable) or "no",
        "since": request.window.since.isoformat(),
        "until": request.window.until.isoformat(),
        "rows": f"{monitored.results.findings.rows}",
        "drifted": ", ".join(monitored.drifted[:3]) or "nothing",
        "job": monitored.results.job,
        _FINGERPRINT: _fingerprint(monitored, rules),
        **({IMAGE: image} if image else {}),
    }
    return Event(
        kind=EVENT_KIND,
        stage=request.stage_name,
        step=EVENT_KIND,
        model=monitored.model,
        version=request.live.version,
        digest=request.live.digest,
        target=request.live.deployment,
        verdict="none" if verdict.state == "not measured" else "passed" if verdict.state == "healthy" else "failed",
        reason=monitored.reason,
        evidence=values | facts,
    )


def _is_same(earlier: Event, event: Event) -> bool:
    compared = (_FINGERPRINT, IMAGE)
    mine, others = (tuple(each.evidence.get(key) for key in compared) for each in (event, earlier))
    return earlier.kind == EVENT_KIND and others == mine


def _fingerprint(monitored: Monitored, rules: MonitorFile) -> str:
    """Identify a verdict on a window: what it depends on and what it says, without the measured values.

    Values may differ when the window is measured again (a late row, a latency); that alone is not a new verdict.
    """
    verdict, request = monitored.verdict, monitored.request
    facts: list[Any] = [
        request.window.since.isoformat(),
        request.window.until.isoformat(),
        request.live.digest,
        request.labels.sha256 if request.labels else None,
        rules.model_dump(mode="json"),
        verdict.state,
        [each.rule.measure for each in verdict.broken],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
