"""The current time and new identifiers, injectable so that tests can fix both; and durations as Azure writes them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

_DURATION = re.compile(
    r"^P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?$"
)
_SECONDS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def utc_now() -> datetime:
    """The current time in UTC, timezone-aware."""
    return datetime.now(UTC)


def random_identifier() -> str:
    """A new UUID as text."""
    return str(uuid.uuid4())


RandomSource = Callable[[], float]
"""A source of numbers in [0, 1)."""


@dataclass(frozen=True)
class Clock:
    """Source of the current time and of new identifiers."""

    now: Callable[[], datetime] = utc_now
    identifier: Callable[[], str] = random_identifier

    def timestamp(self) -> str:
        """The current time as Azure writes it: ISO 8601 with microseconds, in UTC."""
        return self.now().isoformat(timespec="microseconds")


def parse_duration(text: str) -> float:
    """The seconds of a duration such as PT1M30S, of days and smaller units. Raises ValueError for any other text."""
    match = _DURATION.match(text)
    if match is None or not any(match.groupdict().values()):
        raise ValueError(f"'{text}' is not an ISO 8601 duration such as PT5S")
    return sum(float(value) * _SECONDS[unit] for unit, value in match.groupdict().items() if value)
