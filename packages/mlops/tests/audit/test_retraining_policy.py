"""Which verdicts may start a training, how often, and what reviewers are told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops.audit.announcement import announcement_of
from mlops.audit.record import Event, Record, follow
from mlops.audit.retraining_policy import begun_for, rate_limit_reason, rejection_reason, retraining_reason
from mlops.core.errors import InputError, ProjectError
from mlops.models.data_asset import DataVersion
from mlops.retraining.begin import TriggerReference, begun_event, read_trigger
from mlops.retraining.training_data import TrainingData, training_window
from mlops.settings.policies import RETRAINING_FILE, CollectedRows, RetrainingRules, read_retraining_rules
from mlops.settings.stages import StageOrder, stage_context

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RULES = RetrainingRules.model_validate(
    {
        "format": 1,
        "stages": ("prod",),
        "cool_down_hours": 24,
        "max_runs_per_week": 3,
        "max_cause_age_days": 7,
        "data": "newest",
    },
    context=stage_context(ORDER),
)
DATA = TrainingData(DataVersion("credit", "abc", "0" * 64))
FACTS = {
    "state": "drift",
    "retrain": "weighted_drift, score_drift",
    "weighted_drift": "0.41237",
    "score_drift": "0.3",
    "drifted": "AGE",
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
        event = begun_event(cause(number + 1, ago), "dev", f"job-{number}", DATA)
        records.append(follow(records[-1] if records else None, event, "ci", NOW - timedelta(hours=ago)))
    return records


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param(cause(), "", id="drift that newer data mend"),
        pytest.param(cause(state="quality"), "is not a drift verdict", id="bad data"),
        pytest.param(cause(retrain="no"), "a newer model would not fix", id="drift of fairness"),
        pytest.param(cause(stage="staging"), "lists prod", id="another stage"),
        pytest.param(cause(hours=24 * 8), "more than 7 days ago", id="an event that comes late"),
    ],
)
def test_what_may_start_a_training(record: Record, words: str) -> None:
    reason = rejection_reason(record, RULES, NOW)

    assert words in (reason or "")
    assert (reason is None) == (not words)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        pytest.param((), "", id="none yet"),
        pytest.param((23,), "2026-03-10 13:00 UTC (cool_down_hours)", id="cooling down"),
        pytest.param((24,), "", id="cooled down"),
        pytest.param((160, 100, 30), "3 began within seven days; the next may begin at 2026-03-10 20:00", id="budget"),
        pytest.param((169, 100, 30), "", id="the oldest is a week ago"),
    ],
)
def test_how_often(hours: tuple[float, ...], words: str) -> None:
    found = rate_limit_reason(log(*hours), RULES, NOW)

    assert words in (found or "")
    assert (found is None) == (not words)


def test_none_is_allowed_by_a_budget_of_none() -> None:
    found = rate_limit_reason([], RULES.model_copy(update={"max_runs_per_week": 0}), NOW)

    assert "allows none" in (found or "")


def test_one_cause_begins_one_training() -> None:
    records = log(50, 30)

    assert begun_for(records, cause(2, 30)) == records[1]
    assert begun_for(records, cause(3, 30)) is None


def test_reviewers_are_told_why() -> None:
    told = " ".join(retraining_reason(log(50, 30), "job-1"))

    assert "DRIFT: what credit 3 meets" in told
    assert "weighted_drift 0.4124, score_drift 0.3" in told
    assert "features that drifted: AGE" in told
    assert "record prod/2" in told
    assert "Trained on" not in told
    assert retraining_reason(log(50), "another") == ()


def test_reviewers_are_told_what_the_data_were_made_of() -> None:
    event = begun_event(cause(), "dev", "job", TrainingData(DATA.version, "2,950 rows that prod collected"))

    told = retraining_reason([follow(None, event, "ci", NOW)], "job")

    assert "Trained on 2,950 rows that prod collected." in told


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

    assert read_trigger(text) == read_trigger(str(file)) == TriggerReference("prod", 17, cause().hash())


def test_a_record_and_a_verdict_point_as_well() -> None:
    assert read_trigger("prod/17") == TriggerReference("prod", 17)
    assert read_trigger('{"stage": "prod", "state": "drift", "audit": {"record": 4, "new": true}}') == TriggerReference(
        "prod", 4
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "not valid JSON", id="broken"),
        pytest.param("nowhere.json", "cannot be read", id="no file"),
        pytest.param("{}", "specversion", id="empty"),
        pytest.param(
            json.dumps(event_text() | {"type": "mlops.RolledOut"}), "only mlops.DriftFound", id="another event"
        ),
        pytest.param(json.dumps(event_text() | {"id": "1; rm -rf /"}), "id", id="no hash"),
    ],
)
def test_what_points_to_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_trigger(text)


def test_the_projects_own_rules_can_be_read_and_a_wrong_key_is_told(tmp_path: Path) -> None:
    assert read_retraining_rules(ROOT / RETRAINING_FILE, ORDER).stages == ("prod",)
    file = tmp_path / "retraining.yml"
    file.write_text((ROOT / RETRAINING_FILE).read_text().replace("max_runs_per_week", "runs_a_month"))
    with pytest.raises(ProjectError) as refused:
        read_retraining_rules(file, ORDER)
    assert any("runs_a_month" in line for line in refused.value.details)


def with_rows(folder: Path, old: str = "", new: str = "") -> Path:
    """The project's own rules, with what they show in a comment in place of the version; a text in it changed."""
    text = (ROOT / RETRAINING_FILE).read_text().replace("data: newest\n", "")
    shown = text[text.index("# data:") :].replace("# ", "", 1).replace("\n# ", "\n")
    file = folder / "retraining.yml"
    file.write_text(text[: text.index("# data:")] + shown.replace(old, new))
    return file


def test_rows_that_were_collected_are_the_choice_that_the_file_shows(tmp_path: Path) -> None:
    data = read_retraining_rules(with_rows(tmp_path), ORDER).data

    assert isinstance(data, CollectedRows)
    assert (data.window_days, data.label_delay_days, data.include_history) == (90, 30, True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("window_days: 90", "window_day: 90", "data.window_day: unknown key", id="unknown key"),
        pytest.param("min_rows: 5000", "min_rows: 0", "data.min_rows: ", id="no rows at all"),
        pytest.param("  include_history: true", "", "data.include_history: is missing", id="missing"),
    ],
)
def test_a_wrong_choice_is_told_with_its_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    file = with_rows(tmp_path, old, new)

    with pytest.raises(ProjectError) as refused:
        read_retraining_rules(file, ORDER)

    line = next(each for each in refused.value.details if words in each)
    assert int(line.split(":")[1]) > file.read_text().splitlines().index("data:")


def test_the_window_ends_where_the_drift_was_seen_and_outcomes_have_settled() -> None:
    rules = CollectedRows(
        window_days=90,
        label_delay_days=30,
        min_rows=1,
        min_rows_per_class=1,
        max_rows=1,
        include_history=True,
        exclude_known_rows=True,
    )

    window = training_window(rules, cause(until="2026-03-10T00:00:00+00:00"))

    assert str(window) == "2025-11-10 00:00 to 2026-02-08 00:00 UTC"
