"""Measures what watching costs a request: its counts for Prometheus, its trace, and both.

The scorer answers requests of one row at a steady pace, watched and not, in turns; traces go through Azure's exporter
to a receiver in another process. The peer is what OpenTelemetry's own documentation shows: a span around the request,
with the same attributes, and its batch processor behind.

    uv run python benchmarks/watching.py
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

from figures import Figure, report
from scored_requests import Take, cost, receiver, write_package

ONLINE = Path(__file__).resolve().parent.parent / "endpoints" / "online"
sys.path.insert(0, str(ONLINE))

from scorer import Reply, Scorer  # noqa: E402 - beside score.py, whose folder is no package
from watching import Watching  # noqa: E402

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
    return report("Watching", figures, as_json=arguments.json)


def measure(folder: Path, port: int) -> list[Figure]:
    """Ask in five ways, in turns, and compare."""
    scorer = Scorer(write_package(folder / "package"), "bench", "1")
    connection = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{port}/"
    counted = {"METRICS_PATH": "/metrics", "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    traced = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection}
    both = Watching.from_environment(counted | traced, scorer)
    ways: dict[str, Take] = {
        "nothing": lambda identifier, reply, begun: None,  # noqa: ARG005
        "off": taking(Watching.from_environment({}, scorer)),
        "counts": taking(Watching(both.metrics, None)),
        "both": taking(both),
        "within": within_the_request(connection),
    }
    rounds = [{name: cost(scorer, take) for name, take in ways.items()} for _ in range(ROUNDS)]

    def added(name: str, what: str) -> float:
        return statistics.median(getattr(each[name], what) - getattr(each["nothing"], what) for each in rounds)

    ours, within = added("both", "median"), added("within", "median")
    behind, peer_behind = added("both", "behind"), added("within", "behind")
    return [
        Figure("what watching adds to a request at the median", ours, "us", ADDED_MICROSECONDS),
        Figure("of its own thread's processor time", added("both", "own"), "us"),
        Figure("of that, the counts", added("counts", "own"), "us"),
        Figure("where nobody watches", added("off", "own"), "us", OFF_MICROSECONDS),
        Figure("processor time behind it, a request", behind, "us", note=f"{behind / peer_behind:.1f} x the span's"),
        Figure("a span within the request, at the median", within, "us", note=f"{within / ours:.1f} x ours"),
        Figure("of its own thread's processor time", added("within", "own"), "us"),
        Figure("processor time behind the span, a request", peer_behind, "us"),
    ]


def taking(watching: Watching) -> Take:
    """Take requests as score.py does."""
    return lambda identifier, reply, begun: watching.saw(Asked(headers={"x-request-id": identifier}), reply, begun)


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
