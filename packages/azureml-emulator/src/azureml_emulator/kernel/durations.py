"""ISO 8601 durations in seconds. Pure: no I/O."""

from __future__ import annotations

import re

_DURATION = re.compile(
    r"^P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?$"
)
_SECONDS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def parse_duration(text: str) -> float:
    """The seconds of a duration such as PT1M30S, of days and smaller units. Raises ValueError for any other text."""
    match = _DURATION.match(text)
    if match is None or not any(match.groupdict().values()):
        raise ValueError(f"'{text}' is not an ISO 8601 duration such as PT5S")
    return sum(float(value) * _SECONDS[unit] for unit, value in match.groupdict().items() if value)
