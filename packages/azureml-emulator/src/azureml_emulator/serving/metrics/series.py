"""Answers queries for Azure Monitor's metrics from the counts of deployments. Pure: no I/O.

Bins start where Azure's do, at multiples of the interval, but count only requests within the timespan, to the second: a
timespan of a few seconds within a minute is one bin with exactly its requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from azureml_emulator.serving.metrics.definitions import INTERVALS, RETENTION, Definition
from azureml_emulator.serving.metrics.query import Query
from azureml_emulator.serving.metrics.request_counts import DeploymentMetrics, RequestCounts

_SECONDS_PER_MINUTE = 60
# What Envoy, Azure's router, writes for a missing value.
_NO_MODEL_STATUS = "-"
_METRIC_TYPE = "Microsoft.Insights/metrics"

Key = tuple[str, ...]
"""The values of the dimensions in the filter, in its order."""


def answer(query: Query, counts: Mapping[str, DeploymentMetrics], resource: str) -> list[dict[str, Any]]:
    """The requested metrics with their time series, in Azure Monitor's format."""
    return [_metric(query, definition, counts, resource) for definition in query.definitions]


def describe(definition: Definition, resource: str, namespace: str) -> dict[str, Any]:
    """The definition of a metric, in Azure Monitor's format."""
    return {
        "id": f"{resource}/providers/microsoft.insights/metricdefinitions/{definition.name}",
        "resourceId": resource,
        "namespace": namespace,
        "name": _text(definition.name, definition.title),
        "displayDescription": definition.description,
        "isDimensionRequired": False,
        "unit": definition.unit,
        "primaryAggregationType": "Average",
        "supportedAggregationTypes": ["None", "Average", "Minimum", "Maximum", "Total", "Count"],
        "metricAvailabilities": [{"timeGrain": grain, "retention": RETENTION} for grain in INTERVALS],
        "dimensions": [_text(name, name) for name in definition.dimensions],
    }


def _metric(
    query: Query, definition: Definition, counts: Mapping[str, DeploymentMetrics], resource: str
) -> dict[str, Any]:
    series = _series(query, definition, counts)
    if not query.filters:
        series.setdefault((), {})
    shown = list(series.items())[: query.top if query.filters else None]
    return {
        "id": f"{resource}/providers/{_METRIC_TYPE}/{definition.name}",
        "type": _METRIC_TYPE,
        "name": _text(definition.name, definition.title),
        "displayDescription": definition.description,
        "unit": definition.unit,
        "timeseries": [
            {
                "metadatavalues": [
                    {"name": _text(name, name), "value": value} for name, value in zip(query.filters, key, strict=True)
                ],
                "data": [_point(query, definition, begin, bins.get(begin)) for begin in _bin_starts(query)],
            }
            for key, bins in shown
        ],
        "errorCode": "Success",
    }


def _series(
    query: Query, definition: Definition, counts: Mapping[str, DeploymentMetrics]
) -> dict[Key, dict[float, dict[int, RequestCounts]]]:
    """The counts by dimension values, then by the start of the bin, then by minute."""
    found: dict[Key, dict[float, dict[int, RequestCounts]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(RequestCounts)),
    )
    named = {name.lower() for name in definition.dimensions}
    for deployment, metrics in sorted(counts.items()):
        for second, tally in metrics.window(query.start, query.end):
            for dimensions, part in _split(deployment, tally, by_status=definition.measure == "requests"):
                key = _key(query, named, dimensions)
                if key is not None:
                    minute = int(second) // _SECONDS_PER_MINUTE
                    found[key][_bin_start(query, second)][minute].merge(part)
    return found


def _split(deployment: str, tally: RequestCounts, *, by_status: bool) -> Iterator[tuple[dict[str, str], RequestCounts]]:
    if not by_status:
        yield {"deployment": deployment}, tally
        return
    for (status, model_status), count in tally.statuses.items():
        part = RequestCounts()
        part.statuses[status, model_status] = count
        yield (
            {
                "deployment": deployment,
                "statuscode": str(status),
                "statuscodeclass": f"{status // 100}xx",
                "modelstatuscode": _NO_MODEL_STATUS if model_status is None else str(model_status),
                "envoy_response_code": str(status),
            },
            part,
        )


def _key(query: Query, named: set[str], dimensions: dict[str, str]) -> Key | None:
    """The values by which the query splits; None for what its filter excludes."""
    values = []
    for name, allowed in query.filters.items():
        value = dimensions.get(name, "") if name in named else ""
        if name in named and allowed is not None and value.lower() not in allowed:
            return None
        values.append(value)
    return tuple(values)


def _bin_starts(query: Query) -> list[float]:
    if query.seconds is None:
        return [query.start]
    first = int(_bin_start(query, query.start))
    return [float(begin) for begin in range(first, _ceiling(query.end), query.seconds)]


def _bin_start(query: Query, second: float) -> float:
    return query.start if query.seconds is None else second // query.seconds * query.seconds


def _ceiling(moment: float) -> int:
    return int(moment) + (moment > int(moment))


def _point(
    query: Query, definition: Definition, begin: float, minutes: dict[int, RequestCounts] | None
) -> dict[str, Any]:
    point: dict[str, Any] = {"timeStamp": moment(begin)}
    if minutes:
        values = _values(definition, minutes)
        point |= {name: values[name] for name in query.aggregations}
    return point


def _values(definition: Definition, minutes: dict[int, RequestCounts]) -> dict[str, float]:
    if definition.measure == "requests":
        # One sample per minute, as on Azure: the average is over minutes, not over requests.
        samples = [float(tally.requests) for tally in minutes.values()]
        total, count = sum(samples), float(len(samples))
        return _statistics(total / count, min(samples), max(samples), total, count)
    merged = RequestCounts()
    for tally in minutes.values():
        merged.merge(tally)
    if definition.measure == "latency":
        total, count = 1000 * merged.seconds, float(merged.requests)
        return _statistics(total / count, _percentile(merged, 0), _percentile(merged, 100), total, count)
    value = _percentile(merged, definition.measure)
    return _statistics(value, value, value, value, 1.0)


def _percentile(tally: RequestCounts, percent: int) -> float:
    seconds = tally.percentile(percent)
    assert seconds is not None, "a bin exists for requests only"  # noqa: S101
    return round(1000 * seconds, 3)


def _statistics(average: float, minimum: float, maximum: float, total: float, count: float) -> dict[str, float]:
    return {"average": average, "minimum": minimum, "maximum": maximum, "total": total, "count": count}


def moment(seconds: float) -> str:
    """A time (seconds of the epoch) in Azure Monitor's format."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds" if seconds % 1 else "seconds")
    return text.replace("+00:00", "Z")


def _text(value: str, shown: str) -> dict[str, str]:
    return {"value": value, "localizedValue": shown}
