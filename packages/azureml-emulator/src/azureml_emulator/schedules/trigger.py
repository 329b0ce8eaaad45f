"""A schedule's trigger as the wire has it, read and checked. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal.windows_tz import win_tz

from azureml_emulator.kernel.errors import BadRequest

Frequency = Literal["minute", "hour", "day", "week", "month"]
_FREQUENCIES: dict[str, Frequency] = {
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "week": "week",
    "month": "month",
}
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UTC = "UTC"
# Names that Azure takes and that the table of Windows' names has no longer.
_RETIRED = {"mid-atlantic standard time": "Etc/GMT+2", "kamchatka standard time": "Asia/Kamchatka"}
_ZONES = {name.lower(): zone for name, zone in win_tz.items()} | _RETIRED
_FIELD = re.compile(r"^(\*|[\w-]+(?:,[\w-]+)*)(?:/(\d+))?$")
_CRON_FIELDS = 5


@dataclass(frozen=True)
class Trigger:
    """When to run. `start` and `end` are aware; `start` is the schedule's creation where none was given."""

    zone: ZoneInfo
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class Recurrence(Trigger):
    """Every `interval` minutes, hours, days, weeks or months; empty tuples where the pattern says nothing."""

    frequency: Frequency
    interval: int
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cron(Trigger):
    """At these minutes of these hours on these days of the week (0 is Monday)."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    week_days: tuple[int, ...]


def read_trigger(document: Any, created: datetime) -> Recurrence | Cron:
    """Read a trigger. Raises BadRequest for one that Azure refuses."""
    if not isinstance(document, dict):
        raise _refuse("a schedule needs a trigger", "trigger")
    zone = _zone(document.get("timeZone"))
    start = _moment(document.get("startTime"), zone, "startTime") or created
    end = _moment(document.get("endTime"), zone, "endTime")
    kind = str(document.get("triggerType", "")).lower()
    if kind == "cron":
        return _cron(document, zone, start, end)
    if kind == "recurrence":
        return _recurrence(document, zone, start, end)
    raise _refuse(f"triggerType is '{document.get('triggerType')}'; it must be Recurrence or Cron", "triggerType")


def _recurrence(document: dict[str, Any], zone: ZoneInfo, start: datetime, end: datetime | None) -> Recurrence:
    frequency = _FREQUENCIES.get(str(document.get("frequency", "")).lower())
    if frequency is None:
        known = ", ".join(_FREQUENCIES)
        raise _refuse(f"frequency is '{document.get('frequency')}'; it must be one of {known}", "frequency")
    interval = document.get("interval")
    if not isinstance(interval, int) or interval < 1:
        raise _refuse(f"interval is {interval!r}; it must be a whole number from 1", "interval")
    pattern = document.get("schedule") or {}
    return Recurrence(
        zone=zone,
        start=start,
        end=end,
        frequency=frequency,
        interval=interval,
        hours=_numbers(pattern.get("hours"), 0, 23, "hours"),
        minutes=_numbers(pattern.get("minutes"), 0, 59, "minutes"),
        week_days=tuple(sorted(_day(name) for name in pattern.get("weekDays") or [])),
        month_days=_numbers(pattern.get("monthDays"), 1, 31, "monthDays"),
    )


def _cron(document: dict[str, Any], zone: ZoneInfo, start: datetime, end: datetime | None) -> Cron:
    expression = str(document.get("expression") or "")
    fields = expression.split()
    if len(fields) != _CRON_FIELDS:
        raise _refuse(f"'{expression}' must have five fields: MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK", "expression")
    # Azure reads days and months of a cron expression as `*`, whatever they say.
    minutes, hours, _, _, days = fields
    return Cron(
        zone=zone,
        start=start,
        end=end,
        minutes=_cron_field(minutes, 0, 59),
        hours=_cron_field(hours, 0, 23),
        # Cron counts from Sunday.
        week_days=tuple(sorted({(day - 1) % 7 for day in _cron_field(days, 0, 7)})),
    )


def _cron_field(field: str, low: int, high: int) -> tuple[int, ...]:
    match = _FIELD.match(field)
    if match is None:
        raise _refuse(f"'{field}' is no field of a cron expression", "expression")
    step = int(match[2] or 1)
    if match[1] == "*":
        values = set(range(low, high + 1))
    else:
        end = high if match[2] else None
        values = {value for part in match[1].split(",") for value in _cron_part(part, end)}
    found = sorted(values)
    if step < 1 or not found or found[0] < low or found[-1] > high:
        raise _refuse(f"'{field}' must lie between {low} and {high}", "expression")
    return tuple(value for value in found if (value - found[0]) % step == 0)


def _cron_part(part: str, end: int | None) -> range:
    """The values of `2`, `2-5` or a name; a single one goes on to `end` where there is one, as in `2/3`."""
    first, dash, last = part.partition("-")
    begin = _cron_value(first)
    return range(begin, (_cron_value(last) if dash else end or begin) + 1)


def _cron_value(text: str) -> int:
    if text.isdigit():
        return int(text)
    for number, name in enumerate(_DAY_NAMES):
        if len(text) > 2 and name.startswith(text.lower()):
            return (number + 1) % 7
    raise _refuse(f"'{text}' is no number and no day of the week", "expression")


def _day(name: Any) -> int:
    try:
        return _DAY_NAMES.index(str(name).lower())
    except ValueError:
        raise _refuse(f"'{name}' is no day of the week", "weekDays") from None


def _numbers(values: Any, low: int, high: int, name: str) -> tuple[int, ...]:
    numbers = values or []
    if not isinstance(numbers, list) or not all(isinstance(each, int) and low <= each <= high for each in numbers):
        raise _refuse(f"{name} is {values}; it must list whole numbers from {low} to {high}", name)
    return tuple(sorted(set(numbers)))


def _zone(name: Any) -> ZoneInfo:
    text = str(name or _UTC)
    known = _ZONES.get(text.lower())
    try:
        if known is not None:
            return ZoneInfo(known)
    except ZoneInfoNotFoundError:
        raise _refuse(f"this machine does not know the time zone '{text}' ({known})", "timeZone") from None
    raise _refuse(f"'{text}' is no time zone that Azure knows, such as 'W. Europe Standard Time'", "timeZone")


def _moment(value: Any, zone: ZoneInfo, name: str) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _refuse(f"{name} is '{value}'; it must be ISO 8601", name) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _refuse(message: str, target: str) -> BadRequest:
    return BadRequest(f"The schedule cannot run: {message}.", code="UserError", target=target)
