"""A subscriber: a real web server on this machine, which can fail, refuse, or hang."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from azureml_emulator.testing import PATIENCE_SECONDS


class Subscriber:
    """Received events, and how it replies: `status` to events, `origin` to the handshake, none until `release`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.origin = "eventgrid.azure.net"
        self.asked = threading.Event()
        self.release = threading.Event()
        self.release.set()
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/events?code=secret"

    def wait(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
        """The events, once there are so many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.events) >= count, seconds), self.events
            return list(self.events)

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, event: dict[str, Any], headers: dict[str, str]) -> None:
        with self._arrived:
            self.events.append(event)
            self.headers.append(headers)
            self._arrived.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", subscriber.origin)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                subscriber.asked.set()
                subscriber.release.wait()
                if subscriber.status == 200:
                    subscriber.take(body, dict(self.headers))
                self.send_response(subscriber.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Log nothing."""

        return Handler


@pytest.fixture
def subscriber() -> Generator[Subscriber]:
    created = Subscriber()
    yield created
    created.close()
