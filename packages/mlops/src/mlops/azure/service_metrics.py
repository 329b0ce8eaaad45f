"""Azure Monitor's metrics of a deployment: requests, failures and latencies of an online endpoint.

Azure keeps them per minute: counts from before the window in its first minute are subtracted; percentiles
cannot be, so they cover that whole minute.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from mlops.azure.service_health import Observation

_API_VERSION: Final = "2023-10-01"
_REQUESTS: Final = "RequestsPerMinute"
_P95: Final = "RequestLatency_P95"
_P99: Final = "RequestLatency_P99"
_TOTAL: Final = "Total"
_AVERAGE: Final = "Average"
_ONE_POINT: Final = "FULL"
_SECOND: Final = timedelta(seconds=1)
_SECONDS_A_MINUTE: Final = 60
_NOT_KNOWN: Final = (math.nan, math.nan)
_OK: Final = 200
_FIRST_SERVER_ERROR: Final = 500
# A request that timed out or was rejected has failed, even if it was correct.
_NOT_SERVED: Final = frozenset({408, 429})
# Azure answers this for every status of the model except 200, and reports the model's own separately.
_MODEL_ERROR: Final = 424


@dataclass(frozen=True)
class Counts:
    """Requests, and how many of them failed."""

    requests: int
    failures: int


@dataclass(frozen=True)
class Interval:
    """An endpoint's requests from a point in time: counts, and latencies in milliseconds, NaN for none."""

    begin: datetime
    requests: int
    failures: int
    p95_milliseconds: float
    p99_milliseconds: float


@dataclass(frozen=True)
class Series:
    """The points of a metric with the start of their intervals, and their dimensions."""

    labels: dict[str, str]
    points: list[float]
    begins: list[datetime]

    @property
    def failed(self) -> bool:
        """Whether the deployment caused these requests to fail."""
        return is_failure(self.labels.get("statuscode", ""), self.labels.get("modelstatuscode", ""))


class Monitor:
    """The metrics of one endpoint, by its ARM id. Raises AzureError if Azure Monitor does not answer."""

    def __init__(self, client: ARMPipelineClient, endpoint_id: str) -> None:
        self._client = client
        self._endpoint_id = endpoint_id

    def open(self, deployment: str, since: datetime) -> Window:
        """A window on a deployment, in a phase that began at `since`."""
        return Window(self, deployment, since)

    def counts(self, deployment: str, start: datetime, end: datetime) -> Counts:
        """Requests and failures in [start, end)."""
        dimensions = f"deployment eq '{deployment}' and statusCode eq '*' and modelStatusCode eq '*'"
        requests = failures = 0
        for series in self._query(_REQUESTS, dimensions, start, end, _TOTAL)[_REQUESTS]:
            requests += round(sum(series.points))
            if series.failed:
                failures += round(sum(series.points))
        return Counts(requests, failures)

    def over_time(self, start: datetime, end: datetime, interval: timedelta) -> tuple[Interval, ...]:
        """The whole endpoint per interval, oldest first; intervals without requests are left out."""
        step = f"PT{round(interval.total_seconds() / _SECONDS_A_MINUTE)}M"
        statuses = "statusCode eq '*' and modelStatusCode eq '*'"
        requests: Counter[datetime] = Counter()
        failures: Counter[datetime] = Counter()
        for series in self._query(_REQUESTS, statuses, start, end, _TOTAL, step)[_REQUESTS]:
            for begin, count in zip(series.begins, series.points, strict=True):
                requests[begin] += round(count)
                failures[begin] += round(count) if series.failed else 0
        found = self._query(f"{_P95},{_P99}", "", start, end, _AVERAGE, step)
        p95, p99 = (
            {begin: point for each in found[name] for begin, point in zip(each.begins, each.points, strict=True)}
            for name in (_P95, _P99)
        )
        return tuple(
            Interval(begin, requests[begin], failures[begin], p95.get(begin, math.nan), p99.get(begin, math.nan))
            for begin in sorted(begin for begin, count in requests.items() if count)
        )

    def latencies(self, deployment: str, start: datetime, end: datetime) -> tuple[float, float]:
        """The 95th and 99th percentile in milliseconds; NaN if there is none."""
        found = self._query(f"{_P95},{_P99}", f"deployment eq '{deployment}'", start, end, _AVERAGE)
        p95, p99 = (max((p for each in found[name] for p in each.points), default=math.nan) for name in (_P95, _P99))
        return p95, p99

    def _query(
        self,
        metrics: str,
        dimensions: str,
        start: datetime,
        end: datetime,
        aggregation: str,
        interval: str = _ONE_POINT,
    ) -> dict[str, list[Series]]:
        parameters = {
            "api-version": _API_VERSION,
            "metricnames": metrics,
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": interval,
            "aggregation": aggregation,
            **({"$filter": dimensions} if dimensions else {}),
        }
        address = self._client.format_url(f"{self._endpoint_id}/providers/microsoft.insights/metrics")
        response = self._client.send_request(HttpRequest("GET", address, params=parameters))
        response.raise_for_status()
        values = response.json()["value"]
        return {
            value["name"]["value"]: [_series(each, aggregation) for each in value["timeseries"]] for value in values
        }


class Window:
    """One deployment's metrics since the window was opened."""

    def __init__(self, monitor: Monitor, deployment: str, since: datetime) -> None:
        self.deployment = deployment
        self._monitor = monitor
        # Without its first second a short phase would not be seen; requests from before it are subtracted.
        self._start = since.astimezone(UTC).replace(microsecond=0)
        self._before = self._counts(datetime.now(UTC))

    def observation(self, sample: int) -> Observation:
        """What is known so far, with percentiles of at least `sample` requests. Azure Monitor lags by minutes."""
        now = datetime.now(UTC)
        counts = self._counts(now)
        p95, p99 = (
            self._monitor.latencies(self.deployment, self._start, now) if counts.requests >= sample else _NOT_KNOWN
        )
        return Observation(
            requests=max(0, counts.requests - self._before.requests),
            failures=max(0, counts.failures - self._before.failures),
            p95_milliseconds=p95,
            p99_milliseconds=p99,
        )

    def _counts(self, now: datetime) -> Counts:
        return self._monitor.counts(self.deployment, self._start, max(now, self._start + _SECOND))


def is_failure(status: str, model_status: str) -> bool:
    """Whether the deployment caused a request with these statuses (texts, "" for none) to fail."""
    code = int(status) if status.isdecimal() else _OK
    own = int(model_status) if model_status.isdecimal() else None
    if code == _MODEL_ERROR and own is not None:
        code = own
    return code in _NOT_SERVED or code == _MODEL_ERROR or code >= _FIRST_SERVER_ERROR


def _series(series: dict[str, Any], aggregation: str) -> Series:
    labels = {each["name"]["value"].lower(): each["value"] for each in series.get("metadatavalues", ())}
    key = aggregation.lower()
    points = [point for point in series["data"] if point.get(key) is not None]
    begins = [datetime.fromisoformat(point["timeStamp"]) for point in points]
    return Series(labels, [point[key] for point in points], begins)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
