"""The trigger of a schedule, parsed and checked. Pure: no I/O, no clock."""

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
# Names that Azure accepts and that the table of Windows' names no longer has.
_RETIRED = {"mid-atlantic standard time": "Etc/GMT+2", "kamchatka standard time": "Asia/Kamchatka"}
_ZONES = {name.lower(): zone for name, zone in win_tz.items()} | _RETIRED
_FIELD = re.compile(r"^(\*|[\w-]+(?:,[\w-]+)*)(?:/(\d+))?$")
_CRON_FIELDS = 5


@dataclass(frozen=True)
class Trigger:
    """When to run. `start` and `end` are timezone-aware; `start` defaults to the creation of the schedule."""

    zone: ZoneInfo
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class Recurrence(Trigger):
    """Every `interval` minutes, hours, days, weeks or months; tuples are empty when the pattern does not set them."""

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
    """Parse a trigger. Raises BadRequest for one that Azure refuses."""
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
        raise _refuse(f"interval is {interval!r}; it must be a positive integer", "interval")
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
    # Azure ignores days and months of a cron expression.
    minutes, hours, _, _, days = fields
    return Cron(
        zone=zone,
        start=start,
        end=end,
        minutes=_cron_field(minutes, 0, 59),
        hours=_cron_field(hours, 0, 23),
        # In cron, 0 is Sunday.
        week_days=tuple(sorted({(day - 1) % 7 for day in _cron_field(days, 0, 7)})),
    )


def _cron_field(field: str, low: int, high: int) -> tuple[int, ...]:
    match = _FIELD.match(field)
    if match is None:
        raise _refuse(f"'{field}' is not a valid field of a cron expression", "expression")
    step = int(match[2] or 1)
    if match[1] == "*":
        values = set(range(low, high + 1))
    else:
        end = high if match[2] else None
        values = {value for part in match[1].split(",") for value in _cron_part(part, end)}
    found = sorted(values)
    if step < 1 or not found or found[0] < low or found[-1] > high:
        raise _refuse(f"'{field}' must be between {low} and {high}", "expression")
    return tuple(value for value in found if (value - found[0]) % step == 0)


def _cron_part(part: str, end: int | None) -> range:
    """The values of `2`, `2-5` or a name. With `end`, a single value is the start of a range, as in `2/3`."""
    first, dash, last = part.partition("-")
    begin = _cron_value(first)
    return range(begin, (_cron_value(last) if dash else end or begin) + 1)


def _cron_value(text: str) -> int:
    if text.isdigit():
        return int(text)
    for number, name in enumerate(_DAY_NAMES):
        if len(text) > 2 and name.startswith(text.lower()):
            return (number + 1) % 7
    raise _refuse(f"'{text}' is neither a number nor a day of the week", "expression")


def _day(name: Any) -> int:
    try:
        return _DAY_NAMES.index(str(name).lower())
    except ValueError:
        raise _refuse(f"'{name}' is not a day of the week", "weekDays") from None


def _numbers(values: Any, low: int, high: int, name: str) -> tuple[int, ...]:
    numbers = values or []
    if not isinstance(numbers, list) or not all(isinstance(each, int) and low <= each <= high for each in numbers):
        raise _refuse(f"{name} is {values}; it must be a list of integers from {low} to {high}", name)
    return tuple(sorted(set(numbers)))


def _zone(name: Any) -> ZoneInfo:
    text = str(name or _UTC)
    known = _ZONES.get(text.lower())
    try:
        if known is not None:
            return ZoneInfo(known)
    except ZoneInfoNotFoundError:
        raise _refuse(f"the time zone '{text}' ({known}) is not installed on this machine", "timeZone") from None
    raise _refuse(f"'{text}' is not a time zone of Azure such as 'W. Europe Standard Time'", "timeZone")


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
