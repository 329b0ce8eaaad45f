"""What the handler asks, on this machine: its queue, its vault, GitHub and Azure DevOps, as their REST APIs say.

Service Bus "Peek-Lock Message" and "Delete Message"; Key Vault "Get Secret" 7.4; GitHub "Create a repository dispatch
event" (2022-11-28); Azure DevOps "Runs - Run Pipeline" 7.1. Each takes a token for itself only. Minutes pass when a
test says so.
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
MOST_PROPERTIES, LARGEST_PAYLOAD, LONGEST_TYPE = 10, 64 * 1024, 100
RUN_PARAMETERS = {"previewRun", "resources", "stagesToSkip", "templateParameters", "variables", "yamlOverride"}
SIGN_IN_PAGE = b"<html>Azure DevOps Services | Sign In</html>"


@dataclass(frozen=True)
class Answer:
    """What a service answers."""

    status: int
    body: bytes = b""
    kind: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Message:
    """One message of the queue, in whichever type it was sent."""

    body: bytes
    kind: str
    came: int
    locked_until: int = 0
    lock: str = ""


@dataclass(frozen=True)
class Request:
    """What a service was asked."""

    method: str
    host: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def audience(self, identity: str) -> str:
        """For whom the token was issued; "" when it is not the identity's, or no token of Entra."""
        try:
            whose, audience = json.loads(base64.b64decode(self.headers.get("authorization", "")[len("Bearer ") :]))
        except (binascii.Error, ValueError):
            return ""
        return audience if whose == identity else ""


class Services:
    """The four services. `down` names the hosts that answer with 503."""

    def __init__(self, queue_host: str, vault_host: str, identity: str) -> None:
        self.messages: list[Message] = []
        self.set_aside: list[Message] = []
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
        """What Event Grid does: put an event into the queue."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.messages.append(Message(body, kind, self._minute))

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass: locks end, and what is too old is set aside."""
        self._minute += minutes
        old = [message for message in self.messages if self._minute - message.came >= MINUTES_TO_LIVE]
        self.set_aside += old
        self.messages = [message for message in self.messages if message not in old]

    def answer(self, request: Request) -> Answer:
        """What the service of that host says."""
        self.requests.append(request)
        if request.host in self.down:
            return Answer(503)
        return self.hosts[request.host](request)

    def _queue(self, request: Request) -> Answer:
        if request.audience(self._identity).rstrip("/") != "https://servicebus.azure.net":
            return Answer(401)
        if request.method == "POST" and request.path == "/drift-found/messages/head":
            return self._offer(request.host)
        if request.method == "DELETE":
            held = [each for each in self.messages if each.lock and request.path.endswith(each.lock)]
            if not held or held[0].locked_until <= self._minute:
                return Answer(404)
            self.messages.remove(held[0])
            return Answer(200)
        return Answer(400)

    def _offer(self, host: str) -> Answer:
        free = [message for message in self.messages if message.locked_until <= self._minute]
        if not free:
            return Answer(204)
        message = free[0]
        message.lock, message.locked_until = str(uuid.uuid4()), self._minute + LOCKED_MINUTES
        place = {"Location": f"https://{host}/drift-found/messages/1/{message.lock}"}
        return Answer(201, message.body, message.kind, place)

    def _vault(self, request: Request) -> Answer:
        if request.audience(self._identity) != "https://vault.azure.net":
            return Answer(401)
        if (request.method, request.path, request.query) != ("GET", "/secrets/github-token", {"api-version": ["7.4"]}):
            return Answer(404)
        return Answer(200, json.dumps({"value": TOKEN, "id": "x", "attributes": {}}).encode())

    def _github(self, request: Request) -> Answer:
        headers = request.headers
        if headers.get("authorization") != f"Bearer {self.token}":
            return Answer(401)
        if (request.method, request.path) != ("POST", "/repos/example-org/credit-default/dispatches"):
            return Answer(404)
        if (
            headers.get("accept") != "application/vnd.github+json"
            or headers.get("x-github-api-version") != "2022-11-28"
        ):
            return Answer(400)
        asked = json.loads(request.body)
        payload = asked.get("client_payload", {})
        is_short = len(asked["event_type"]) <= LONGEST_TYPE and len(json.dumps(payload)) < LARGEST_PAYLOAD
        if set(asked) - {"event_type", "client_payload"} or len(payload) > MOST_PROPERTIES or not is_short:
            return Answer(422)
        self.dispatches.append(asked)
        return Answer(204)

    def _azure_devops(self, request: Request) -> Answer:
        known = request.audience(self._identity) == "499b84ac-1321-427f-aa17-267ca6975798" and self.knows_handler
        if not known:
            return Answer(203, SIGN_IN_PAGE, "text/html; charset=utf-8")
        expected = ("POST", "/example-org/credit-default/_apis/pipelines/7/runs", {"api-version": ["7.1"]})
        if (request.method, request.path, request.query) != expected:
            return Answer(404)
        asked = json.loads(request.body)
        if set(asked) - RUN_PARAMETERS or not all(isinstance(v, str) for v in asked["templateParameters"].values()):
            return Answer(400)
        self.runs.append(asked)
        return Answer(200, json.dumps({"id": len(self.runs), "state": "inProgress"}).encode())


@contextmanager
def serving(services: Services) -> Generator[dict[str, tuple[str, int]]]:
    """The services on a port of this machine: where each host stands."""

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
