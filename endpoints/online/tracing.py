"""Sends a trace of each request to Application Insights: how it went and who answered, never what was in it.

OpenTelemetry makes the traces, Azure's exporter sends them: as the deployment's identity where
APPLICATIONINSIGHTS_AUTHENTICATION_STRING says so, because the stage's Application Insights takes no keys. Both work on
the recorder's thread, from a few facts that a request leaves there; a request itself pays for no span.
"""

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from azure.monitor.opentelemetry.exporter import ApplicationInsightsSampler, AzureMonitorTraceExporter
from deployment_variables import VariableError, share_of
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from recorder import Recorder, Told, Words
from scorer import Scorer
from watching import BROKEN, TRACE_HEADER, TRACES_VARIABLE, Seen

SHARE_VARIABLE = "TRACED_SHARE"
# Azure's exporter would tell Microsoft about itself, at an address that a private network does not let through.
SELF_REPORTS_VARIABLE = "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"
EXPORTER_LOGGERS = (
    "azure.monitor.opentelemetry.exporter.export._base",
    "azure.monitor.opentelemetry.exporter.export.trace._exporter",
    "azure.core.pipeline.policies.http_logging_policy",
)
SPANS_A_MESSAGE = 512
PATIENCE_SECONDS = 5
RETRIES = 1
WORDS = Words("traces", "traces")


def open_traces(environment: Mapping[str, str], scorer: Scorer, deployment: str, tell: Told) -> Recorder[Seen]:
    """Begin to send traces to where the environment says. Raises VariableError when that is no place."""
    share = share_of(environment, SHARE_VARIABLE)
    os.environ.setdefault(SELF_REPORTS_VARIABLE, "true")
    try:
        exporter = AzureMonitorTraceExporter(
            connection_string=environment[TRACES_VARIABLE],
            disable_offline_storage=True,
            timeout=PATIENCE_SECONDS,
            retry_total=RETRIES,
        )
    except ValueError as error:
        raise VariableError(f"{TRACES_VARIABLE} is no connection string of Application Insights: {error}") from error
    return Recorder(Traces(exporter, scorer, deployment, share), 1.0, words=WORDS, tell=tell)


class Traces:
    """Makes spans of what was seen and hands them to an exporter. Not for several threads at once."""

    def __init__(self, exporter: SpanExporter, scorer: Scorer, deployment: str, share: float) -> None:
        self._exporter = exporter
        self._ended = _Ended()
        self._last_word = _LastWord()
        for name in EXPORTER_LOGGERS:
            logging.getLogger(name).addFilter(self._last_word)
        provider = TracerProvider(
            sampler=ApplicationInsightsSampler(share),
            resource=Resource({"service.name": scorer.model, "service.instance.id": platform.node()}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("scoring")
        self._callers = TraceContextTextMapPropagator()
        self._answers = {
            "scoring.deployment": deployment,
            "scoring.model": scorer.model,
            "scoring.model_version": scorer.version,
        }

    def send(self, batch: Sequence[Seen]) -> int:
        """Send the traces of a batch, those that are drawn; how many were not taken."""
        for seen in batch:
            self._trace(seen)
        spans = self._ended.take()
        refused = 0
        for start in range(0, len(spans), SPANS_A_MESSAGE):
            part = spans[start : start + SPANS_A_MESSAGE]
            if self._exporter.export(part) is not SpanExportResult.SUCCESS:
                refused += len(part)
        return refused

    def losses(self) -> tuple[int, str]:
        """None later than in send(), and what the exporter said last."""
        return 0, self._last_word.text

    def _trace(self, seen: Seen) -> None:
        attributes: dict[str, Any] = {
            **self._answers,
            "http.request.method": seen.method,
            "http.route": "/score",
            "http.response.status_code": seen.status,
            "scoring.status": seen.status,
            "scoring.rows": seen.rows,
            "scoring.read_ms": round(1e3 * seen.read_seconds, 3),
            "scoring.model_ms": round(1e3 * seen.model_seconds, 3),
            "scoring.request_id": seen.request_id,
            "scoring.synthetic": seen.synthetic,
        }
        caller = self._callers.extract({TRACE_HEADER: seen.traceparent})
        span = self._tracer.start_span("/score", caller, SpanKind.SERVER, attributes, start_time=seen.began)
        if seen.status >= BROKEN:
            span.set_status(Status(StatusCode.ERROR))
        span.end(seen.began + int(1e9 * seen.seconds))


class _Ended(SpanProcessor):
    """Keeps the spans that ended until they are sent."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep one."""
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """All of them; from here on there are none."""
        spans, self._spans = self._spans, []
        return spans


class _LastWord(logging.Filter):
    """Remembers why the exporter could not send, and keeps its log from saying so for every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        if record.levelno >= logging.WARNING:
            self.text = record.getMessage()
        return False
