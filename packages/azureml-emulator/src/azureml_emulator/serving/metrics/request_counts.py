"""What happened at one deployment: requests, statuses and times, in total and over time. Pure: no I/O.

Times fall into buckets that grow by a fixed ratio, so a percentile is exact to that ratio at any length of
record. What Azure Monitor answers of an endpoint is made of these (`metric_series.py`): the last hour is kept by the
second, so that a window of a few seconds can be asked for, and the last day by the minute.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KEPT_SECONDS = 60 * 60
KEPT_MINUTES = 24 * 60
SECONDS_A_MINUTE = 60
FASTEST_SECONDS = 0.0001
BUCKET_RATIO = 1.04
PERCENTILES = (50, 90, 95, 99)
_LOG_RATIO = math.log(BUCKET_RATIO)


@dataclass
class Tally:
    """Requests by (status answered, the model's own status), and their times in seconds by bucket."""

    statuses: Counter[tuple[int, int | None]] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, status: int, model_status: int | None, seconds: float) -> None:
        """Count one request."""
        self.statuses[status, model_status] += 1
        self.buckets[bucket_of(seconds)] += 1
        self.seconds += seconds

    def merge(self, other: Tally) -> None:
        """Count what another tally has counted."""
        self.statuses.update(other.statuses)
        self.buckets.update(other.buckets)
        self.seconds += other.seconds

    @property
    def requests(self) -> int:
        """How many were counted."""
        return self.statuses.total()

    def percentile(self, percent: float) -> float | None:
        """The time in seconds that `percent` of the requests stayed within; None when there were none."""
        return percentile(self.buckets, percent)

    def document(self) -> dict[str, Any]:
        """The tally as JSON, times in milliseconds."""
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
    """One deployment's tallies: in total, with live and mirrored requests apart, and over time, with both.

    A request counts for the moment of its answer. A mirror has no live traffic, so that over time its copies are what
    is counted of it, as the metrics of Azure count by deployment.
    """

    def __init__(self) -> None:
        self.live = Tally()
        self.mirrored = Tally()
        self.mirror_dropped = 0
        self._seconds: OrderedDict[int, Tally] = OrderedDict()
        self._minutes: OrderedDict[int, Tally] = OrderedDict()

    def add(self, now: float, status: int, model_status: int | None, seconds: float, *, mirrored: bool = False) -> None:
        """Count one request that was answered at `now` (seconds of the epoch) after `seconds`."""
        (self.mirrored if mirrored else self.live).add(status, model_status, seconds)
        second = int(now)
        tally = self._seconds.get(second)
        if tally is None:
            tally = self._seconds[second] = Tally()
            self._fold(second - KEPT_SECONDS)
        tally.add(status, model_status, seconds)

    def window(self, since: float, until: float) -> Iterator[tuple[int, Tally]]:
        """The tallies of the seconds that begin in [since, until), by their start; older ones by the minute.

        The second in which a window begins belongs to it.
        """
        for minute, tally in self._minutes.items():
            if int(since) <= minute * SECONDS_A_MINUTE < until:
                yield minute * SECONDS_A_MINUTE, tally
        for second, tally in self._seconds.items():
            if int(since) <= second < until:
                yield second, tally

    def _fold(self, oldest: int) -> None:
        """Add the seconds before `oldest` to their minutes."""
        while next(iter(self._seconds)) < oldest:
            second, tally = self._seconds.popitem(last=False)
            self._minutes.setdefault(second // SECONDS_A_MINUTE, Tally()).merge(tally)
            while len(self._minutes) > KEPT_MINUTES:
                self._minutes.popitem(last=False)

    def document(self) -> dict[str, Any]:
        """The totals as JSON."""
        return {
            "live": self.live.document(),
            "mirrored": {**self.mirrored.document(), "dropped": self.mirror_dropped},
        }


def bucket_of(seconds: float) -> int:
    """The number of the bucket a time falls into; 0 holds everything up to FASTEST_SECONDS."""
    return max(0, math.ceil(math.log(seconds / FASTEST_SECONDS) / _LOG_RATIO)) if seconds > 0 else 0


def bucket_end(bucket: int) -> float:
    """The longest time, in seconds, that falls into a bucket."""
    return FASTEST_SECONDS * BUCKET_RATIO**bucket


def percentile(buckets: Counter[int], percent: float) -> float | None:
    """The time in seconds that `percent` of what the buckets hold stayed within; None when they are empty."""
    wanted = math.ceil(buckets.total() * percent / 100)
    for bucket in sorted(buckets):
        wanted -= buckets[bucket]
        if wanted <= 0:
            return bucket_end(bucket)
    return None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
