"""What Azure Monitor measured of a deployment: requests, failures and latencies of an online endpoint.

Counts are those since the window was opened: Azure keeps them by the minute, so what the first minute had before
is taken off. Percentiles cannot be taken off: only minutes that lie wholly in the window count for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from mlops.rollout.verdict import Observation

_API_VERSION: Final = "2023-10-01"
_REQUESTS: Final = "RequestsPerMinute"
_P95: Final = "RequestLatency_P95"
_P99: Final = "RequestLatency_P99"
_MINUTE: Final = timedelta(minutes=1)
_OK: Final = 200
_FIRST_SERVER_ERROR: Final = 500
# A request that was not served in time, or not let in, failed however correct it was.
_NOT_SERVED: Final = frozenset({408, 429})
# Azure answers this for every status of the model but 200, and has the model's own beside it.
_MODEL_ERROR: Final = 424


@dataclass(frozen=True)
class Counts:
    """Requests and those of them that failed."""

    requests: int
    failures: int


class Monitor:
    """The metrics of one endpoint, by its ARM id."""

    def __init__(self, client: ARMPipelineClient, endpoint_id: str) -> None:
        self._client = client
        self._endpoint_id = endpoint_id

    def open(self, deployment: str, since: datetime) -> Window:
        """A window that begins now, in a phase that began at `since`."""
        return Window(self, deployment, since)

    def counts(self, deployment: str, start: datetime, end: datetime) -> Counts:
        """Requests and failures in the minutes that begin in [start, end)."""
        dimensions = f"deployment eq '{deployment}' and statusCode eq '*' and modelStatusCode eq '*'"
        requests = failures = 0
        for labels, points in self._series(_REQUESTS, dimensions, start, end, "Total"):
            count = round(sum(points))
            requests += count
            if is_failure(labels.get("statuscode", ""), labels.get("modelstatuscode", "")):
                failures += count
        return Counts(requests, failures)

    def slowest(self, metric: str, deployment: str, start: datetime, end: datetime) -> float:
        """The highest value of a latency percentile, in milliseconds; NaN when there is none."""
        if end <= start:
            return math.nan
        series = self._series(metric, f"deployment eq '{deployment}'", start, end, "Average")
        return max((point for _, points in series for point in points), default=math.nan)

    def _series(
        self, metric: str, dimensions: str, start: datetime, end: datetime, aggregation: str
    ) -> Iterator[tuple[dict[str, str], list[float]]]:
        parameters = {
            "api-version": _API_VERSION,
            "metricnames": metric,
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": "PT1M",
            "aggregation": aggregation,
            "$filter": dimensions,
        }
        address = f"{self._endpoint_id}/providers/microsoft.insights/metrics"
        response = self._client.send_request(HttpRequest("GET", address, params=parameters))
        response.raise_for_status()
        for value in response.json()["value"]:
            for series in value["timeseries"]:
                labels = {each["name"]["value"].lower(): each["value"] for each in series["metadatavalues"]}
                yield labels, _points(series["data"], aggregation.lower())


class Window:
    """One deployment's figures since the window was opened."""

    def __init__(self, monitor: Monitor, deployment: str, since: datetime) -> None:
        self.deployment = deployment
        self._monitor = monitor
        self._first = _minute_of(since)
        # In the minute in which the phase begins no percentile can be told apart from what was before.
        self._first_whole = self._first + _MINUTE
        self._before = monitor.counts(deployment, self._first, _end(datetime.now(UTC)))

    def observation(self) -> Observation:
        """What is known by now; figures reach Azure Monitor minutes late."""
        now = datetime.now(UTC)
        counts = self._monitor.counts(self.deployment, self._first, _end(now))
        present = _minute_of(now)
        p95, p99 = (
            self._monitor.slowest(metric, self.deployment, self._first_whole, present) for metric in (_P95, _P99)
        )
        return Observation(
            requests=max(0, counts.requests - self._before.requests),
            failures=max(0, counts.failures - self._before.failures),
            p95_milliseconds=p95,
            p99_milliseconds=p99,
        )


def is_failure(status: str, model_status: str) -> bool:
    """Whether a request with these statuses (texts, "" for none) failed by the deployment's fault."""
    code = int(status) if status.isdecimal() else _OK
    own = int(model_status) if model_status.isdecimal() else None
    if code == _MODEL_ERROR and own is not None:
        code = own
    return code in _NOT_SERVED or code == _MODEL_ERROR or code >= _FIRST_SERVER_ERROR


def _points(data: list[dict[str, Any]], aggregation: str) -> list[float]:
    return [point[aggregation] for point in data if point.get(aggregation) is not None]


def _minute_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _end(now: datetime) -> datetime:
    return _minute_of(now) + _MINUTE


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
