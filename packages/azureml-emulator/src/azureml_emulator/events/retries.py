"""When an event that was not taken is tried again, and when no more. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

# The service's schedule, from one attempt to the next; the last one repeats.
_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
)
# What a status makes it wait at least.
_FLOORS: Final[dict[int, timedelta]] = {
    400: timedelta(minutes=5),
    401: timedelta(minutes=5),
    403: timedelta(minutes=5),
    404: timedelta(minutes=5),
    408: timedelta(minutes=2),
    503: timedelta(seconds=30),
}
_HOPELESS: Final = frozenset({400, 413})
_TAKEN: Final = range(200, 205)
Reason = Literal["MaxDeliveryAttemptsExceeded", "TimeToLiveExceeded", "UndeliverableDueToHttpStatus"]


@dataclass(frozen=True)
class Limits:
    """How long to try; `keeps_dead` when undelivered events are kept, for which hopeless ones need no more tries."""

    attempts: int
    lifetime: timedelta
    keeps_dead: bool


def is_taken(status: int) -> bool:
    """Whether an answer acknowledges an event. Only these five do."""
    return status in _TAKEN


def next_attempt(limits: Limits, published: datetime, attempts: int, status: int, now: datetime) -> datetime | Reason:
    """The moment of the next attempt after `attempts` failed ones, the last with `status` (0: no answer).

    A reason when there is none.
    """
    if status in _HOPELESS and limits.keeps_dead:
        return "UndeliverableDueToHttpStatus"
    if attempts >= limits.attempts:
        return "MaxDeliveryAttemptsExceeded"
    delay = max(_DELAYS[min(attempts, len(_DELAYS)) - 1], _FLOORS.get(status, timedelta(0)))
    due = now + delay
    return due if due < published + limits.lifetime else "TimeToLiveExceeded"
