"""Which window is monitored at which moment, and when two verdicts are the same record: no clock is asked."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mlops.audit.record import Event
from mlops.core.errors import InputError
from mlops.endpoint.view import Live
from mlops.models.data_asset import DataVersion
from mlops.monitoring.measuring import MonitoringRequest, Results, monitoring_job
from mlops.monitoring.result import Monitored
from mlops.monitoring.run import monitor_event, window_of
from mlops.monitoring.verdict import judge_window
from mlops.settings.monitoring import MONITOR_FILE, MonitorFile, read_monitor_rules
from mlops.settings.project import load_project, read_project_schema
from mlops.settings.stages import StageOrder
from model_package.collected.window import Window
from model_package.measures import Measure
from model_package.monitoring.findings import Findings

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
AUCKLAND, ST_JOHNS = ZoneInfo("Pacific/Auckland"), ZoneInfo("America/St_Johns")
MOMENTS = {
    "a minute before the hour": datetime(2026, 3, 4, 11, 59, tzinfo=UTC),
    "on the hour": datetime(2026, 3, 4, 12, tzinfo=UTC),
    "midnight": datetime(2026, 3, 1, tzinfo=UTC),
    "the end of a month": datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
    "a Sunday": datetime(2026, 11, 29, 0, 0, 1, tzinfo=UTC),
    "summer time begins": datetime(2026, 3, 29, 1, 0, 30, tzinfo=UTC),
    "the hour that is there twice": datetime(2026, 4, 5, 2, 30, tzinfo=AUCKLAND, fold=1),
    "half an hour beside UTC": datetime(2026, 11, 1, 0, 15, tzinfo=ST_JOHNS),
}


@pytest.mark.parametrize("now", MOMENTS.values(), ids=MOMENTS)
def test_the_window_ends_with_the_last_full_hour(now: datetime) -> None:
    window = window_of(None, None, DAY, now)

    assert window.until <= now < window.until + HOUR
    assert (window.until.minute, window.until.second, window.until.microsecond) == (0, 0, 0)
    assert window.until - window.since == DAY
    # the same command in the same hour means the same window
    assert window_of(None, None, DAY, window.until) == window


def test_no_window_ends_in_the_future() -> None:
    now = MOMENTS["on the hour"]

    assert window_of(None, now, HOUR, now) == Window(now - HOUR, now)
    with pytest.raises(InputError, match="ends in the future, at 2026-03-04T12:00:01") as refused:
        window_of(None, now + timedelta(seconds=1), HOUR, now)
    assert "--to now" in refused.value.advice


def test_a_window_that_begins_after_the_last_full_hour_needs_an_end() -> None:
    now = MOMENTS["a minute before the hour"]

    with pytest.raises(InputError, match="cannot end") as refused:
        window_of(now - timedelta(minutes=5), None, DAY, now)
    assert "--to" in refused.value.advice


@pytest.fixture(scope="module")
def rules() -> MonitorFile:
    return read_monitor_rules(ROOT / MONITOR_FILE, ORDER, read_project_schema(ROOT))


def request_of(window: Window, rows: int, labels: str) -> MonitoringRequest:
    return MonitoringRequest(
        stage_name="prod",
        stage=load_project(ROOT).settings.stage("prod"),
        window=window,
        live=Live("blue", "1", "sha256:1", "", ""),
        deployments=("blue",),
        folder="folder",
        files=("file:1",),
        labels=DataVersion("labels", labels, labels),
        model="azureml:credit-default:1",
        fingerprint=f"{rows}",
    )


def test_the_mode_of_what_is_measured_is_that_of_the_pipelines_file(tmp_path: Path) -> None:
    for folder in ("components", "environments", "pipelines"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / file, tmp_path)
    file = tmp_path / "pipelines" / "monitor.yml"
    text = file.read_text()
    for kind in ("uri_folder\n    path", "custom_model\n    path"):
        assert kind in text
        text = text.replace(kind, kind.replace("\n", "\n    mode: download\n"), 1)
    file.write_text(text)
    window = Window(MOMENTS["midnight"] - DAY, MOMENTS["midnight"])

    rules = read_monitor_rules(ROOT / MONITOR_FILE, ORDER, read_project_schema(ROOT))
    job = monitoring_job(load_project(tmp_path), request_of(window, 1, "1"), rules, "job-1")

    found = {name: (job.inputs[name].path, job.inputs[name].mode) for name in ("collected", "model_package")}
    assert found == {"collected": ("folder", "download"), "model_package": ("credit-default:1", "download")}
    assert job.jobs["monitor_model"].inputs["labels"].path == "labels:1"


def recorded(
    rules: MonitorFile,
    *,
    until: datetime = MOMENTS["midnight"],
    labels: str = "a",
    rows: int = 2_000,
    files: int = 1,
    drift: float = 0.5,
    latency: float = 20.0,
) -> Event:
    """What the audit log is given for a window whose measures are these."""
    window = Window(until - DAY, until)
    values = {"rows": float(rows), "weighted_drift": drift}
    findings = Findings(
        rows=rows,
        answered=rows,
        labelled=rows,
        files=files,
        versions={"1": rows},
        notes=[],
        measures={name: Measure(value) for name, value in values.items()},
    )
    service = {"failure_share": Measure(0.0), "latency_p99_milliseconds": Measure(latency)}
    only = rules.model_copy(
        update={"rules": tuple(each for each in rules.rules if each.measure in {*values, *service})}
    )
    request = request_of(window, rows, labels)
    verdict = judge_window(only, "prod", findings, service)
    assert verdict.state in {"drift", "healthy", "service"}
    return monitor_event(Monitored(request, "credit-default", Results("job", findings, {}), service, verdict), only)


def is_same_record(one: Event, other: Event) -> bool:
    return one.evidence["fingerprint"] == other.evidence["fingerprint"]


def test_a_window_measured_again_is_the_same_record_whatever_was_collected_meanwhile(rules: MonitorFile) -> None:
    again = recorded(rules, rows=2_001, files=3, drift=0.501, latency=35.0)

    assert is_same_record(recorded(rules), again)


def test_another_window_or_verdict_and_other_outcomes_are_another_record(rules: MonitorFile) -> None:
    others = [
        recorded(rules, until=MOMENTS["midnight"] + HOUR),
        recorded(rules, until=MOMENTS["midnight"] + timedelta(seconds=1)),
        recorded(rules, labels="b"),
        recorded(rules, drift=0.0),
        recorded(rules, drift=0.0, latency=5_000.0),
    ]

    for number, other in enumerate(others):
        assert not any(is_same_record(other, each) for each in (recorded(rules), *others[:number]))
