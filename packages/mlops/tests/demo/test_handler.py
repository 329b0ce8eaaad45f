"""The handler that the demo subscribes: the handshake, events in order, and what is sent away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from mlops.demo.drift import Handler, listening


@pytest.fixture
def handler() -> Iterator[Handler]:
    with listening() as handler:
        yield handler


def send(
    handler: Handler, body: bytes = b"{}", method: str = "POST", path: str = "", **headers: str
) -> tuple[int, str | None]:
    """The status of the answer, and whom it allows to send."""
    connection = HTTPConnection(handler.authority, timeout=20)
    try:
        connection.request(method, path or handler.path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.headers.get("WebHook-Allowed-Origin")
    finally:
        connection.close()


def test_whoever_asks_may_send(handler: Handler) -> None:
    asked = send(handler, b"", "OPTIONS", **{"WebHook-Request-Origin": "eventgrid.azure.net"})

    assert asked == (200, "eventgrid.azure.net")
    assert handler.next(0) is None


def test_events_are_taken_in_order(handler: Handler) -> None:
    for number in range(3):
        assert send(handler, json.dumps({"id": number}).encode())[0] == 200

    assert [handler.next(10) for _ in range(3)] == [{"id": 0}, {"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"{", {}, 400, id="half an event"),
        pytest.param(b"[1]", {}, 400, id="no event"),
        pytest.param(b"[" * 50_000, {}, 400, id="nested too deeply"),
        pytest.param(b"", {"Content-Length": "1048577"}, 413, id="too large"),
        pytest.param(b"", {"Content-Length": "-1"}, 413, id="of no size"),
    ],
)
def test_what_is_no_event_is_not_taken(handler: Handler, body: bytes, headers: dict[str, str], status: int) -> None:
    assert send(handler, body, **headers)[0] == status
    assert handler.next(0) is None


def test_who_does_not_know_the_path_is_not_listened_to(handler: Handler) -> None:
    assert send(handler, path="/")[0] == 404
    assert send(handler, b"", "OPTIONS", path="/") == (404, None)
    assert handler.next(0) is None
