from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.audit.record import Event, Record, follow
from mlops.dashboard.contents import gates, measured, rollouts, state_of, windows

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
FACTS: dict[str, Any] = {"stage": "prod", "model": "late", "version": "2", "digest": "sha256:0"}


def log(*events: tuple[str, str] | Event) -> list[Record]:
    records: list[Record] = []
    for number, each in enumerate(events):
        event = each if isinstance(each, Event) else Event(kind=each[0], step=each[1], **FACTS)  # ty: ignore[invalid-argument-type]
        records.append(follow(records[-1] if records else None, event, "ada", BEGIN + timedelta(minutes=number)))
    return records


def window(state: str = "healthy", **evidence: str) -> Event:
    return Event(kind="monitor", step="monitor", evidence={"state": state, **evidence}, **FACTS)


ENTER = [("rollout", "begin"), ("rollout", "create"), ("rollout", "smoke")]


@pytest.mark.parametrize(
    ("events", "now", "expected"),
    [
        ([], "idle", []),
        ([*ENTER, ("rollout", "finish")], "idle", [("released", 4)]),
        ([("rollout", "endpoint"), *ENTER, ("rollout", "finish")], "idle", [("released", 5)]),
        ([*ENTER, ("rollback", "smoke")], "idle", [("rolled back", 4)]),
        ([*ENTER, ("rollout", "halt")], "idle", [("halted", 4)]),
        (ENTER, "rolling out", [("under way", 3)]),
        (ENTER, "idle", [("left unfinished", 3)]),
        ([*ENTER, *ENTER, ("rollout", "finish")], "idle", [("released", 4), ("left unfinished", 3)]),
        ([*ENTER, ("rollout", "finish"), ("rollback", "by hand")], "idle", [("rolled back", 1), ("released", 4)]),
        ([*ENTER, ("rollback", "by hand")], "idle", [("rolled back", 4)]),
        ([("gate", "gate"), *ENTER, ("promotion", "opened"), ("rollout", "finish")], "idle", [("released", 4)]),
        ([("rollback", "tidy up"), *ENTER, ("rollout", "finish")], "idle", [("released", 4)]),
    ],
    ids=[
        "nothing",
        "went well",
        "made its endpoint first",
        "went back",
        "halted",
        "goes on",
        "was killed",
        "was killed and begun again",
        "returned by hand later",
        "returned by hand on its way",
        "among other records",
        "after tidying up",
    ],
)
def test_records_become_rollouts(events: list[tuple[str, str]], now: str, expected: list[tuple[str, int]]) -> None:
    found = rollouts(log(*events), in_progress=now == "rolling out")

    assert [(each.outcome, len(each.records)) for each in found] == expected


def test_measures_are_told_over_time_without_what_was_not_measured() -> None:
    end = "2026-02-28T12:00:00+00:00"
    records = log(
        window(score_drift="0.1", rows="900", until=end),
        ("gate", "gate"),
        window("drift", score_drift="0.4", roc_auc="None", drifted="AGE"),
        window(score_drift="nan", until="soon"),
    )

    found = measured(records)

    assert [(point.time, point.value) for point in found["score_drift"]] == [
        (datetime.fromisoformat(end), 0.1),
        (records[2].time, 0.4),
    ]
    assert "roc_auc" not in found
    assert "drifted" not in found


def test_gates_and_windows_are_told_newest_first() -> None:
    records = log(("gate", "gate"), window(), ("gate", "gate"), window("drift"))

    assert [record.number for record in gates(records)] == [3, 1]
    assert [state_of(record) for record in windows(records)] == ["drift", "healthy"]
