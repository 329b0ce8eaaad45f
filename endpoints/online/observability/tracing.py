"""Sends a trace of each request to Application Insights: how it went and which model answered, never its content.

OpenTelemetry makes the spans and Azure's exporter sends them, as the deployment's identity where
APPLICATIONINSIGHTS_AUTHENTICATION_STRING says so: the stage's Application Insights accepts no keys. Both work on the
background sender's thread, from the few facts of a RequestRecord; a request itself pays for no span.
"""

import logging
import math
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from scorer import Scorer

from observability.background_sender import BackgroundSender, OnLoss
from observability.deployment_variables import (
    CONNECTION_STRING,
    TRACE_SAMPLING_RATE,
    TRACES_PER_SECOND,
    VariableError,
    positive_number,
    sampling_rate,
)
from observability.request_record import SERVER_ERROR, TRACEPARENT_HEADER, RequestRecord
from observability.trace_sampling import TraceSampler

# Azure's exporter would report on itself to Microsoft, at an address that a private network blocks.
STATSBEAT_VARIABLE = "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"
EXPORTER_LOGGERS = (
    "azure.monitor.opentelemetry.exporter.export._base",
    "azure.monitor.opentelemetry.exporter.export.trace._exporter",
    "azure.core.pipeline.policies.http_logging_policy",
)
SPANS_PER_MESSAGE = 512
TIMEOUT_SECONDS = 5
RETRIES = 1
# The sink decides, which knows how a request ended.
SEND_ALL = 1.0
# The attribute from which Azure's exporter takes the percentage that a trace stands for.
SAMPLE_RATE = "_MS.sampleRate"


def start_tracing(
    environment: Mapping[str, str], scorer: Scorer, deployment: str, on_loss: OnLoss
) -> BackgroundSender[RequestRecord]:
    """Start sending traces to the Application Insights that the environment names. Raises VariableError."""
    rate = sampling_rate(environment, TRACE_SAMPLING_RATE)
    limit = positive_number(environment, TRACES_PER_SECOND, 1.0) if environment.get(TRACES_PER_SECOND) else math.inf
    os.environ.setdefault(STATSBEAT_VARIABLE, "true")
    try:
        exporter = AzureMonitorTraceExporter(
            connection_string=environment[CONNECTION_STRING],
            disable_offline_storage=True,
            timeout=TIMEOUT_SECONDS,
            retry_total=RETRIES,
        )
    except ValueError as error:
        raise VariableError(
            f"{CONNECTION_STRING} is not a valid connection string of Application Insights: {error}"
        ) from error
    traces = TraceSink(exporter, scorer, deployment, TraceSampler(rate, limit))
    return BackgroundSender(traces, SEND_ALL, name="traces", unit="traces", on_loss=on_loss)


class TraceSink:
    """Turns request records into spans and passes them to an exporter. Not safe to use from several threads."""

    def __init__(self, exporter: SpanExporter, scorer: Scorer, deployment: str, sampler: TraceSampler) -> None:
        self._exporter = exporter
        self._sampler = sampler
        self._ended = _EndedSpans()
        self._last_warning = _LastWarning()
        for name in EXPORTER_LOGGERS:
            logging.getLogger(name).addFilter(self._last_warning)
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": scorer.model, "service.instance.id": platform.node()}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("scoring")
        self._propagator = TraceContextTextMapPropagator()
        self._attributes = {
            "scoring.deployment": deployment,
            "scoring.model": scorer.model,
            "scoring.model_version": scorer.version,
        }

    def send(self, batch: Sequence[RequestRecord]) -> int:
        """Send the traces of a batch that are sampled; returns how many were refused."""
        for record, rate in self._sampler.sample(batch):
            self._trace(record, rate)
        spans = self._ended.take()
        refused = 0
        for start in range(0, len(spans), SPANS_PER_MESSAGE):
            part = spans[start : start + SPANS_PER_MESSAGE]
            if self._exporter.export(part) is not SpanExportResult.SUCCESS:
                refused += len(part)
        return refused

    def delivery_failures(self) -> tuple[int, str]:
        """Always 0, because send() already knows of every failure; and the exporter's last warning."""
        return 0, self._last_warning.text

    def _trace(self, record: RequestRecord, rate: float) -> None:
        attributes: dict[str, Any] = {
            **self._attributes,
            "http.request.method": record.method,
            "http.route": "/score",
            "http.response.status_code": record.status,
            "scoring.status": record.status,
            "scoring.rows": record.rows,
            "scoring.read_ms": round(1e3 * record.read_seconds, 3),
            "scoring.model_ms": round(1e3 * record.model_seconds, 3),
            "scoring.request_id": record.request_id,
            "scoring.synthetic": record.synthetic,
            SAMPLE_RATE: 100 * rate,
        }
        caller = self._propagator.extract({TRACEPARENT_HEADER: record.traceparent})
        span = self._tracer.start_span("/score", caller, SpanKind.SERVER, attributes, start_time=record.started_ns)
        if record.status >= SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
        span.end(record.started_ns + int(1e9 * record.seconds))


class _EndedSpans(SpanProcessor):
    """Holds spans that have ended until they are sent."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Hold a span."""
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """Hand over all spans held so far."""
        spans, self._spans = self._spans, []
        return spans


class _LastWarning(logging.Filter):
    """Remembers why the exporter failed to send, and keeps it from logging that for every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be logged."""
        if record.levelno >= logging.WARNING:
            self.text = record.getMessage()
        return False
