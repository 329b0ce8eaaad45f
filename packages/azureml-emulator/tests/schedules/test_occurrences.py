"""When triggers are due: recurrences, cron expressions, time zones, daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.schedules.occurrences import next_occurrence
from azureml_emulator.schedules.trigger import read_trigger

CREATED = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)  # a Monday
BERLIN = "W. Europe Standard Time"


def recurrence(frequency: str, interval: int = 1, **more: Any) -> dict[str, Any]:
    return {"triggerType": "Recurrence", "frequency": frequency, "interval": interval, **more}


def cron(expression: str, **more: Any) -> dict[str, Any]:
    return {"triggerType": "Cron", "expression": expression, **more}


def moments(document: dict[str, Any], count: int = 3, after: str = "2026-03-02T08:29:59+00:00") -> list[str]:
    trigger, moment = read_trigger(document, CREATED), datetime.fromisoformat(after)

    def following() -> Any:
        now = moment
        while (now := next_occurrence(trigger, now)) is not None:
            yield now.strftime("%m-%d %H:%M")

    return list(islice(following(), count))


DUE = {
    "every minute from its creation": (recurrence("Minute"), ["03-02 08:30", "03-02 08:31", "03-02 08:32"]),
    "every six hours": (recurrence("Hour", 6), ["03-02 08:30", "03-02 14:30", "03-02 20:30"]),
    "every other day at its hour of creation": (recurrence("Day", 2), ["03-02 08:30", "03-04 08:30", "03-06 08:30"]),
    "daily at two hours": (
        recurrence("Day", schedule={"hours": [18, 9], "minutes": [15]}),
        ["03-02 09:15", "03-02 18:15", "03-03 09:15"],
    ),
    "weekly on two days": (
        recurrence("Week", schedule={"hours": [9], "minutes": [0], "weekDays": ["Friday", "Monday"]}),
        ["03-02 09:00", "03-06 09:00", "03-09 09:00"],
    ),
    "every other week": (
        recurrence("Week", 2, schedule={"hours": [9], "minutes": [0], "weekDays": ["Sunday"]}),
        ["03-08 09:00", "03-22 09:00", "04-05 09:00"],
    ),
    "monthly on the 31st, where there is one": (
        recurrence("Month", schedule={"hours": [0], "minutes": [0], "monthDays": [31]}),
        ["03-31 00:00", "05-31 00:00", "07-31 00:00"],
    ),
    "monthly from a start": (
        recurrence("Month", startTime="2026-01-15T10:00:00"),
        ["03-15 10:00", "04-15 10:00", "05-15 10:00"],
    ),
    "until its end": (recurrence("Day", endTime="2026-03-03T09:00:00"), ["03-02 08:30", "03-03 08:30"]),
    "from a start to come, in its zone": (
        recurrence("Hour", startTime="2026-03-02 12:00:00", timeZone=BERLIN),
        ["03-02 11:00", "03-02 12:00", "03-02 13:00"],
    ),
    "cron, Mondays": (cron("15 16 * * 1"), ["03-02 16:15", "03-09 16:15", "03-16 16:15"]),
    "cron, by name": (cron("0 6 * * FRI,sun"), ["03-06 06:00", "03-08 06:00", "03-13 06:00"]),
    "cron, steps and ranges": (cron("*/30 9-10 * * *"), ["03-02 09:00", "03-02 09:30", "03-02 10:00"]),
    "cron, days and months do not count": (cron("0 9 1 1 *"), ["03-02 09:00", "03-03 09:00", "03-04 09:00"]),
}


@pytest.mark.parametrize(("document", "expected"), DUE.values(), ids=DUE.keys())
def test_it_is_due(document: dict[str, Any], expected: list[str]) -> None:
    assert moments(document) == expected


def test_local_time_is_kept_when_the_clocks_change() -> None:
    # given nine in the morning in Berlin, where the clocks go forward on 29 March
    found = moments(cron("0 9 * * *", timeZone=BERLIN), after="2026-03-27T12:00:00+00:00")

    assert found == ["03-28 08:00", "03-29 07:00", "03-30 07:00"]


def test_a_local_time_that_is_skipped_or_repeated_is_due_once() -> None:
    at_half_past_two = cron("30 2 * * *", timeZone=BERLIN)

    assert moments(at_half_past_two, after="2026-03-28T12:00:00+00:00")[:2] == ["03-29 01:30", "03-30 00:30"]
    assert moments(at_half_past_two, after="2026-10-24T12:00:00+00:00")[:2] == ["10-25 00:30", "10-26 01:30"]


WRONG = {
    "no trigger": (None, "needs a trigger"),
    "an unknown type": ({"triggerType": "Event"}, "triggerType is 'Event'"),
    "an unknown frequency": (recurrence("Year"), "frequency is 'Year'"),
    "no interval": (recurrence("Day", 0), "interval is 0"),
    "an hour too many": (recurrence("Day", schedule={"hours": [24], "minutes": [0]}), "hours is [24]"),
    "no day of the week": (recurrence("Week", schedule={"weekDays": ["Someday"]}), "'Someday' is not a day"),
    "six fields": (cron("0 0 9 * * *"), "must have five fields"),
    "a minute too many": (cron("60 * * * *"), "must be between 0 and 59"),
    "no number": (cron("x * * * *"), "'x' is neither a number"),
    "an IANA time zone": (recurrence("Day", timeZone="Europe/Berlin"), "is not a time zone of Azure"),
    "no time": (recurrence("Day", startTime="tomorrow"), "startTime is 'tomorrow'"),
}


@pytest.mark.parametrize(("document", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_azure_refuses_is_refused(document: Any, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_trigger(document, CREATED)

    assert words in refused.value.message


def test_every_time_zone_of_the_sdk_is_known() -> None:
    from azure.ai.ml.constants._common import TimeZone

    for zone in TimeZone:
        assert read_trigger(recurrence("Day", timeZone=zone.value), CREATED)


ANY_TRIGGER = st.one_of(
    st.builds(
        recurrence,
        st.sampled_from(["Minute", "Hour", "Day", "Week", "Month"]),
        st.integers(1, 5),
        timeZone=st.sampled_from(["UTC", BERLIN, "Pacific Standard Time"]),
        schedule=st.fixed_dictionaries(
            {}, optional={"hours": st.lists(st.integers(0, 23), max_size=3), "minutes": st.lists(st.integers(0, 59))}
        ),
    ),
    st.builds(cron, st.sampled_from(["*/7 * * * *", "0 3 * * 0", "5,50 1-4 * * 1-5"]), timeZone=st.just(BERLIN)),
)


@given(ANY_TRIGGER, st.integers(0, 60 * 24 * 600))
def test_the_next_occurrence_is_the_first_one_after(document: dict[str, Any], minutes: int) -> None:
    trigger, after = read_trigger(document, CREATED), CREATED + timedelta(minutes=minutes)

    due = next_occurrence(trigger, after)

    assert due is not None
    assert due > after
    # and there is none between: asked from anywhere before it, it is the answer
    assert next_occurrence(trigger, after + (due - after) / 2) == due
