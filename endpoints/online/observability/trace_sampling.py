"""Decides which requests a trace is sent of, before a span is made of any. Pure but for a random number.

Azure's exporter takes longer for a trace than the server for a request, and Application Insights is paid by the trace.
As with Azure's own distributions, a deployment may therefore limit the traces per second. Failed and slow requests are
not limited: they are what traces are read for. Every trace says what share of its kind was sent, from which Application
Insights computes `itemCount`, so that totals stay right.
"""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence

from observability.request_record import RequestRecord

FAILED = 400
# The alert for slow requests has this threshold as shipped.
SLOW_SECONDS = 0.3
# For how long a limit that nothing used adds up.
LONGEST_SECONDS = 10.0
_TRACEPARENT_PARTS, _TRACE_ID_DIGITS = 4, 32
_HASH, _LARGEST, _BITS = 5381, 2**31 - 1, 2**32


class TraceSampler:
    """Samples batches of requests. Not safe to use from several threads.

    `rate` is the share of all requests (0 to 1), `per_second` the limit for those that are neither failed nor slow.
    """

    def __init__(
        self,
        rate: float,
        per_second: float = math.inf,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._per_second = per_second
        self._draw = draw
        self._clock = clock
        self._sampled_until = clock()

    def sample(self, batch: Sequence[RequestRecord]) -> Iterator[tuple[RequestRecord, float]]:
        """Yield the requests to send a trace of, each with the share of its kind that is sent."""
        limited = min(self._rate, self._limited_rate(sum(map(_is_ordinary, batch))))
        for record in batch:
            rate = limited if _is_ordinary(record) else self._rate
            if rate >= 1 or (rate > 0 and self._score(record) < rate):
                yield record, rate

    def _limited_rate(self, ordinary: int) -> float:
        """The share of a batch's ordinary requests that the limit allows."""
        now = self._clock()
        allowed = self._per_second * min(now - self._sampled_until, LONGEST_SECONDS)
        self._sampled_until = now
        if ordinary <= allowed:
            return 1.0
        # One of so many, a whole number: Application Insights counts each trace as that many requests.
        return 1 / math.ceil(ordinary / allowed) if allowed > 0 else 0.0

    def _score(self, record: RequestRecord) -> float:
        """From 0 to 1; the same for all requests of a caller's trace, which is kept or dropped as a whole."""
        parts = record.traceparent.split("-")
        if len(parts) == _TRACEPARENT_PARTS and len(parts[1]) == _TRACE_ID_DIGITS:
            return trace_score(parts[1].lower())
        return self._draw()


def trace_score(trace_id: str) -> float:
    """The score of a trace id as all SDKs of Application Insights compute it: a hash (DJB2) as a number from 0 to 1."""
    value = _HASH
    for digit in trace_id:
        value = (value * 33 + ord(digit)) % _BITS
    signed = value - _BITS if value > _LARGEST else value
    return min(abs(signed), _LARGEST) / _LARGEST


def _is_ordinary(record: RequestRecord) -> bool:
    return record.status < FAILED and record.seconds < SLOW_SECONDS
