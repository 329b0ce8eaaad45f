"""When a trigger is due next. Pure: no I/O, no clock.

Times of day are in the trigger's time zone. A time that daylight saving skips occurs once, an hour later on the clock;
one that occurs twice counts the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import product

from azureml_emulator.schedules.trigger import Cron, Recurrence

_STEPS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
_DAYS_PER_WEEK = 7
_MONTHS_PER_YEAR = 12
# How many periods are searched, since some days are rare, such as the 31st of every sixth month.
_PERIODS = 13
_DAYS_PER_PERIOD = {"day": 1, "week": 7, "month": 31}


def next_occurrence(trigger: Recurrence | Cron, after: datetime) -> datetime | None:
    """The first time after `after` at which the trigger is due, in UTC; None when it has ended."""
    found = next(_from(trigger, max(after, trigger.start - timedelta.resolution)), None)
    return found if found is not None and (trigger.end is None or found <= trigger.end) else None


def _from(trigger: Recurrence | Cron, after: datetime) -> Iterator[datetime]:
    step = _STEPS.get(trigger.frequency) if isinstance(trigger, Recurrence) else None
    if step is not None and isinstance(trigger, Recurrence):
        period = step * trigger.interval
        yield trigger.start + period * ((after - trigger.start) // period + 1)
        return
    first = after.astimezone(trigger.zone).date()
    for day in (first + timedelta(days=number) for number in range(_horizon(trigger))):
        if not _matches(trigger, day):
            continue
        for moment in sorted(_at(trigger, day, each) for each in _times(trigger)):
            if moment > after:
                yield moment


def _horizon(trigger: Recurrence | Cron) -> int:
    """How many days to search."""
    if isinstance(trigger, Cron):
        return _DAYS_PER_WEEK + 1
    return _DAYS_PER_PERIOD[trigger.frequency] * trigger.interval * _PERIODS + 1


def _matches(trigger: Recurrence | Cron, day: date) -> bool:
    if isinstance(trigger, Cron):
        return day.weekday() in trigger.week_days
    begun = trigger.start.astimezone(trigger.zone).date()
    match trigger.frequency:
        case "day":
            return (day - begun).days % trigger.interval == 0
        case "week":
            weeks = (_monday(day) - _monday(begun)).days // _DAYS_PER_WEEK
            return weeks % trigger.interval == 0 and day.weekday() in (trigger.week_days or (begun.weekday(),))
        case _:
            months = (day.year - begun.year) * _MONTHS_PER_YEAR + day.month - begun.month
            return months % trigger.interval == 0 and _matches_in_month(trigger, day, begun)


def _matches_in_month(trigger: Recurrence, day: date, begun: date) -> bool:
    if trigger.week_days and not trigger.month_days:
        return day.weekday() in trigger.week_days
    return day.day in (trigger.month_days or (begun.day,))


def _times(trigger: Recurrence | Cron) -> list[time]:
    """The times of day; that of the start when the pattern has none."""
    begun = trigger.start.astimezone(trigger.zone)
    if not trigger.hours and not trigger.minutes:
        return [begun.time()]
    return [time(hour, minute) for hour, minute in product(trigger.hours or (begun.hour,), trigger.minutes or (0,))]


def _at(trigger: Recurrence | Cron, day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, trigger.zone).astimezone(UTC)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
