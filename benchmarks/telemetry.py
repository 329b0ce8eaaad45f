"""Measures what telemetry adds to a request: metrics for Prometheus, a trace, and both; then what data collection adds.

The scorer answers requests of one row at a steady pace, with and without telemetry, alternating; traces go through
Azure's exporter to a receiver in another process. The comparison is what OpenTelemetry's documentation shows: a span
around the request, with the same attributes, and its batch processor.

    uv run python benchmarks/telemetry.py
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness import collection_cost
from harness.figures import Figure, report
from harness.scored_requests import Take, cost, receiver, write_package

ONLINE = Path(__file__).resolve().parent.parent / "endpoints" / "online"
sys.path.insert(0, str(ONLINE))

from observability.telemetry import Telemetry  # noqa: E402 - in score.py's folder, which is not a package
from scorer import Reply, Scorer  # noqa: E402

ROUNDS = 3
ADDED_MICROSECONDS = 100.0
OFF_MICROSECONDS = 10.0
BATCH_MILLISECONDS = 1000
KEY = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Asked:
    """A request as the inference server hands it over."""

    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name, receiver() as port:
        figures = measure(Path(name), port)
    with tempfile.TemporaryDirectory() as name, receiver() as port:
        figures += collection_cost.measure(Path(name), port)
    return report("Telemetry and data collection", figures, as_json=arguments.json)


def measure(folder: Path, port: int) -> list[Figure]:
    """Time five variants in turn and compare them."""
    scorer = Scorer(write_package(folder / "package"), "bench", "1")
    connection = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{port}/"
    counted = {"METRICS_PATH": "/metrics", "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    traced = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection}
    both = Telemetry.from_environment(counted | traced, scorer)
    ways: dict[str, Take] = {
        "nothing": lambda identifier, reply, begun: None,  # noqa: ARG005
        "off": taking(Telemetry.from_environment({}, scorer)),
        "metrics": taking(Telemetry(both.metrics, None)),
        "both": taking(both),
        "within": within_the_request(connection),
    }
    rounds = [{name: cost(scorer, take) for name, take in ways.items()} for _ in range(ROUNDS)]

    def added(name: str, what: str) -> float:
        return statistics.median(getattr(each[name], what) - getattr(each["nothing"], what) for each in rounds)

    ours, within = added("both", "median"), added("within", "median")
    behind, peer_behind = added("both", "behind"), added("within", "behind")
    return [
        Figure("added to a request, median", ours, "us", ADDED_MICROSECONDS),
        Figure("of that, CPU time of its thread", added("both", "own"), "us"),
        Figure("of that, the metrics", added("metrics", "own"), "us"),
        Figure("added with telemetry turned off", added("off", "own"), "us", OFF_MICROSECONDS),
        Figure("CPU time in the background per request", behind, "us", note=f"{behind / peer_behind:.1f} x the span's"),
        Figure("a span within the request, median", within, "us", note=f"{within / ours:.1f} x ours"),
        Figure("of that, CPU time of its thread", added("within", "own"), "us"),
        Figure("CPU time in the background per span", peer_behind, "us"),
    ]


def taking(telemetry: Telemetry) -> Take:
    """Record requests as score.py does."""
    return lambda identifier, reply, begun: telemetry.record(Asked(headers={"x-request-id": identifier}), reply, begun)


def within_the_request(connection: str) -> Take:
    """Make a span as OpenTelemetry's documentation shows."""
    os.environ["APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"] = "true"
    from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind

    provider = TracerProvider()
    exporter = AzureMonitorTraceExporter(connection_string=connection, disable_offline_storage=True)
    # As often as ours, so that each round pays for its own.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=BATCH_MILLISECONDS))
    tracer = provider.get_tracer("bench")

    def take(identifier: str, reply: Reply, _: float) -> None:
        with tracer.start_as_current_span("/score", kind=SpanKind.SERVER) as span:
            for name in ("deployment", "model", "model_version", "rows", "read_ms", "model_ms", "synthetic"):
                span.set_attribute(f"scoring.{name}", "1")
            span.set_attribute("http.request.method", "POST")
            span.set_attribute("http.response.status_code", reply.status)
            span.set_attribute("scoring.request_id", identifier)

    return take


if __name__ == "__main__":
    sys.exit(main())
