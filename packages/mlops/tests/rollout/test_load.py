"""Synthetic callers, stopped at any moment and whatever the endpoint does."""

from __future__ import annotations

import gc
import random
import socket
import ssl
import time
from collections.abc import Generator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from azureml_emulator.security.certificates import ensure_certificates
from mlops.endpoint.client import Address
from mlops.rollout.load import REQUEST_TIMEOUT_SECONDS, GoldenLoad

STOPPED_TIMES = 100
LONGEST_SECONDS = 0.03


class Scorer(BaseHTTPRequestHandler):
    """Answers every request at once, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"[1]")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """An HTTPS server whose handshakes are made on each connection's own thread; clients may leave at any moment."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client left."""


@pytest.fixture
def few_objects() -> Generator[None]:
    """The garbage collector looks only at what is made from now on, and so takes no time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Address]:
    """A scoring URI that answers."""
    files = ensure_certificates(tmp_path, datetime.now(UTC))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.server_key)
    with Server(("127.0.0.1", 0), Scorer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Address(scoring_uri=f"https://127.0.0.1:{server.server_port}/score", key="key")
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("few_objects")
def test_no_connection_is_left_open_whenever_the_callers_are_stopped(address: Address) -> None:
    moments = random.Random(1)  # noqa: S311 - moments, not secrets
    answered = 0

    for _ in range(STOPPED_TIMES):
        load = GoldenLoad(address, "blue", [b"{}"], requests_per_second=200, sample=10)
        load.start()
        time.sleep(moments.uniform(0, LONGEST_SECONDS))
        load.stop()
        answered += load.observation().requests
        gc.collect()  # an open connection warns now, and a warning is an error

    assert answered


def test_callers_of_an_endpoint_that_says_nothing_stop_before_their_requests_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = Address(scoring_uri=f"https://127.0.0.1:{silent.getsockname()[1]}/score", key="key")
        load = GoldenLoad(address, "blue", [b"{}"], requests_per_second=500, sample=10)
        load.start()
        time.sleep(0.1)  # long enough for every connection to wait

        began = time.monotonic()
        load.stop()

        assert time.monotonic() - began < REQUEST_TIMEOUT_SECONDS / 2
        assert not load.observation().requests
