"""When a failed delivery is retried, and when it is given up. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

# The service's delays between attempts; the last one repeats.
_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
)
# The minimum delay after these statuses.
_MIN_DELAYS: Final[dict[int, timedelta]] = {
    400: timedelta(minutes=5),
    401: timedelta(minutes=5),
    403: timedelta(minutes=5),
    404: timedelta(minutes=5),
    408: timedelta(minutes=2),
    503: timedelta(seconds=30),
}
_NOT_RETRIED: Final = frozenset({400, 413})
_ACKNOWLEDGED: Final = range(200, 205)
Reason = Literal["MaxDeliveryAttemptsExceeded", "TimeToLiveExceeded", "UndeliverableDueToHttpStatus"]


@dataclass(frozen=True)
class Limits:
    """How long to retry. With dead letters, deliveries that cannot succeed are given up at once."""

    attempts: int
    lifetime: timedelta
    has_dead_letters: bool


def is_acknowledged(status: int) -> bool:
    """Whether a status acknowledges an event."""
    return status in _ACKNOWLEDGED


def next_attempt(limits: Limits, published: datetime, attempts: int, status: int, now: datetime) -> datetime | Reason:
    """The time of the next attempt after `attempts` failed ones, the last with `status` (0: no response).

    The reason when there is no next attempt.
    """
    if status in _NOT_RETRIED and limits.has_dead_letters:
        return "UndeliverableDueToHttpStatus"
    if attempts >= limits.attempts:
        return "MaxDeliveryAttemptsExceeded"
    delay = max(_DELAYS[min(attempts, len(_DELAYS)) - 1], _MIN_DELAYS.get(status, timedelta(0)))
    due = now + delay
    return due if due < published + limits.lifetime else "TimeToLiveExceeded"
