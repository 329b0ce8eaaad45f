"""A span of time, and where in a collection its events lie: folders by the hour, in UTC. Pure: no I/O.

Which hour an event is filed under was decided by a server's clock; so the hours around the window count too, and the
time of the event itself says whether it belongs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

CLOCK_SKEW = timedelta(hours=1)
HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_FILE = re.compile(r"(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+\.jsonl")


@dataclass(frozen=True, slots=True)
class Window:
    """From `since`, included, to `until`, excluded; both with a zone. Raises ValueError when it holds no time."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("a window's ends need a time zone, such as +00:00")
        if self.since >= self.until:
            raise ValueError(f"a window cannot end ({self.until}) before it begins ({self.since})")

    @classmethod
    def last(cls, span: timedelta, now: datetime) -> Self:
        """Return the last days or hours, with room for servers whose clock is ahead of ours."""
        return cls(now - span, now + CLOCK_SKEW)

    @classmethod
    def ending(cls, until: datetime, span: timedelta) -> Self:
        """Return the window of a length that ends at a moment, in UTC. Raises ValueError without a zone."""
        if until.tzinfo is None:
            raise ValueError(f"the end of the window, {until.isoformat()}, needs a time zone, such as +00:00")
        return cls(until.astimezone(UTC) - span, until.astimezone(UTC))

    def __contains__(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.since <= moment < self.until

    def days(self) -> Iterator[str]:
        """Yield the folders (yyyy/MM/dd) of all days that may hold events of it, the newest first."""
        day = _whole_day(self.until + CLOCK_SKEW)
        first = _whole_day(self.since - CLOCK_SKEW)
        while day >= first:
            yield day.strftime("%Y/%m/%d")
            day -= _DAY

    def hour_of(self, file: str) -> datetime | None:
        """Return a file's hour, by its path below a collection; None when no event of the window can be in it."""
        found = _FILE.fullmatch(file)
        if found is None:
            return None
        try:
            hour = datetime.strptime("".join(found.groups()), "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        return hour if hour + HOUR > self.since - CLOCK_SKEW and hour < self.until + CLOCK_SKEW else None

    def for_answers(self) -> Self:
        """Return the window of the answers to its requests: an answer may be filed an hour after its request."""
        return replace(self, until=self.until + CLOCK_SKEW)

    def as_document(self) -> dict[str, str]:
        """Return the window as measures.json holds it."""
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}

    def __str__(self) -> str:
        """Return the window as people read it: to the minute, or to the second where one of its ends needs it."""
        ends = self.since.astimezone(UTC), self.until.astimezone(UTC)
        form = "%Y-%m-%d %H:%M:%S" if any(end.second or end.microsecond for end in ends) else "%Y-%m-%d %H:%M"
        return f"{ends[0].strftime(form)} to {ends[1].strftime(form)} UTC"


def _whole_day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
