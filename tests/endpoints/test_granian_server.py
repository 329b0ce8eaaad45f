"""granian_app.py in granian, as a process, over HTTP: the same answers as score.py, and its bad days."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scorer import Scorer

from model_package.package import package_digest
from model_package.rows.requests import MAX_BODY_BYTES

# They share servers, and with them one worker.
pytestmark = pytest.mark.xdist_group("servers")
ONLINE = Path(__file__).parents[2] / "endpoints" / "online"
GOOD = {"age": 40, "income": 1200.5, "kind": 2}
START_SECONDS = 60
LIMITS = {"MAX_CONCURRENT_REQUESTS": "2", "REQUEST_BODY_SECONDS": "3"}
CASES = {
    "one row": json.dumps({"input_data": [GOOD]}).encode(),
    "fifty rows": json.dumps({"input_data": [GOOD] * 50}).encode(),
    "more than is scored in the loop": json.dumps({"input_data": [GOOD] * 3000}).encode(),
    "split": b'{"input_data": {"columns": ["kind", "age", "income"], "data": [[2, 40, 1.5]]}}',
    "empty": b"",
    "bytes": b"\xff\x00",
    "nested": b"[[[[" * 25_000,
    "no rows": b'{"input_data": []}',
    "NaN": b'{"input_data": [{"age": NaN, "income": 1, "kind": 1}]}',
    "1e999": b'{"input_data": [{"age": 40, "income": 1e999, "kind": 1}]}',
    "long integer": b'{"input_data": [{"age": 4' + b"0" * 400 + b', "income": 1, "kind": 1}]}',
    "string": b'{"input_data": [{"age": "40", "income": 1, "kind": 1}]}',
    "boolean": b'{"input_data": [{"age": true, "income": 1, "kind": 1}]}',
    "twice": b'{"input_data": [{"age": 40, "age": 41, "income": 1, "kind": 1}]}',
    "missing": b'{"input_data": [{"age": 40, "income": 1}]}',
    "unknown": b'{"input_data": {"age": 40, "income": 1, "kind": 1, "zip": 8}}',
    "beside": b'{"input_data": [], "other": 1}',
}


def environment(model_dir: Path, variables: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "AZUREML_MODEL_DIR": str(model_dir), **variables}


def start(model_dir: Path, folder: Path, workers: int = 1, **variables: str) -> subprocess.Popen[bytes]:
    """The command of environments/granian/Dockerfile, on a Unix socket."""
    command = [str(Path(sys.executable).with_name("granian")), "--interface", "rsgi", "--factory"]
    command += ["--uds", str(folder / "socket"), "--workers", str(workers), "--respawn-failed-workers", "--no-ws"]
    command += ["--respawn-interval", "0.1", "--workers-kill-timeout", "10", "granian_app:load"]
    with (folder / "log").open("wb") as output:
        return subprocess.Popen(
            command, env=environment(model_dir, variables), cwd=ONLINE, stdout=output, stderr=subprocess.STDOUT
        )


def client_of(folder: Path) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(folder / "socket"))
    return httpx.Client(transport=transport, base_url="http://server", timeout=START_SECONDS)


def accepts(folder: Path) -> bool:
    """Whether the server accepts connections. httpx would leave a socket open that is refused."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(folder / "socket")) == 0


@contextmanager
def running(model_dir: Path, folder: Path, workers: int = 1, **variables: str) -> Generator[httpx.Client]:
    process = start(model_dir, folder, workers, **variables)
    try:
        with client_of(folder) as client:
            deadline = time.monotonic() + START_SECONDS
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                if accepts(folder):
                    break
                time.sleep(0.05)
            assert client.get("/").status_code == 200
            client.headers["x-process"] = str(process.pid)
            yield client
    finally:
        process.terminate()
        process.wait(START_SECONDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("granian")


@pytest.fixture(scope="module")
def client(package: Path, folder: Path) -> Generator[httpx.Client]:
    names = {"MODEL_NAME": "tiny", "MODEL_VERSION": "7", "MODEL_DIGEST": package_digest(package)}
    metrics = {"METRICS_PATH": "/metrics", "TMPDIR": str(folder)}
    with running(package.parent, folder, 1, **names, **metrics, **LIMITS) as client:
        yield client


@pytest.fixture(scope="module")
def scorer(package: Path) -> Scorer:
    return Scorer(package, "tiny", "7")


@pytest.mark.parametrize("body", CASES.values(), ids=CASES)
def test_every_case_is_answered_byte_for_byte_as_by_the_scorer(
    client: httpx.Client, scorer: Scorer, body: bytes
) -> None:
    expected = scorer.answer(body)

    reply = client.post("/score", content=body)

    assert (reply.status_code, reply.content) == (expected.status, expected.body)
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["x-model-name"], reply.headers["x-model-version"]) == ("tiny", "7")


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.sampled_from([0, 1, 2, 4, 18, 100])
)
ROWS = st.one_of(
    st.fixed_dictionaries({"age": SCALARS, "income": SCALARS, "kind": SCALARS}),
    st.dictionaries(st.sampled_from(["age", "income", "kind", "zip"]), SCALARS),
    SCALARS,
)
BODIES = st.one_of(
    st.fixed_dictionaries({"input_data": st.one_of(ROWS, st.lists(ROWS, max_size=3))}),
    st.fixed_dictionaries(
        {
            "input_data": st.fixed_dictionaries(
                {
                    "columns": st.permutations(["age", "income", "kind"]),
                    "data": st.lists(st.lists(SCALARS, min_size=2, max_size=3), max_size=2),
                }
            )
        }
    ),
    SCALARS,
).map(lambda document: json.dumps(document).encode())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(BODIES, st.binary(max_size=20)))
def test_generated_bodies_are_answered_byte_for_byte(client: httpx.Client, scorer: Scorer, body: bytes) -> None:
    expected = scorer.answer(body)

    reply = client.post("/score", content=body)

    assert (reply.status_code, reply.content) == (expected.status, expected.body)


def test_health_metrics_and_other_addresses(client: httpx.Client) -> None:
    client.post("/score", json={"input_data": [GOOD]}).raise_for_status()

    assert client.get("/").text == "Healthy"
    assert 'scoring_requests_total{deployment="unnamed",model_version="7"' in client.get("/metrics").text
    assert client.get("/other").status_code == 404
    assert client.delete("/score").status_code == 405
    assert client.get("/score").status_code == 400


@pytest.mark.parametrize("sent", ["whole", "in chunks"])
def test_a_body_that_is_too_large_is_refused_with_its_size(client: httpx.Client, sent: str) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)

    reply = client.post("/score", content=body if sent == "whole" else iter([body[: 1 << 20]] * 16 + [b" "]))

    assert reply.status_code == 400
    assert f"the body has {MAX_BODY_BYTES + 1} bytes" in reply.json()["error"]["message"]


@contextmanager
def half_sent(folder: Path, body: bytes) -> Generator[socket.socket]:
    """A request that the server has read but for the last byte of its body."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(START_SECONDS)
        connection.connect(str(folder / "socket"))
        head = f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body[:-1])
        wait_until(lambda: unread_bytes(connection) == 0)
        yield connection


def unread_bytes(connection: socket.socket) -> int:
    """How much of what was sent on a Unix socket the other side has not read (Linux)."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def answer(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def test_requests_beyond_the_limit_get_429_and_a_slow_body_408(client: httpx.Client, folder: Path) -> None:
    body = CASES["one row"]
    with half_sent(folder, body) as first, half_sent(folder, body) as second:
        reply = client.post("/score", content=body)
        assert reply.status_code == 429
        assert reply.headers["retry-after"] == "1"
        assert reply.json()["error"]["code"] == "TooManyRequests"
        assert client.get("/").status_code == 200
        second.sendall(body[-1:])
        assert b" 200 OK" in answer(second)
        assert b" 408 " in answer(first)
    assert client.post("/score", content=body).status_code == 200


def test_a_wrong_digest_keeps_the_server_from_starting_and_the_log_says_why(package: Path, tmp_path: Path) -> None:
    process = start(package.parent, tmp_path, 2, MODEL_DIGEST="sha256:" + "0" * 64)

    process.wait(START_SECONDS)

    assert "but the release promises sha256:000" in (tmp_path / "log").read_text()


def test_a_dead_worker_is_replaced_under_load_and_a_stop_answers_what_is_in_work(package: Path, tmp_path: Path) -> None:
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def load() -> None:
        with client_of(tmp_path) as own:
            while not over.is_set():
                try:
                    statuses[own.post("/score", content=CASES["one row"]).status_code] += 1
                except httpx.TransportError:
                    statuses[0] += 1

    with running(package.parent, tmp_path, 2) as client:
        callers = [threading.Thread(target=load) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            before = workers(int(client.headers["x-process"]))
            os.kill(min(before), signal.SIGKILL)
            wait_until(lambda: len(workers(int(client.headers["x-process"])) - before) == 1)
            seen = statuses[200]
            wait_until(lambda: statuses[200] > seen + 200)
        finally:
            over.set()
            for caller in callers:
                caller.join()
        with half_sent(tmp_path, CASES["one row"]) as connection:
            os.kill(int(client.headers["x-process"]), signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(CASES["one row"][-1:])
            assert b" 200 OK" in answer(connection)

    # A caller's connection to the dead worker breaks once; nothing else fails.
    assert statuses.keys() <= {200, 0}
    assert statuses[0] <= len(callers)


def workers(server: int) -> set[int]:
    """The worker processes of a server."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return {int(pid) for pid in children}


def wait_until(question: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_both_servers_give_the_same_bytes(client: httpx.Client, inference_server: httpx.Client) -> None:
    for name, body in CASES.items():
        ours, theirs = client.post("/score", content=body), inference_server.post("/score", content=body)
        assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), name
        for header in ("content-type", "x-model-name", "x-model-version"):
            assert ours.headers[header] == theirs.headers[header], name
