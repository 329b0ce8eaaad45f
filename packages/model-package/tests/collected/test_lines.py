"""Lines of collected data: what is read, what is left out, and that it is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_package.collected.lines import Found, LineReader, Types, whole_lines
from model_package.collected.rows import first_of_each, with_answers
from model_package.collected.window import Window
from model_package.rows.collected_columns import IDENTITY
from model_package.schema import Feature, Schema
from model_package.tasks import task_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=1), NOON)
GOOD: dict[str, Any] = {"age": 30, "correlation_id": "a", "row": 0, "time": "2026-03-01T11:30:00.000+00:00"}
ANSWER = {
    "correlation_id": "a",
    "row": 0,
    "time": GOOD["time"],
    "probability": 0.5,
    "decision": 1,
    "model_version": "3",
}
NUMBER = pl.Float64()
TASK = task_of(Schema("", "late", (Feature("age"),)))


def line(*rows: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "data": list(rows)}).encode()


def inputs(features: list[str] | None = None) -> tuple[LineReader, Found]:
    found = Found()
    types: Types | None = dict.fromkeys(features, NUMBER) if features else None
    return LineReader.of_inputs(WINDOW, found, TASK, types, NUMBER), found


def outputs() -> tuple[LineReader, Found]:
    found = Found()
    return LineReader.of_outputs(WINDOW, found, TASK, NUMBER), found


@pytest.mark.parametrize("features", [["age"], None], ids=["known features", "any features"])
@pytest.mark.parametrize(
    ("content", "rows", "broken"),
    [
        pytest.param(line(GOOD), 1, 0, id="good"),
        pytest.param(line(GOOD, GOOD | {"row": 1}), 2, 0, id="several requests in one line"),
        pytest.param(line(GOOD | {"age": None}), 1, 0, id="a missing value"),
        pytest.param(line(GOOD | {"time": "2026-03-01T12:30:00+01:00"}), 1, 0, id="another zone"),
        pytest.param(line(GOOD | {"time": "2026-03-01T11:30:00"}), 1, 0, id="a time without zone is UTC"),
        pytest.param(line(GOOD | {"time": "2026-03-01T12:00:00Z"}), 0, 0, id="after the window"),
        pytest.param(line(GOOD | {"time": "2026-03-01T10:59:59Z"}), 0, 0, id="before the window"),
        pytest.param(line(), 0, 0, id="no rows"),
        pytest.param(line(GOOD)[:50], 0, 1, id="half a line"),
        pytest.param(b"\xff\xfe", 0, 1, id="no text"),
        pytest.param(b"[1]", 0, 1, id="no event"),
        pytest.param(b'{"data": "https://elsewhere/raw"}', 0, 1, id="data elsewhere"),
        pytest.param(line(1, GOOD), 1, 1, id="a row that is none"),
        pytest.param(line({"age": 30}), 0, 1, id="a row without identity"),
        pytest.param(line(GOOD | {"time": "yesterday"}), 0, 1, id="a time that is none"),
        pytest.param(line(GOOD | {"row": True}), 0, 1, id="a number that is none"),
        pytest.param(line(GOOD | {"row": -1}), 0, 1, id="a negative number of a row"),
        pytest.param(line(GOOD | {"age": [30]}), 0, 1, id="a list for a number"),
        pytest.param(line(GOOD | {"age": 10**400}), 0, 1, id="a number beyond every float"),
    ],
)
def test_a_line_is_read_or_counted(content: bytes, rows: int, broken: int, features: list[str] | None):
    reader, found = inputs(features)

    table = reader.read(content, NOON)

    assert (table.height, found.broken) == (rows, broken)


def test_text_for_a_known_number_is_broken_and_any_other_text_is_kept():
    known, counted = inputs(["age"])
    unknown, _ = inputs()
    lines = line(GOOD | {"age": "30", "member": True}) + b"\n" + line(GOOD | {"row": 1, "age": None, "member": False})

    assert (known.read(lines, NOON).height, counted.broken) == (1, 1)
    assert unknown.read(lines, NOON).select("age", "member").rows() == [("30", True), (None, False)]


def test_broken_lines_cost_no_good_ones():
    reader, found = inputs(["age"])

    table = reader.read(b"\n".join([line(GOOD), b"{", line(GOOD | {"age": "x"}, GOOD | {"age": 31}), b""]), NOON)

    assert table["age"].to_list() == [30.0, 31.0]
    assert found.broken == 2


@pytest.mark.parametrize(("hours", "skewed"), [(-3, True), (-2, False), (-1, False), (0, False), (1, True)])
def test_rows_of_a_wrong_clock_count_by_their_own_time_and_are_counted(hours: int, *, skewed: bool):
    reader, found = inputs(["age"])

    assert reader.read(line(GOOD), NOON + timedelta(hours=hours)).height == 1
    assert bool(found.skewed) is skewed


@pytest.mark.parametrize(
    "change",
    [{"probability": None}, {"probability": 1.5}, {"probability": float("nan")}, {"decision": 0.5}, {"decision": 2},
     {"model_version": None}, {"row": -1}, {"row": 10**30}],
    ids=str,
)  # fmt: skip
def test_an_answer_without_its_parts_is_none(change: dict[str, Any]):
    reader, found = outputs()

    assert reader.read(line(ANSWER, ANSWER | change), NOON).height == 1
    assert found.broken == 1


LATER = GOOD | {"time": "2026-03-01T12:00:00.000+00:00"}


@pytest.mark.parametrize("features", [["age"], None], ids=["known features", "any features"])
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(LATER, id="usable"),
        pytest.param(LATER | {"age": "30"}, id="broken"),
        pytest.param(LATER | {"row": -1}, id="broken, of the right types"),
    ],
)
def test_rows_outside_the_window_count_nowhere(row: dict[str, Any], features: list[str] | None):
    # given lines that were filed hours away from their own time, which lies outside the window
    reader, found = inputs(features)

    table = reader.read(line(row | {"colour": 1}), NOON + timedelta(hours=5))

    assert table.height == 0
    assert found == Found()


def test_columns_are_those_of_rows_in_the_window():
    reader, found = inputs(["age"])
    reader.read(line(LATER | {"colour": 1}) + b"\n" + line(LATER | {"colour": 1}, GOOD | {"shape": 1}), NOON)

    assert found.unknown_columns == {"shape"}


def test_a_time_at_the_edge_of_the_calendar_is_none():
    reader, found = inputs(["age"])

    rows = [GOOD | {"time": time} for time in ("0001-01-01T00:00:00+14:00", "yesterday")]

    assert reader.read(line(*rows, GOOD), NOON).height == 1
    assert found.broken == 2


def test_columns_are_noted_as_they_are_seen():
    reader, found = inputs(["age", "income"])
    reader.read(line(GOOD | {"colour": 1}), NOON)

    assert found.unknown_columns == {"colour"}
    assert "income" not in found.seen_columns


def test_a_row_with_a_reserved_column_is_no_input():
    reader, found = inputs(None)

    assert reader.read(line(GOOD | {"probability": 0.5}), NOON).height == 0
    assert found.broken == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=12)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_a_file_is_cut_into_chunks(parts: list[bytes], size: int):
    content = b"\n".join(parts)

    blocks = list(whole_lines(content[start : start + size] for start in range(0, len(content), size)))

    lines = [each for block in blocks for each in block.split(b"\n") if each.strip()]
    assert lines == [each for each in content.split(b"\n") if each.strip()]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400)
NAMES = st.sampled_from([*ANSWER, "age", "income"])


# A busy machine is slow to draw its first example, and to answer it.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_no_line_keeps_the_others_from_being_read(rows: list[dict[str, Any]]):
    block = b"\n".join([line(row) for row in rows] + [line(GOOD | row, ANSWER | row) for row in rows])
    for reader, _ in (inputs(["age"]), inputs(None)):
        table = reader.read(block + b"\n" + line(GOOD | {"correlation_id": "last"}), NOON)
        assert ("last", 0) in table.select(IDENTITY).rows()
    reader, _ = outputs()
    table = reader.read(block + b"\n" + line(ANSWER | {"correlation_id": "last"}), NOON)
    assert ("last", 0) in table.select(IDENTITY).rows()


def test_rows_meet_their_answers_and_count_once():
    # given a retry, a second answer to one row, and a row without any
    asked, _ = inputs(["age"])
    answered, _ = outputs()
    rows = asked.read(line(GOOD, GOOD | {"age": 99}, GOOD | {"correlation_id": "b", "age": 40}), NOON)
    answers = answered.read(line(ANSWER, ANSWER | {"probability": 0.9}), NOON)

    joined = first_of_each(with_answers(rows, answers.drop("time"), IDENTITY), IDENTITY)

    assert joined.select("age", "probability").rows() == [(30.0, 0.5), (40.0, None)]
