"""Now and new identifiers, injectable so that tests can fix both; nothing else asks the system for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def random_identifier() -> str:
    """A new UUID as text with hyphens."""
    return str(uuid.uuid4())


RandomSource = Callable[[], float]
"""A source of numbers in [0, 1)."""


@dataclass(frozen=True)
class Clock:
    """Where time and identifiers come from."""

    now: Callable[[], datetime] = utc_now
    identifier: Callable[[], str] = random_identifier

    def timestamp(self) -> str:
        """Now as Azure writes it: ISO 8601, microseconds, UTC with a Z-equivalent offset."""
        return self.now().isoformat(timespec="microseconds")
