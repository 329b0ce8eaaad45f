"""Tells those who watch how each request went: how long, with which status, how many rows; never what was in it.

Who watches is decided by the deployment's variables: metrics.py counts for Prometheus, tracing.py sends traces to
Application Insights. Without such variables nothing is measured and nothing is imported.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from collection import REQUEST_ID_HEADER, SYNTHETIC_HEADER, Headers, request_id_of
from recorder import Told, tell_nobody
from scorer import Reply, Scorer

if TYPE_CHECKING:
    from metrics import Metrics
    from recorder import Recorder

METRICS_VARIABLE = "METRICS_PATH"
TRACES_VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"
DEPLOYMENT_VARIABLE = "DEPLOYMENT_NAME"
TRACE_HEADER = "traceparent"
LONGEST_TRACEPARENT = 55
UNNAMED = "unnamed"
BROKEN = 500


class Request(Protocol):
    """What is looked at of a request."""

    @property
    def method(self) -> str:
        """The HTTP verb."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """How one request went. `began` is in nanoseconds of the epoch; `traceparent` is W3C's, as the caller sent it."""

    began: int
    seconds: float
    method: str
    status: int
    rows: int
    read_seconds: float
    model_seconds: float
    request_id: str
    traceparent: str
    synthetic: bool

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory, roughly: all of them are about as large."""
        return 512

    @property
    def units(self) -> int:
        """One trace."""
        return 1


class Watching:
    """Takes every request, and tells whoever watches; nobody does without variables that say so."""

    def __init__(self, metrics: "Metrics | None", traces: "Recorder[Seen] | None") -> None:
        self.metrics = metrics
        self._traces = traces

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], scorer: Scorer) -> Self:
        """Begin to watch as the deployment asks. Raises MetricsError or VariableError when that cannot be."""
        deployment = environment.get(DEPLOYMENT_VARIABLE) or UNNAMED
        metrics, traces = None, None
        # Both are imported where a deployment asks for them only: start and memory are paid for by nobody else.
        if path := environment.get(METRICS_VARIABLE):
            from metrics import Metrics

            metrics = Metrics(path, environment, scorer, deployment)
        if environment.get(TRACES_VARIABLE):
            from tracing import open_traces

            tell = metrics.tell_of("traces") if metrics else tell_nobody
            traces = open_traces(environment, scorer, deployment, tell)
        return cls(metrics, traces)

    @property
    def tell_collected(self) -> Told:
        """Whom the collection tells what it lost."""
        return self.metrics.tell_of("collection") if self.metrics else tell_nobody

    def saw(self, request: Request, reply: Reply | None, begun: float) -> None:
        """Take a request that was begun at `begun` (time.perf_counter); no reply means that the model broke."""
        metrics, traces = self.metrics, self._traces
        if metrics is None and traces is None:
            return
        seconds = time.perf_counter() - begun
        headers = request.headers
        scored = reply.scored if reply else None
        seen = Seen(
            began=time.time_ns() - int(seconds * 1e9),
            seconds=seconds,
            method=request.method,
            status=reply.status if reply else BROKEN,
            rows=len(scored.probability) if scored else 0,
            read_seconds=reply.read_seconds if reply else 0.0,
            model_seconds=reply.model_seconds if reply else 0.0,
            request_id=request_id_of(headers) if REQUEST_ID_HEADER in headers else "",
            traceparent=headers.get(TRACE_HEADER, "")[:LONGEST_TRACEPARENT],
            synthetic=SYNTHETIC_HEADER in headers,
        )
        if metrics is not None:
            metrics.count(seen, scored)
        if traces is not None:
            traces.keep(seen)
