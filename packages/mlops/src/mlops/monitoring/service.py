"""How an endpoint answered in a window, from what Azure Monitor measured of its live deployment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from azure.core.exceptions import AzureError

from mlops.azure.collected_data.window import Window
from mlops.azure.errors import explain
from mlops.azure.service_metrics import Monitor
from mlops.azure.workspace import connect_management
from mlops.endpoint.view import Live
from mlops.settings.measures import Measured, NothingToMeasure, Unmeasurable, not_measured
from mlops.settings.project import MANAGED, Stage

FAILURES: Final = "failure_share"
LATENCY: Final = "latency_p99_milliseconds"


def measure_service(stage: Stage, live: Live, window: Window, fewest: int) -> dict[str, Measured]:
    """Failures and latency, or why nothing is known of them."""
    if stage.serving != MANAGED:
        return _nothing(NothingToMeasure("Azure Monitor measures nothing of a Kubernetes endpoint"))
    monitor = Monitor(connect_management(), live.identifier)
    until = min(window.until, datetime.now(UTC))
    if until <= window.since:
        return _nothing(NothingToMeasure("the window has not begun"))
    try:
        counts = monitor.counts(live.deployment, window.since, until)
        if counts.requests < fewest:
            return _nothing(NothingToMeasure(f"{counts.requests} requests; fewer than {fewest} say nothing"))
        _, p99 = monitor.latencies(live.deployment, window.since, until)
    except AzureError as error:
        explained = explain(error)
        return _nothing(Unmeasurable(f"Azure Monitor does not answer: {explained.message if explained else error}"))
    share = counts.failures / counts.requests
    return {
        FAILURES: Measured(share, details=(f"{counts.failures:,} of {counts.requests:,} requests",)),
        LATENCY: Measured(p99),
    }


def _nothing(error: Unmeasurable) -> dict[str, Measured]:
    return dict.fromkeys((FAILURES, LATENCY), not_measured(error))
