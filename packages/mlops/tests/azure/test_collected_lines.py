"""Lines and tables of collected data, without storage: what is read, what is left out, and that it is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.azure.collected_data.frames import collected, inputs_frame, joined, outputs_frame
from mlops.azure.collected_data.lines import Found, is_input, is_output, whole_lines
from mlops.azure.collected_data.window import Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=1), NOON)
GOOD: dict[str, Any] = {"age": 30, "correlation_id": "a", "row": 0, "time": "2026-03-01T11:30:00.000+00:00"}
ANSWER = {**GOOD, "probability": 0.5, "decision": 1, "model_version": "3"}


def line(*rows: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "data": list(rows)}).encode()


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
        pytest.param(line(GOOD | {"age": "30"}), 0, 1, id="text for a number"),
        pytest.param(line(GOOD | {"age": [30]}), 0, 1, id="a list for a number"),
    ],
)
def test_a_line_is_read_or_counted(content: bytes, rows: int, broken: int) -> None:
    found = Found(WINDOW, is_input)

    found.read([content], NOON)

    assert (len(found.rows), found.broken) == (rows, broken)


@pytest.mark.parametrize(("hours", "skewed"), [(-3, True), (-2, False), (-1, False), (0, False), (1, True)])
def test_rows_of_a_wrong_clock_count_by_their_own_time_and_are_counted(hours: int, *, skewed: bool) -> None:
    found = Found(WINDOW, is_input)

    found.read([line(GOOD)], NOON + timedelta(hours=hours))

    assert len(found.rows) == 1
    assert bool(found.skewed) is skewed


@pytest.mark.parametrize(
    "change",
    [{"probability": None}, {"probability": 1.5}, {"probability": float("nan")}, {"decision": 0.5}, {"decision": 2},
     {"model_version": 3}, {"row": -1}, {"row": 10**30}],
    ids=str,
)  # fmt: skip
def test_an_answer_without_its_parts_is_none(change: dict[str, Any]) -> None:
    found = Found(WINDOW, is_output)

    found.read([line(ANSWER), line(ANSWER | change)], NOON)

    assert (len(found.rows), found.broken) == (1, 1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=12)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_a_file_is_cut_into_blocks(parts: list[bytes], size: int) -> None:
    content = b"\n".join(parts)

    cut = list(whole_lines(content[start : start + size] for start in range(0, len(content), size)))

    assert cut == [each for each in content.split(b"\n") if each.strip()]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400)


# A busy machine is slow to draw its first example, and to answer it.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from([*ANSWER, "income"]), VALUES, max_size=4), max_size=4))
def test_no_line_keeps_the_others_from_being_read(rows: list[dict[str, Any]]) -> None:
    lines = [line(row) for row in rows] + [line(GOOD | row, ANSWER | row) for row in rows]
    inputs, outputs = Found(WINDOW, is_input), Found(WINDOW, is_output)
    inputs.read([*lines, line(GOOD)], NOON)
    outputs.read([*lines, line(ANSWER)], NOON)

    made = joined([inputs_frame(inputs.rows)], [outputs_frame(outputs.rows)], "blue")

    assert ("a", 0) in collected([made], WINDOW, None).frame.select("correlation_id", "row").rows()


def rows_of(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    found = Found(WINDOW, is_output if "probability" in rows[0] else is_input)
    found.read([line(*rows)], NOON)
    return found.rows


def test_rows_meet_their_answers_and_count_once() -> None:
    # given a retry, a request of two rows whose second has no answer, and a feature that came later
    inputs = inputs_frame(rows_of(GOOD, GOOD | {"age": 99}, GOOD | {"correlation_id": "b", "income": 2.5}))
    outputs = outputs_frame(rows_of(ANSWER, ANSWER | {"probability": 0.9}))
    # and the copy of a mirrored request, answered by another model
    copy = joined([inputs_frame(rows_of(GOOD))], [outputs_frame(rows_of(ANSWER | {"probability": 0.1}))], "green")

    found = collected([joined([inputs], [outputs], "blue"), copy], WINDOW, None)

    assert found.features == ("age", "income")
    assert found.frame.select("age", "income", "probability", "deployment").rows() == [
        (30.0, None, 0.5, "blue"),
        (30.0, 2.5, None, "blue"),
    ]
    assert (found.repeated, found.unanswered) == (2, 1)


def test_nothing_collected_is_a_table_without_rows() -> None:
    found = collected([], WINDOW, None)

    assert (found.frame.height, found.features, found.notes) == (0, (), ())
