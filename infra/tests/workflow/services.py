"""The services that the handler calls, on this machine: queue, vault, GitHub and Azure DevOps, as in their REST APIs.

Service Bus "Peek-Lock Message" and "Delete Message"; Key Vault "Get Secret" 7.4; GitHub "Create a repository dispatch
event" (2022-11-28); Azure DevOps "Runs - Run Pipeline" 7.1. Each accepts tokens for itself only. Time passes when
a test moves it.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "github_pat_of_a_test"
LOCKED_MINUTES, MINUTES_TO_LIVE = 5, 24 * 60
MAX_PROPERTIES, MAX_PAYLOAD, MAX_TYPE_LENGTH = 10, 64 * 1024, 100
RUN_PARAMETERS = {"previewRun", "resources", "stagesToSkip", "templateParameters", "variables", "yamlOverride"}
SIGN_IN_PAGE = b"<html>Azure DevOps Services | Sign In</html>"


@dataclass(frozen=True)
class Response:
    """The response of a service."""

    status: int
    body: bytes = b""
    kind: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Message:
    """One message of the queue, with the content type it was sent with."""

    body: bytes
    kind: str
    sent_at: int
    locked_until: int = 0
    lock: str = ""


@dataclass(frozen=True)
class Request:
    """A request to a service."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def audience(self, identity: str) -> str:
        """The audience of the token; "" when it is not the identity's, or not an Entra token."""
        try:
            owner, audience = json.loads(base64.b64decode(self.headers.get("authorization", "")[len("Bearer ") :]))
        except (binascii.Error, ValueError):
            return ""
        return audience if owner == identity else ""


class Services:
    """The four services. The hosts in `down` respond with 503."""

    def __init__(self, queue_host: str, vault_host: str, identity: str) -> None:
        self.messages: list[Message] = []
        self.dead_letters: list[Message] = []
        self.dispatches: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.down: set[str] = set()
        self.token = TOKEN
        self.knows_handler = True
        self._minute = 0
        self._identity = identity
        self.hosts = {
            queue_host: self._queue,
            vault_host: self._vault,
            "api.github.com": self._github,
            "dev.azure.com": self._azure_devops,
        }

    def deliver(self, event: Any, kind: str = "application/cloudevents+json; charset=utf-8") -> None:
        """Put an event into the queue, as Event Grid does."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.messages.append(Message(body, kind, self._minute))

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass: locks expire, and old messages are dead-lettered."""
        self._minute += minutes
        old = [message for message in self.messages if self._minute - message.sent_at >= MINUTES_TO_LIVE]
        self.dead_letters += old
        self.messages = [message for message in self.messages if message not in old]

    def answer(self, request: Request) -> Response:
        """The response of the service at that host."""
        self.requests.append(request)
        if request.host in self.down:
            return Response(503)
        return self.hosts[request.host](request)

    def _queue(self, request: Request) -> Response:
        if request.audience(self._identity).rstrip("/") != "https://servicebus.azure.net":
            return Response(401)
        if request.method == "POST" and request.path == "/drift-found/messages/head":
            return self._receive(request.host)
        if request.method == "DELETE":
            held = [each for each in self.messages if each.lock and request.path.endswith(each.lock)]
            if not held or held[0].locked_until <= self._minute:
                return Response(404)
            self.messages.remove(held[0])
            return Response(200)
        return Response(400)

    def _receive(self, host: str) -> Response:
        free = [message for message in self.messages if message.locked_until <= self._minute]
        if not free:
            return Response(204)
        message = free[0]
        message.lock, message.locked_until = str(uuid.uuid4()), self._minute + LOCKED_MINUTES
        location = {"Location": f"https://{host}/drift-found/messages/1/{message.lock}"}
        return Response(201, message.body, message.kind, location)

    def _vault(self, request: Request) -> Response:
        if request.audience(self._identity) != "https://vault.azure.net":
            return Response(401)
        if (request.method, request.path, request.query) != ("GET", "/secrets/github-token", {"api-version": ["7.4"]}):
            return Response(404)
        return Response(200, json.dumps({"value": TOKEN, "id": "x", "attributes": {}}).encode())

    def _github(self, request: Request) -> Response:
        headers = request.headers
        if headers.get("authorization") != f"Bearer {self.token}":
            return Response(401)
        if (request.method, request.path) != ("POST", "/repos/example-org/credit-default/dispatches"):
            return Response(404)
        if (
            headers.get("accept") != "application/vnd.github+json"
            or headers.get("x-github-api-version") != "2022-11-28"
        ):
            return Response(400)
        sent = json.loads(request.body)
        payload = sent.get("client_payload", {})
        is_short = len(sent["event_type"]) <= MAX_TYPE_LENGTH and len(json.dumps(payload)) < MAX_PAYLOAD
        if set(sent) - {"event_type", "client_payload"} or len(payload) > MAX_PROPERTIES or not is_short:
            return Response(422)
        self.dispatches.append(sent)
        return Response(204)

    def _azure_devops(self, request: Request) -> Response:
        known = request.audience(self._identity) == "499b84ac-1321-427f-aa17-267ca6975798" and self.knows_handler
        if not known:
            return Response(203, SIGN_IN_PAGE, "text/html; charset=utf-8")
        expected = ("POST", "/example-org/credit-default/_apis/pipelines/7/runs", {"api-version": ["7.1"]})
        if (request.method, request.path, request.query) != expected:
            return Response(404)
        sent = json.loads(request.body)
        if set(sent) - RUN_PARAMETERS or not all(isinstance(v, str) for v in sent["templateParameters"].values()):
            return Response(400)
        self.runs.append(sent)
        return Response(200, json.dumps({"id": len(self.runs), "state": "inProgress"}).encode())


@contextmanager
def serving(services: Services) -> Generator[dict[str, tuple[str, int]]]:
    """Run the services on a port of this machine; yields the address of each host."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, headers["host"], parts.path, parse_qs(parts.query), headers, body)
            answer = services.answer(request)
            self.send_response(answer.status)
            for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def do_DELETE(self) -> None:
            self._reply()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield dict.fromkeys(services.hosts, ("127.0.0.1", server.server_port))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
