"""Which verdicts may start a training, how often, and what reviewers are told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops.announcing.announcement import announcement_of
from mlops.audit.record import Event, Record, follow
from mlops.errors import InputError, ProjectError
from mlops.retraining.begin import begun_event
from mlops.retraining.occasion import occasion_of
from mlops.retraining.permission import begun_for, objection_to, overspent
from mlops.retraining.pointer import Pointer, read_pointer
from mlops.retraining.rules import RETRAINING_FILE, RetrainingRules, read_retraining_rules
from mlops.training.data_asset import DataVersion

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RULES = RetrainingRules(stages=("prod",), cool_down_hours=24, runs_a_week=3, cause_days=7, data="newest")
DATA = DataVersion("credit", "abc", "0" * 64)
FACTS = {
    "state": "drift",
    "retrain": "weighted_drift, score_drift",
    "weighted_drift": "0.41237",
    "score_drift": "0.3",
    "moved": "AGE",
    "rows": "2000",
}


def cause(number: int = 17, hours: float = 1, stage: str = "prod", **facts: str) -> Record:
    """A verdict of the monitor, some hours ago."""
    event = Event(
        kind="monitor",
        stage=stage,
        step="monitor",
        model="credit",
        version="3",
        digest="sha256:live",
        reason="DRIFT: what credit 3 meets in prod has changed",
        evidence=FACTS | facts,
    )
    record = follow(None, event, "ci", NOW - timedelta(hours=hours))
    return record.model_copy(update={"number": number})


def log(*hours: float) -> list[Record]:
    """A log of trainings that began so many hours ago, each with a cause of its own."""
    records: list[Record] = []
    for number, ago in enumerate(hours):
        event = begun_event(cause(number + 1, ago), f"job-{number}", DATA)
        records.append(follow(records[-1] if records else None, event, "ci", NOW - timedelta(hours=ago)))
    return records


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param(cause(), "", id="drift that newer data mend"),
        pytest.param(cause(state="quality"), "is no drift", id="bad data"),
        pytest.param(cause(retrain="no"), "nothing that a newer model would mend", id="drift of fairness"),
        pytest.param(cause(stage="staging"), "lists prod", id="another stage"),
        pytest.param(cause(hours=24 * 8), "more than 7 days ago", id="an event that comes late"),
    ],
)
def test_what_may_start_a_training(record: Record, words: str) -> None:
    objection = objection_to(record, RULES, NOW)

    assert words in objection
    assert bool(objection) == bool(words)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        pytest.param((), "", id="none yet"),
        pytest.param((23,), "2026-03-10 13:00 UTC (cool_down_hours)", id="cooling down"),
        pytest.param((24,), "", id="cooled down"),
        pytest.param((160, 100, 30), "3 began within seven days; the next may at 2026-03-10 20:00", id="budget"),
        pytest.param((169, 100, 30), "", id="the oldest is a week ago"),
    ],
)
def test_how_often(hours: tuple[float, ...], words: str) -> None:
    found = overspent(log(*hours), RULES, NOW)

    assert words in found
    assert bool(found) == bool(words)


def test_none_is_allowed_by_a_budget_of_none() -> None:
    assert "allows none" in overspent([], RULES.model_copy(update={"runs_a_week": 0}), NOW)


def test_one_cause_begins_one_training() -> None:
    records = log(50, 30)

    assert begun_for(records, cause(2, 30)) == records[1]
    assert begun_for(records, cause(3, 30)) is None


def test_reviewers_are_told_why() -> None:
    told = " ".join(occasion_of(log(50, 30), "job-1"))

    assert "DRIFT: what credit 3 meets" in told
    assert "weighted_drift 0.4124, score_drift 0.3" in told
    assert "features that moved: AGE" in told
    assert "record prod/2" in told
    assert occasion_of(log(50), "another") == ()


def event_text() -> dict[str, Any]:
    announcement = announcement_of(cause(), "/workspace")
    assert announcement
    return announcement.model_dump(mode="json")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(event_text()), id="an event"),
        pytest.param(json.dumps([event_text()]), id="a list of one"),
        pytest.param(json.dumps({"action": "drift", "client_payload": event_text()}), id="what GitHub sends"),
    ],
)
def test_an_event_points_to_its_record(text: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)

    assert read_pointer(text) == read_pointer(str(file)) == Pointer("prod", 17, cause().hash())


def test_a_record_and_a_verdict_point_as_well() -> None:
    assert read_pointer("prod/17") == Pointer("prod", 17)
    assert read_pointer('{"stage": "prod", "state": "drift", "audit": {"record": 4, "new": true}}') == Pointer(
        "prod", 4
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "no JSON", id="broken"),
        pytest.param("nowhere.json", "cannot be read", id="no file"),
        pytest.param("test/3", "there is no stage 'test'", id="no stage"),
        pytest.param("{}", "specversion", id="empty"),
        pytest.param(
            json.dumps(event_text() | {"type": "mlops.RolledOut"}), "only mlops.DriftFound", id="another event"
        ),
        pytest.param(json.dumps(event_text() | {"id": "1; rm -rf /"}), "id", id="no hash"),
    ],
)
def test_what_points_to_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_pointer(text)


def test_the_projects_own_rules_can_be_read_and_a_wrong_key_is_told(tmp_path: Path) -> None:
    assert read_retraining_rules(ROOT / RETRAINING_FILE).stages == ("prod",)
    file = tmp_path / "retraining.yml"
    file.write_text((ROOT / RETRAINING_FILE).read_text().replace("runs_a_week", "runs_a_month"))
    with pytest.raises(ProjectError) as refused:
        read_retraining_rules(file)
    assert any("runs_a_month" in line for line in refused.value.details)
