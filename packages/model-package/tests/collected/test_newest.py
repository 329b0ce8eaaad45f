"""The newest rows of several deployments as one table, from files in memory; mlops's own test reads real storage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from model_package.collected.newest import Collection, NewestRows, read_newest
from model_package.collected.window import Window
from model_package.rows.collected_columns import INPUTS, OUTPUTS
from model_package.schema import Feature, Schema
from model_package.tasks import task_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=3), NOON)
GOOD: dict[str, Any] = {"age": 30, "correlation_id": "a", "row": 0, "time": "2026-03-01T11:30:00.000+00:00"}
TASK = task_of(Schema("", "late", (Feature("age"),)))
ANSWER = {name: GOOD[name] for name in ("correlation_id", "row", "time")} | {
    "probability": 0.5,
    "decision": 1,
    "model_version": "3",
}


@dataclass(frozen=True)
class File:
    """One hour's lines, in chunks that end in the middle of a line."""

    hour: datetime
    rows: Sequence[dict[str, Any]]

    def chunks(self) -> Iterator[bytes]:
        content = b"\n".join(json.dumps({"data": [row]}).encode() for row in self.rows)
        return (content[start : start + 50] for start in range(0, len(content), 50))


class Hours:
    """A collection: files by hour, and which of them were asked for."""

    def __init__(self, *files: File) -> None:
        self.files = files
        self.read: list[datetime] = []

    def hours(self, window: Window) -> Iterator[list[File]]:
        for file in sorted(self.files, key=lambda file: file.hour, reverse=True):
            if window.hour_of(f"{file.hour:%Y/%m/%d/%H}/a.jsonl"):
                self.read.append(file.hour)
                yield [file]


def at(hour: int, **other: Any) -> File:
    """A file with one row of an hour."""
    moment = NOON.replace(hour=hour, minute=30).isoformat()
    return File(NOON.replace(hour=hour), [GOOD | {"correlation_id": f"{hour}", "time": moment} | other])


def newest(stored: dict[tuple[str, str], list[Collection]], at_most: int | None = None) -> NewestRows:
    deployments = list(dict.fromkeys(deployment for deployment, _ in stored))
    return read_newest(deployments, lambda name, collection: stored.get((name, collection), []), TASK, WINDOW, at_most)


def test_rows_meet_their_answers_and_count_once():
    # given a retry, a request without an answer, and a feature that came later
    rows = [GOOD, GOOD | {"age": 99}, GOOD | {"correlation_id": "b", "income": 2.5}]
    answers = [ANSWER, ANSWER | {"probability": 0.9}]
    # and the copy of a mirrored request, answered by another model
    hour = NOON.replace(hour=11)
    found = newest(
        {
            ("blue", INPUTS): [Hours(File(hour, rows))],
            ("blue", OUTPUTS): [Hours(File(hour, answers))],
            ("green", INPUTS): [Hours(File(hour, [GOOD]))],
            ("green", OUTPUTS): [Hours(File(hour, [ANSWER | {"probability": 0.1}]))],
        }
    )

    assert found.features == ("age", "income")
    assert found.table.select("age", "income", "probability", "deployment").rows() == [
        (30.0, None, 0.5, "blue"),
        (30.0, 2.5, None, "blue"),
    ]
    assert (found.found.files, found.found.repeated, found.unanswered) == (4, 2, 1)
    assert len(found.notes) == 2


def test_nothing_collected_is_a_table_without_rows():
    found = newest({})

    assert (found.table.height, found.features, found.notes) == (0, (), ())
    assert "probability" in found.table.columns


def test_files_without_usable_rows_leave_a_table_without_features():
    found = newest({("blue", INPUTS): [Hours(File(NOON.replace(hour=11), [{"age": 1}]))]})

    assert (found.table.height, found.features, found.found.broken) == (0, (), 1)


@pytest.mark.parametrize(("at_most", "hours"), [(1, [11]), (2, [11, 10]), (None, [11, 10, 9])])
def test_older_hours_are_read_only_while_rows_are_missing(at_most: int | None, hours: list[int]):
    collection = Hours(at(9), at(10), at(11))
    answers = Hours(File(NOON.replace(hour=8), [ANSWER]))

    found = newest({("blue", INPUTS): [collection], ("blue", OUTPUTS): [answers]}, at_most)

    assert [moment.hour for moment in collection.read] == hours
    assert found.table["correlation_id"].to_list() == [f"{hour}" for hour in hours]
    # Answers are read from the oldest request on.
    assert [moment.hour for moment in answers.read] == ([8] if at_most is None else [])
