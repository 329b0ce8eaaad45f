"""Connections whose peer stalls are closed; those that are only slow are not."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.kernel.settings import ConnectionLimits
from azureml_emulator.testing import PATIENCE_SECONDS, running_emulator

LIMITS = ConnectionLimits(idle_seconds=1.0, header_seconds=1.0, transfer_seconds=2.0)
STEP_SECONDS = 0.1


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:
    """An emulator with short limits."""
    state = tmp_path_factory.mktemp("hasty") / "state"
    with running_emulator(state, connections=LIMITS, background_start="lazy") as running:
        yield running


@pytest.fixture
def connect(hasty: Any) -> Generator[Callable[[], ssl.SSLSocket]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(hasty.connect())


def head(running: Any, method: str, path: str, *headers: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {running.token()}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def read_to_end(stream: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    received = b""
    while True:
        try:
            chunk = stream.recv(1 << 16)
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk


def drip(stream: ssl.SSLSocket, text: bytes) -> bytes:
    """Send byte by byte until the server closes the connection; what it answers."""
    stream.settimeout(STEP_SECONDS)
    began = time.monotonic()
    for number in range(int(PATIENCE_SECONDS / STEP_SECONDS)):
        try:
            stream.sendall(text[number % len(text) :][:1])
            received = stream.recv(1 << 16)
        except TimeoutError:
            continue
        except OSError:
            return b""
        return received
    raise AssertionError(f"still open after {time.monotonic() - began:.0f} s")


def test_an_idle_connection_is_closed_before_and_after_its_first_request(hasty: Any, connect: Any) -> None:
    silent, asked = connect(), connect()
    asked.sendall(head(hasty, "GET", "/_emulator/summary"))
    assert read_to_end(silent) == b""
    assert read_to_end(asked).startswith(b"HTTP/1.1 200")


def test_headers_that_never_end_are_answered_408(connect: Any) -> None:
    # given one client that stops in its headers, and one that sends them byte by byte
    stopped, slow = connect(), connect()
    stopped.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    # then both are told, and closed
    assert drip(slow, b"x")[:12] in {b"HTTP/1.1 408", b""}
    assert read_to_end(stopped).startswith(b"HTTP/1.1 408")


def test_a_body_that_stalls_is_closed_and_leaves_nothing(hasty: Any, connect: Any) -> None:
    # given a body that stops, and one that arrives byte by byte
    path = "/emu000000000000/container/stalled.bin"
    given = ("x-ms-blob-type: BlockBlob", "Content-Length: 100000")
    stopped, slow = connect(), connect()
    for stream in (stopped, slow):
        stream.sendall(head(hasty, "PUT", path, *given) + b"x")
    # then both are closed, and there is no part of a blob
    assert drip(slow, b"x")[:12] in {b"HTTP/1.1 408", b""}
    assert read_to_end(stopped)[:12] in {b"HTTP/1.1 408", b""}
    assert not list((hasty.settings.state / "blobs").rglob("stalled.bin"))


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "], ids=["nothing", "headers"])
@pytest.mark.parametrize("name", ["mlflow", "mlflow pages"])
def test_a_connection_to_mlflow_that_asks_nothing_is_closed(hasty: Any, client_of: Any, name: str, sent: bytes) -> None:
    listeners = client_of(hasty).get("/_emulator/listeners").json()
    port = next(each["port"] for each in listeners if each["name"] == name)
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as plain:
        context = hasty.trust()
        stream = context.wrap_socket(plain, server_hostname="127.0.0.1") if name == "mlflow" else plain
        stream.sendall(sent)
        assert read_to_end(stream) == b""
        stream.close()


@pytest.mark.long
def test_a_response_that_nobody_reads_is_given_up(hasty: Any, connect: Any) -> None:
    # given a blob that no buffer holds
    folder: Path = hasty.settings.state / "blobs" / "emu000000000000" / "container"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "large.bin").write_bytes(bytes(32 << 20))
    stream = connect()
    # when a client asks for it, and reads nothing for longer than the limit
    stream.sendall(head(hasty, "GET", "/emu000000000000/container/large.bin"))
    time.sleep(3 * LIMITS.transfer_seconds + 1)
    # then the rest is not sent any more
    assert len(read_to_end(stream)) < 32 << 20


@pytest.mark.long
def test_a_slow_upload_that_makes_progress_is_not_closed(hasty: Any, connect: Any) -> None:
    # given a body that takes longer than the limit, faster than the least rate
    parts = [b"x" * 2_000] * 40
    given = ("x-ms-blob-type: BlockBlob", f"Content-Length: {sum(map(len, parts))}")
    stream = connect()
    stream.sendall(head(hasty, "PUT", "/emu000000000000/container/slow.bin", *given))
    for part in parts:
        time.sleep(STEP_SECONDS)
        stream.sendall(part)
    assert stream.recv(1 << 16).startswith(b"HTTP/1.1 201")
