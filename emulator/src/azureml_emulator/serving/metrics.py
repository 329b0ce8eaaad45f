"""What happened at one deployment: requests, statuses and times, in total and minute by minute. Pure: no I/O.

Times fall into buckets that grow by a fixed ratio, so a percentile is exact to that ratio at any length of
record. The minutes are what Azure Monitor's metrics of an endpoint are made of.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

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
    """One deployment's tallies: live and mirrored apart, each in total and for the last day by minute."""

    def __init__(self) -> None:
        self.live = Tally()
        self.mirrored = Tally()
        self.mirror_dropped = 0
        self._minutes: dict[bool, OrderedDict[int, Tally]] = {False: OrderedDict(), True: OrderedDict()}

    def add(self, now: float, status: int, model_status: int | None, seconds: float, *, mirrored: bool = False) -> None:
        """Count one request that ended at `now` (seconds of the epoch) after `seconds`."""
        (self.mirrored if mirrored else self.live).add(status, model_status, seconds)
        minutes = self._minutes[mirrored]
        minute = int(now) // SECONDS_A_MINUTE
        tally = minutes.get(minute)
        if tally is None:
            tally = minutes[minute] = Tally()
            while len(minutes) > KEPT_MINUTES:
                minutes.popitem(last=False)
        tally.add(status, model_status, seconds)

    def minutes(self, since: float, until: float, *, mirrored: bool = False) -> dict[int, Tally]:
        """The tallies of the minutes that begin in [since, until), by their start (seconds of the epoch)."""
        return {
            minute * SECONDS_A_MINUTE: tally
            for minute, tally in self._minutes[mirrored].items()
            if since <= minute * SECONDS_A_MINUTE < until
        }

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
