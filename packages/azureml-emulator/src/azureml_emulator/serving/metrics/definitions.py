"""Azure Monitor's metrics of online endpoints and deployments: names, units, dimensions. Data only.

As in Microsoft's reference of supported metrics for Microsoft.MachineLearningServices/workspaces/onlineEndpoints
and …/onlineEndpoints/deployments; metrics that the emulator cannot measure are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ENDPOINT_NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEPLOYMENT_NAMESPACE = f"{ENDPOINT_NAMESPACE}/deployments"
INTERVALS: dict[str, int] = {
    "PT1M": 60,
    "PT5M": 300,
    "PT15M": 900,
    "PT30M": 1800,
    "PT1H": 3600,
    "PT6H": 21600,
    "PT12H": 43200,
    "P1D": 86400,
}
# How long counts are kept; on Azure it is P93D.
RETENTION = "P1D"
AGGREGATIONS = ("Average", "Minimum", "Maximum", "Total", "Count")

Measure = Literal["requests", "latency"] | int
"""What a metric measures: the number of requests, their mean latency, or a percentile of their latencies."""


@dataclass(frozen=True)
class Definition:
    """One metric; its values can be filtered and split by `dimensions`."""

    name: str
    title: str
    description: str
    unit: str
    measure: Measure
    dimensions: tuple[str, ...] = ()


def _latencies(*dimensions: str) -> tuple[Definition, ...]:
    return tuple(
        Definition(
            f"RequestLatency_P{percent}",
            f"Request Latency P{percent}",
            f"The time within which {percent} % of the requests were answered, in milliseconds.",
            "Milliseconds",
            percent,
            dimensions,
        )
        for percent in (50, 90, 95, 99)
    )


_REQUESTS = ("RequestsPerMinute", "Requests Per Minute", "The number of requests answered within a minute.", "Count")
DEFINITIONS: dict[str, tuple[Definition, ...]] = {
    ENDPOINT_NAMESPACE: (
        Definition(*_REQUESTS, "requests", ("deployment", "statusCode", "statusCodeClass", "modelStatusCode")),
        Definition(
            "RequestLatency",
            "Request Latency",
            "The mean time from a request to its answer, in milliseconds.",
            "Milliseconds",
            "latency",
            ("deployment",),
        ),
        *_latencies("deployment"),
    ),
    DEPLOYMENT_NAMESPACE: (
        Definition(*_REQUESTS, "requests", ("envoy_response_code",)),
        *_latencies(),
    ),
}
