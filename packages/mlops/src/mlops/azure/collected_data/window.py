"""A span of time, and where in a collection its events lie: folders by the hour, in UTC. Pure: no I/O.

Which hour an event is filed under, a server's clock has decided; so the hours around the window count too, and the
time of the event itself says whether it belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

CLOCK_SKEW: Final = timedelta(hours=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_FILE: Final = re.compile(r"(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+\.jsonl")


@dataclass(frozen=True)
class Window:
    """From `since`, included, to `until`, excluded; both with a zone. Raises ValueError when it holds no time."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("a window's ends need a time zone")
        if self.since >= self.until:
            raise ValueError(f"a window cannot end ({self.until}) before it begins ({self.since})")

    @classmethod
    def last(cls, span: timedelta, now: datetime) -> Window:
        """The last days or hours, with room for servers whose clock is ahead of ours."""
        return cls(now - span, now + CLOCK_SKEW)

    def __contains__(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.since <= moment < self.until

    def days(self) -> Iterator[str]:
        """The folders (yyyy/MM/dd) of all days that may hold events of it, the newest first."""
        day = _whole_day(self.until + CLOCK_SKEW)
        first = _whole_day(self.since - CLOCK_SKEW)
        while day >= first:
            yield day.strftime("%Y/%m/%d")
            day -= _DAY

    def may_hold(self, file: str) -> datetime | None:
        """The hour of a file, by its path below a collection's folder; None when no event of the window is there."""
        found = _FILE.fullmatch(file)
        if found is None:
            return None
        try:
            hour = datetime.strptime("".join(found.groups()), "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        return hour if hour + _HOUR > self.since - CLOCK_SKEW and hour < self.until + CLOCK_SKEW else None

    def __str__(self) -> str:
        """The window as people read it: by the minute, or by the second where one of its ends is within a minute."""
        ends = self.since.astimezone(UTC), self.until.astimezone(UTC)
        form = "%Y-%m-%d %H:%M:%S" if any(end.second or end.microsecond for end in ends) else "%Y-%m-%d %H:%M"
        return f"{ends[0].strftime(form)} to {ends[1].strftime(form)} UTC"


def is_skewed(moment: datetime, hour: datetime) -> bool:
    """Whether what happened at a moment was filed hours away from it: one of two clocks is wrong."""
    return not hour - CLOCK_SKEW <= moment < hour + _HOUR + CLOCK_SKEW


def _whole_day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
