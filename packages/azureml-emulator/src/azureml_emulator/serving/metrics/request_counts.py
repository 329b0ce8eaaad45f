"""Counts of one deployment: requests, statuses and latencies, in total and over time. Pure: no I/O.

Latencies fall into buckets that grow by a fixed ratio, so a percentile is exact to that ratio, however long the record
is. Azure Monitor's answers are computed from these (`series.py`): the last hour is kept by the second, so that a query
may ask for a few seconds, and the last day by the minute.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KEPT_SECONDS = 60 * 60
KEPT_MINUTES = 24 * 60
SECONDS_PER_MINUTE = 60
FASTEST_SECONDS = 0.0001
BUCKET_RATIO = 1.04
PERCENTILES = (50, 90, 95, 99)
_LOG_RATIO = math.log(BUCKET_RATIO)


@dataclass
class RequestCounts:
    """Requests by (status sent, the model's own status), and their latencies in seconds by bucket."""

    statuses: Counter[tuple[int, int | None]] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, status: int, model_status: int | None, seconds: float) -> None:
        """Count one request."""
        self.statuses[status, model_status] += 1
        self.buckets[bucket_of(seconds)] += 1
        self.seconds += seconds

    def merge(self, other: RequestCounts) -> None:
        """Add the counts of another."""
        self.statuses.update(other.statuses)
        self.buckets.update(other.buckets)
        self.seconds += other.seconds

    @property
    def requests(self) -> int:
        """The number of requests."""
        return self.statuses.total()

    def percentile(self, percent: float) -> float | None:
        """The latency in seconds of this percentile; None when there were no requests."""
        return percentile(self.buckets, percent)

    def document(self) -> dict[str, Any]:
        """The counts as JSON, with latencies in milliseconds."""
        by_status: Counter[str] = Counter()
        by_model: Counter[str] = Counter()
        classes: Counter[str] = Counter()
        for (status, model_status), count in self.statuses.items():
            by_status[str(status)] += count
            classes[f"{status // 100}xx"] += count
            if model_status is not None:
                by_model[str(model_status)] += count
        requests = self.requests
        return {
            "requests": requests,
            "statuses": dict(by_status),
            "status_classes": dict(classes),
            "model_statuses": dict(by_model),
            "mean_ms": 1000 * self.seconds / requests if requests else None,
            **{f"p{percent}_ms": _milliseconds(self.percentile(percent)) for percent in PERCENTILES},
        }


class DeploymentMetrics:
    """The counts of one deployment: in total, with live and mirrored requests apart, and over time, with both together.

    A request counts at the time of its response. A mirror has no live traffic, so its counts over time are those of its
    copies, as in Azure's metrics by deployment.
    """

    def __init__(self) -> None:
        self.live = RequestCounts()
        self.mirrored = RequestCounts()
        self.mirror_dropped = 0
        self._seconds: OrderedDict[int, RequestCounts] = OrderedDict()
        self._minutes: OrderedDict[int, RequestCounts] = OrderedDict()

    def add(self, now: float, status: int, model_status: int | None, seconds: float, *, mirrored: bool = False) -> None:
        """Count one request that was answered at `now` (seconds of the epoch) after `seconds`."""
        (self.mirrored if mirrored else self.live).add(status, model_status, seconds)
        second = int(now)
        tally = self._seconds.get(second)
        if tally is None:
            tally = self._seconds[second] = RequestCounts()
            self._fold(second - KEPT_SECONDS)
        tally.add(status, model_status, seconds)

    def window(self, since: float, until: float) -> Iterator[tuple[int, RequestCounts]]:
        """The counts of the seconds in [since, until) by their start, older ones by the minute.

        The second in which the window starts belongs to it.
        """
        for minute, tally in self._minutes.items():
            if int(since) <= minute * SECONDS_PER_MINUTE < until:
                yield minute * SECONDS_PER_MINUTE, tally
        for second, tally in self._seconds.items():
            if int(since) <= second < until:
                yield second, tally

    def _fold(self, oldest: int) -> None:
        """Move the counts of seconds before `oldest` to their minutes."""
        while next(iter(self._seconds)) < oldest:
            second, tally = self._seconds.popitem(last=False)
            self._minutes.setdefault(second // SECONDS_PER_MINUTE, RequestCounts()).merge(tally)
            while len(self._minutes) > KEPT_MINUTES:
                self._minutes.popitem(last=False)

    def document(self) -> dict[str, Any]:
        """The totals as JSON."""
        return {
            "live": self.live.document(),
            "mirrored": {**self.mirrored.document(), "dropped": self.mirror_dropped},
        }


def bucket_of(seconds: float) -> int:
    """The bucket of a latency; bucket 0 holds everything up to FASTEST_SECONDS."""
    return max(0, math.ceil(math.log(seconds / FASTEST_SECONDS) / _LOG_RATIO)) if seconds > 0 else 0


def bucket_end(bucket: int) -> float:
    """The upper bound of a bucket, in seconds."""
    return FASTEST_SECONDS * BUCKET_RATIO**bucket


def percentile(buckets: Counter[int], percent: float) -> float | None:
    """The latency in seconds of a percentile; None when the buckets are empty."""
    remaining = math.ceil(buckets.total() * percent / 100)
    for bucket in sorted(buckets):
        remaining -= buckets[bucket]
        if remaining <= 0:
            return bucket_end(bucket)
    return None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
