"""Synthetic callers, stopped at any moment and whatever the endpoint does."""

from __future__ import annotations

import gc
import os
import random
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from azureml_emulator.security.certificates import ensure_certificates
from azureml_emulator.testing import PATIENCE_SECONDS
from mlops.core.errors import RolloutFailed
from mlops.core.programs import MachineLoad
from mlops.endpoint.client import Address
from mlops.rollout.load import REQUEST_TIMEOUT_SECONDS, GoldenLoad, inconclusive

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


@pytest.fixture
def spinning(tmp_path: Path) -> Generator[int]:
    """Processes of the program `spinner` that want more processors than there are; their number."""
    program = tmp_path / "spinner"
    program.symlink_to(Path(sys.executable).resolve())
    count = 8 * (os.cpu_count() or 1)
    spinners = [subprocess.Popen([program, "-S", "-c", "while True: pass"]) for _ in range(count)]
    yield count
    for each in spinners:
        each.kill()
        each.wait()


@pytest.mark.long
def test_a_busy_machine_is_said_with_what_keeps_it_busy(address: Address, spinning: int) -> None:
    # given callers on a machine that has too little time for them
    load = GoldenLoad(address, "blue", [b"{}"], requests_per_second=20, sample=20)
    load.start()
    time.sleep(4)
    load.stop()
    # then they know that they are late, on top of what they measure
    assert load.late_milliseconds > 0
    # and a failure by a figure of time is inconclusive, and names the programs
    failure = RolloutFailed("p95 latency 177 ms is over 150 ms")
    told = inconclusive(failure, MachineLoad(float(spinning), os.cpu_count() or 1), "mlops deploy --stage dev")
    assert told.exit_code == 14
    assert "no fault of the model" in told.message
    assert f"load {spinning}.0 on" in told.message
    assert "Run `mlops deploy --stage dev` again" in told.advice
    assert any(f": spinner ({spinning} processes)" in line for line in told.details), told.details


def test_a_sample_that_shows_nothing_is_forgotten(address: Address) -> None:
    load = GoldenLoad(address, "blue", [b"{}"], requests_per_second=200, sample=10)
    load.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not load.observation().requests and time.monotonic() < deadline:
        time.sleep(0.01)
    load.stop()
    assert load.observation().requests
    load.begin_again()
    assert (load.observation().requests, load.late_milliseconds, load.seconds < 1) == (0, 0.0, True)


@pytest.mark.parametrize(
    ("average", "cores", "busy"), [(3.9, 2, False), (4.0, 2, True), (13.0, 2, True), (13.0, 16, False)]
)
def test_a_machine_is_busy_with_twice_as_much_to_do_as_it_has_cores(average: float, cores: int, *, busy: bool) -> None:
    assert MachineLoad(average, cores).is_busy is busy
