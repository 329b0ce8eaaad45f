"""A local event handler in place of Azure's: receives CloudEvents from a topic and passes them on.

It listens on the loopback address only and answers only under its secret path. The content of an event is not
trusted: it only refers to a verdict in the audit log (retraining/begin.py).
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

from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from mlops.audit.announcement import DRIFT_FOUND, topic_id
from mlops.azure.workspace import connect_management
from mlops.dashboard.serving import LOOPBACK, LoopbackServer
from mlops.settings.project import Stage

# The maximum size of an Event Grid event.
_LARGEST_BYTES: Final = 1_048_576
_ANY_PORT: Final = 0


class Handler(LoopbackServer):
    """The received events, in order."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, _ANY_PORT), _Requests)
        self.path = f"/{secrets.token_urlsafe(16)}"
        self._heard: Queue[dict[str, Any]] = Queue()

    @property
    def address(self) -> str:
        """The address that events are sent to."""
        return f"http://{self.authority}{self.path}"

    def take(self, event: dict[str, Any]) -> None:
        """Queue an event for the worker."""
        self._heard.put(event)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event; None if none arrives within this many seconds."""
        try:
            return self._heard.get(timeout=seconds)
        except Empty:
            return None


@contextmanager
def listening() -> Generator[Handler]:
    """A context manager: a handler that listens."""
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
        """Allow any sender that knows the path."""
        if self._is_known:
            self._answer(HTTPStatus.OK, {"WebHook-Allowed-Origin": self.headers.get("WebHook-Request-Origin", "*")})
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Receive an event: acknowledged at once, since handling it takes longer than a sender waits."""
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if not self._is_known or not 0 < size <= _LARGEST_BYTES:
            # Unread bytes would be taken as the next request.
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
        """Log nothing: the terminal belongs to the demo."""

    @property
    def _is_known(self) -> bool:
        return secrets.compare_digest(self.path.encode(), cast(Handler, self.server).path.encode())

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


_API_VERSION: Final = "2022-06-15"
_SUBSCRIPTION: Final = "retraining"
_SCHEMA: Final = "CloudEventSchemaV1_0"


@contextmanager
def subscribed(stage: Stage, address: str) -> Generator[None]:
    """A context manager: sends the drift events of the stage's topic to an address."""
    client, topic = connect_management(), topic_id(stage)
    subscription = f"{topic}/providers/Microsoft.EventGrid/eventSubscriptions/{_SUBSCRIPTION}"
    _send(client, "PUT", topic, {"location": stage.location, "properties": {"inputSchema": _SCHEMA}})
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": address}}
    wanted = {
        "destination": webhook,
        "eventDeliverySchema": _SCHEMA,
        "filter": {"includedEventTypes": [DRIFT_FOUND]},
    }
    _send(client, "PUT", subscription, {"properties": wanted})
    try:
        yield
    finally:
        # Nothing listens there any more: later events must not be queued for it.
        _send(client, "DELETE", subscription)


def _send(client: ARMPipelineClient, verb: str, place: str, body: dict[str, Any] | None = None) -> None:
    request = HttpRequest(verb, client.format_url(place), params={"api-version": _API_VERSION}, json=body)
    client.send_request(request).raise_for_status()
