"""The current time and new identifiers, injectable so that tests can fix both."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


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
