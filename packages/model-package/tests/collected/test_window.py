"""Which files and which moments belong to a window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from model_package.collected.window import Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=1), NOON)
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("2026/03/01/11/a.jsonl", True),
        ("2026/03/01/12/a.jsonl", True),
        ("2026/03/01/10/a.jsonl", True),
        ("2026/03/01/09/a.jsonl", False),
        ("2026/03/01/13/a.jsonl", False),
        ("2026/13/01/11/a.jsonl", False),
        ("2026/03/01/11/a.bin", False),
        ("2026/03/01/a.jsonl", False),
    ],
)
def test_a_window_opens_its_hours_and_those_beside_them(file: str, *, expected: bool):
    hour = WINDOW.hour_of(file)

    assert (hour is not None) is expected
    if hour:
        assert f"{hour:%Y/%m/%d/%H}/a.jsonl" == file


def test_a_window_has_the_days_of_its_hours_in_utc():
    window = Window(datetime(2026, 3, 1, 9, 30, tzinfo=TOKYO), datetime(2026, 3, 1, 10, tzinfo=TOKYO))

    assert list(window.days()) == ["2026/03/01", "2026/02/28"]


def test_the_last_hours_have_room_for_clocks_that_are_ahead():
    assert NOON + timedelta(minutes=20) in Window.last(timedelta(hours=1), NOON)


def test_a_window_ends_at_a_moment_of_any_zone():
    window = Window.ending(NOON.astimezone(TOKYO), timedelta(hours=1))

    assert (window, str(window)) == (WINDOW, "2026-03-01 11:00 to 2026-03-01 12:00 UTC")
    assert NOON not in window
    with pytest.raises(ValueError, match="needs a time zone"):
        Window.ending(NOON.replace(tzinfo=None), timedelta(hours=1))


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (WINDOW, "2026-03-01 11:00 to 2026-03-01 12:00 UTC"),
        (Window(NOON.astimezone(timezone(-timedelta(hours=3, minutes=30))), NOON + timedelta(seconds=6)),
         "2026-03-01 12:00:00 to 2026-03-01 12:00:06 UTC"),
    ],
    ids=["hours", "seconds, in another zone"],
)  # fmt: skip
def test_a_window_is_written_in_utc_and_as_exactly_as_it_is(window: Window, text: str):
    assert str(window) == text


def test_an_answer_may_be_filed_an_hour_after_its_request():
    assert WINDOW.for_answers() == Window(WINDOW.since, NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    ("since", "until"), [(NOON, NOON), (NOON, NOON - timedelta(1)), (NOON.replace(tzinfo=None), NOON)]
)
def test_a_span_that_is_no_window_is_refused(since: datetime, until: datetime):
    with pytest.raises(ValueError, match="window"):
        Window(since, until)
