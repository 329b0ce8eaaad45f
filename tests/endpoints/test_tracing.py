"""Traces sent to Application Insights: a real server, real requests, and fakes of Azure's ingestion and identity."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
import trustme
from observability.background_sender import Losses, ignore_losses
from observability.deployment_variables import VariableError
from observability.request_record import RequestRecord
from observability.trace_sampling import TraceSampler
from observability.tracing import TraceSink, start_tracing
from scorer import Scorer

PATIENCE_SECONDS = 60
KEY = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "99999999-8888-7777-6666-555555555555"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = {"age": 43, "income": 1234.5, "kind": 2}
# Every property that a trace may have, besides its time, duration and ids.
PROPERTIES = {
    "scoring.deployment",
    "scoring.model",
    "scoring.model_version",
    "scoring.status",
    "scoring.rows",
    "scoring.read_ms",
    "scoring.model_ms",
    "scoring.request_id",
    "scoring.synthetic",
}


@dataclass
class Azure:
    """The ingestion endpoint and the identity endpoint of a deployment; `status` is what ingestion answers."""

    address: str
    identity: str
    status: int = 200
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [each for each in self.envelopes if each["data"]["baseType"] == "RequestData"]

    def wait_for(self, count: int, log: Path) -> list[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.requests) < count:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        return self.requests


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], authority: trustme.CA | None = None) -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if authority else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def azure_at(authority: trustme.CA) -> Generator[Azure]:
    found = Azure("", "")

    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, *_: Any, **__: Any) -> None:
            """Say nothing."""

        def answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Identity(Quiet):
        def do_GET(self) -> None:
            found.asked.append(parse_qs(urlsplit(self.path).query))
            expires = int(time.time()) + 3600
            token = {"access_token": "a-token", "expires_on": str(expires), "token_type": "Bearer", "resource": "r"}
            self.answer(200 if self.headers["secret"] == "s3" else 401, token)

    class Ingestion(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            items = json.loads(body)
            found.authorizations.add(self.headers.get("authorization", ""))
            if found.status == 200:
                found.envelopes += items
            count = len(items)
            self.answer(found.status, {"itemsReceived": count, "itemsAccepted": count, "errors": []})

    with answering(Ingestion, authority) as ingestion, answering(Identity) as identity:
        found.address, found.identity = ingestion, identity
        yield found


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that makes a server trust the authority."""
    file = tmp_path_factory.mktemp("tls") / "bundle.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture
def azure(authority: trustme.CA) -> Iterator[Azure]:
    with azure_at(authority) as found:
        yield found


def variables_of(azure: Azure, bundle: Path) -> dict[str, str]:
    """The variables that `mlops deploy` sets, and those that Azure sets where the deployment has an identity."""
    return {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={KEY};IngestionEndpoint={azure.address}/",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"Authorization=AAD;ClientId={CLIENT_ID}",
        "MSI_ENDPOINT": f"{azure.identity}/token",
        "MSI_SECRET": "s3",
        "REQUESTS_CA_BUNDLE": str(bundle),
        "DEPLOYMENT_NAME": "green",
        "MODEL_NAME": "tiny",
        "MODEL_VERSION": "7",
    }


def test_each_request_becomes_a_trace_that_names_the_model_and_reveals_nothing_of_the_caller(
    package, running_server, tmp_path: Path, azure: Azure, bundle: Path
) -> None:
    # given a deployment with an identity
    log = tmp_path / "server.log"
    caller = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": "vendor=secret-state",
        "baggage": "user=somebody",
        "authorization": "Bearer caller-key",
        "user-agent": "somebodys-browser",
        "x-forwarded-for": "203.0.113.9",
        "x-request-id": "ask-1",
    }
    with running_server(package.parent, log, **variables_of(azure, bundle)) as address:
        # when
        assert httpx.post(f"{address}/score?who=somebody", json={"input_data": [GOOD] * 3}, headers=caller).is_success
        assert httpx.post(f"{address}/score", json={"input_data": []}).status_code == 400
        good, bad = sorted(azure.wait_for(2, log), key=lambda each: each["data"]["baseData"]["responseCode"])

    # then the caller's trace is continued, and the answer is described
    assert good["tags"]["ai.operation.id"] == TRACE
    assert good["tags"]["ai.operation.parentId"] == PARENT
    assert good["tags"]["ai.cloud.role"] == "tiny"
    assert good["data"]["baseData"]["success"] is True
    properties = good["data"]["baseData"]["properties"]
    assert properties.keys() == PROPERTIES
    assert (properties["scoring.deployment"], properties["scoring.model_version"]) == ("green", "7")
    assert (properties["scoring.rows"], properties["scoring.request_id"]) == ("3", "ask-1")
    assert properties["scoring.status"] == "200"
    assert float(properties["scoring.read_ms"]) > 0
    assert float(properties["scoring.model_ms"]) > 0
    assert bad["data"]["baseData"]["responseCode"] == "400"
    assert bad["data"]["baseData"]["success"] is False
    assert bad["tags"]["ai.operation.id"] != TRACE
    # and it was sent with a token for the endpoint's identity
    assert azure.authorizations == {"Bearer a-token"}
    assert {(each["clientid"][0], each["resource"][0]) for each in azure.asked} == {
        (CLIENT_ID, "https://monitor.azure.com/")
    }
    # and nothing else of the request or its caller is in it
    sent = json.dumps(azure.envelopes)
    for word in ("1234.5", "somebody", "secret-state", "caller-key", "browser", "203.0.113.9", "income", "who="):
        assert word not in sent, word


def test_scoring_continues_when_traces_cannot_be_delivered_and_losses_are_counted(
    package, running_server, tmp_path: Path, azure: Azure, bundle: Path
) -> None:
    # given an Application Insights that rejects the identity
    azure.status = 403
    log = tmp_path / "server.log"
    variables = variables_of(azure, bundle) | {"METRICS_PATH": "/metrics", "TMPDIR": str(tmp_path)}
    with running_server(package.parent, log, **variables) as address:
        for _ in range(5):
            assert httpx.post(f"{address}/score", json={"input_data": [GOOD]}).status_code == 200

        # then the log says so once, and the metrics count the losses
        lost = 'scoring_losses_total{deployment="green",model_version="7",reason="refused",what="traces"} 5.0'
        deadline = time.monotonic() + PATIENCE_SECONDS
        while lost not in httpx.get(f"{address}/metrics").text:
            assert time.monotonic() < deadline, httpx.get(f"{address}/metrics").text
            time.sleep(0.1)
    assert log.read_text().count("lost some traces, scoring continues") == 1


def record(number: int, traceparent: str = "", status: int = 200) -> RequestRecord:
    return RequestRecord(number, 0.01, "POST", status, 1, 0.001, 0.002, f"id-{number}", traceparent, synthetic=False)


class MemoryExporter:
    """An exporter that keeps spans in memory."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, spans: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.spans += spans
        return SpanExportResult.SUCCESS


def test_traces_are_sampled_by_trace_id_so_that_a_callers_trace_is_kept_or_dropped_as_a_whole(package) -> None:
    exported = MemoryExporter()
    traces = TraceSink(exported, Scorer(package), "blue", TraceSampler(0.25))  # ty: ignore[invalid-argument-type] - all it calls
    draw = np.random.default_rng(5)
    parents = [f"00-{draw.bytes(16).hex()}-{PARENT}-01" for _ in range(400)]

    traces.send([record(number, parent) for number, parent in enumerate(parents)])
    first = {span.context.trace_id for span in exported.spans}
    exported.spans.clear()
    traces.send([record(number, parent) for number, parent in enumerate(parents)])

    assert {span.context.trace_id for span in exported.spans} == first
    assert 0.15 < len(first) / len(parents) < 0.35
    # and each span carries the rate, by which Application Insights extrapolates its counts
    assert {span.attributes["_MS.sampleRate"] for span in exported.spans} == {25.0}


def test_the_limit_of_traces_spares_failed_requests_and_each_trace_says_what_it_stands_for(
    package, azure: Azure, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    connection = f"InstrumentationKey={KEY};IngestionEndpoint={azure.address}/"
    variables = {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection, "TRACES_PER_SECOND": "2"}
    traces = start_tracing(variables, Scorer(package), "blue", ignore_losses)

    for number in range(4_000):
        traces.enqueue(record(number, status=400 if number % 100 == 0 else 200))
    traces.close(PATIENCE_SECONDS)

    # then each failed request has its trace, few of the good ones have, and those stand for all
    sent = [(each["data"]["baseData"]["responseCode"], each["sampleRate"]) for each in azure.requests]
    assert sent.count(("400", 100.0)) == 40
    good = [rate for code, rate in sent if code == "200"]
    assert len(good) < 400
    assert all(100 / rate == pytest.approx(round(100 / rate)) for rate in good)
    assert traces.refused == traces.dropped == 0


@pytest.mark.parametrize("given", ["", "00-xyz", "00-" + "0" * 32 + f"-{PARENT}-01", "ff" * 40])
def test_an_invalid_traceparent_starts_a_new_trace(package, given: str) -> None:
    exported = MemoryExporter()
    sink = TraceSink(exported, Scorer(package), "blue", TraceSampler(1.0))  # ty: ignore[invalid-argument-type]
    sink.send([record(1, given, 500)])

    (span,) = exported.spans
    assert span.parent is None
    assert not span.status.is_ok


@pytest.mark.parametrize("given", ["InstrumentationKey=none", "IngestionEndpoint=https://example.com/"])
def test_an_invalid_connection_string_stops_the_deployment_from_starting(package, given: str) -> None:
    def on_loss(losses: Losses) -> None:
        raise AssertionError(losses)

    with pytest.raises(VariableError, match="APPLICATIONINSIGHTS_CONNECTION_STRING"):
        start_tracing({"APPLICATIONINSIGHTS_CONNECTION_STRING": given}, Scorer(package), "blue", on_loss)
