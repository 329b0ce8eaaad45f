"""A handler of events, as the cloud's is: it allows a topic to send, takes CloudEvents, and hands them on to who works.

Only this machine can connect, and only who knows the path, which is new each time, is listened to. What an event says
is believed by nobody: it is a pointer (retraining/pointer.py).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final, cast

from mlops.core.loopback import LOOPBACK, LoopbackServer

# What Event Grid's largest event has.
_LARGEST_BYTES: Final = 1_048_576
_ANY_PORT: Final = 0


class Handler(LoopbackServer):
    """What was heard, in order."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, _ANY_PORT), _Requests)
        self.path = f"/{secrets.token_urlsafe(16)}"
        self._heard: Queue[dict[str, Any]] = Queue()

    @property
    def address(self) -> str:
        """Where events are to be sent."""
        return f"http://{self.authority}{self.path}"

    def take(self, event: dict[str, Any]) -> None:
        """Keep an event for who works."""
        self._heard.put(event)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event; None when none comes within so many seconds."""
        try:
            return self._heard.get(timeout=seconds)
        except Empty:
            return None


@contextmanager
def listening() -> Generator[Handler]:
    """A handler that listens for a while."""
    with Handler() as handler:
        thread = Thread(target=handler.serve_forever, daemon=True)
        thread.start()
        try:
            yield handler
        finally:
            handler.shutdown()
            thread.join()


class _Requests(BaseHTTPRequestHandler):
    """CloudEvents over HTTP, and the handshake before them (CloudEvents HTTP 1.1 Web Hooks, section 4)."""

    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        """Allow whoever knows the path to send."""
        if self._is_known:
            self._answer(HTTPStatus.OK, {"WebHook-Allowed-Origin": self.headers.get("WebHook-Request-Origin", "*")})
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take an event: acknowledged at once, since what it starts takes longer than a sender waits."""
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if not self._is_known or not 0 < size <= _LARGEST_BYTES:
            # What was not read would be taken for the next request.
            self.close_connection = True
            self._answer(HTTPStatus.NOT_FOUND if not self._is_known else HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            event = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._answer(HTTPStatus.BAD_REQUEST)
            return
        cast(Handler, self.server).take(event)
        self._answer(HTTPStatus.OK)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal is the demo's."""

    @property
    def _is_known(self) -> bool:
        return secrets.compare_digest(self.path.encode(), cast(Handler, self.server).path.encode())

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()
