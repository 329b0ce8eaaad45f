"""Which files and which moments belong to a window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlops.azure.collected_data.window import Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=1), NOON)


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
def test_a_window_opens_its_hours_and_those_beside_them(file: str, *, expected: bool) -> None:
    hour = WINDOW.may_hold(file)

    assert (hour is not None) is expected
    if hour:
        assert f"{hour:%Y/%m/%d/%H}/a.jsonl" == file


def test_a_window_has_the_days_of_its_hours_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))

    window = Window(datetime(2026, 3, 1, 9, 30, tzinfo=tokyo), datetime(2026, 3, 1, 10, tzinfo=tokyo))

    assert list(window.days()) == ["2026/03/01", "2026/02/28"]


def test_the_last_hours_have_room_for_clocks_that_are_ahead() -> None:
    assert NOON + timedelta(minutes=20) in Window.last(timedelta(hours=1), NOON)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (WINDOW, "2026-03-01 11:00 to 2026-03-01 12:00 UTC"),
        (Window(NOON.astimezone(timezone(-timedelta(hours=3, minutes=30))), NOON + timedelta(seconds=6)),
         "2026-03-01 12:00:00 to 2026-03-01 12:00:06 UTC"),
    ],
    ids=["hours", "seconds, in another zone"],
)  # fmt: skip
def test_a_window_is_written_in_utc_and_no_shorter_than_it_is(window: Window, text: str) -> None:
    assert str(window) == text


@pytest.mark.parametrize(
    ("since", "until"), [(NOON, NOON), (NOON, NOON - timedelta(1)), (NOON.replace(tzinfo=None), NOON)]
)
def test_a_window_that_is_none_is_refused(since: datetime, until: datetime) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(since, until)
