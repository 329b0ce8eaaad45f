"""Records how each request went, as metrics and traces: how long, with which status, how many rows; never its content.

The deployment's variables decide: METRICS_PATH turns on Prometheus metrics (metrics.py), a connection string turns on
traces for Application Insights (tracing.py). Without them nothing is measured and neither is imported.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from scorer import Reply, Scorer

from observability import deployment_variables as variables
from observability.background_sender import OnLoss, ignore_losses
from observability.request_record import (
    REQUEST_ID_HEADER,
    SERVER_ERROR,
    SYNTHETIC_HEADER,
    TRACEPARENT_HEADER,
    Request,
    RequestRecord,
    request_id_of,
)

if TYPE_CHECKING:
    from observability.background_sender import BackgroundSender
    from observability.metrics import Metrics

MAX_TRACEPARENT_CHARACTERS = 55
UNNAMED_DEPLOYMENT = "unnamed"


class Telemetry:
    """Records requests as metrics and traces, where the deployment turned them on. Safe to use from several threads."""

    def __init__(self, metrics: "Metrics | None", traces: "BackgroundSender[RequestRecord] | None") -> None:
        self.metrics = metrics
        self._traces = traces

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], scorer: Scorer) -> Self:
        """Start what the deployment's variables turn on. Raises MetricsError or VariableError when that fails."""
        deployment = environment.get(variables.DEPLOYMENT_NAME) or UNNAMED_DEPLOYMENT
        metrics, traces = None, None
        # Imported only where they are turned on: no other deployment pays for them at start, or in memory.
        if path := environment.get(variables.METRICS_PATH):
            from observability.metrics import Metrics

            metrics = Metrics(path, environment, scorer, deployment)
        if environment.get(variables.CONNECTION_STRING):
            from observability.tracing import start_tracing

            on_loss = metrics.loss_counter("traces") if metrics else ignore_losses
            traces = start_tracing(environment, scorer, deployment, on_loss)
        return cls(metrics, traces)

    @property
    def on_collection_loss(self) -> OnLoss:
        """What data collection calls with its losses."""
        return self.metrics.loss_counter("collection") if self.metrics else ignore_losses

    def record(self, request: Request, reply: Reply | None, started: float) -> None:
        """Record a request that started at `started` (time.perf_counter); no reply means that the model failed."""
        metrics, traces = self.metrics, self._traces
        if metrics is None and traces is None:
            return
        seconds = time.perf_counter() - started
        headers = request.headers
        scored = reply.scored if reply else None
        record = RequestRecord(
            started_ns=time.time_ns() - int(seconds * 1e9),
            seconds=seconds,
            method=request.method,
            status=reply.status if reply else SERVER_ERROR,
            rows=len(scored.answer) if scored else 0,
            read_seconds=reply.read_seconds if reply else 0.0,
            model_seconds=reply.model_seconds if reply else 0.0,
            request_id=request_id_of(headers) if REQUEST_ID_HEADER in headers else "",
            traceparent=headers.get(TRACEPARENT_HEADER, "")[:MAX_TRACEPARENT_CHARACTERS],
            synthetic=SYNTHETIC_HEADER in headers,
        )
        if metrics is not None:
            metrics.count(record, scored)
        if traces is not None:
            traces.enqueue(record)

    def close(self, seconds: float) -> None:
        """Send the traces that are queued; waits for at most so many seconds."""
        if self._traces is not None:
            self._traces.close(seconds)
