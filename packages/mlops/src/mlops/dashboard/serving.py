"""The dashboard as a file, or served on this machine until it is stopped.

The server listens on the loopback address only, where other users of the machine and pages of other sites could ask
it too: so it prints a link that works once, and answers only a browser that has used one. The cookie that the link
leaves is sent below a path that nobody else knows, since browsers send cookies to every port of a host.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Final, cast

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.errors import explain
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say, sign_of_life
from mlops.core.errors import MachineError, MlopsError
from mlops.core.results import Block, Line, Result
from mlops.core.waiting import stop_signals
from mlops.dashboard.page import Page, render
from mlops.dashboard.snapshot import take_snapshot

LOOPBACK: Final = str(IPv4Address(socket.INADDR_LOOPBACK))


class LoopbackServer(ThreadingHTTPServer):
    """Listens on the loopback address only."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without a DNS lookup of this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]

    @property
    def authority(self) -> str:
        """Address and port, as in a URL."""
        return f"{LOOPBACK}:{self.server_port}"


_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
# Headers of every response. The page's own policy is added to its response.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


_COOKIE: Final = "mlops-dashboard"
_OPEN: Final = "open/"
_LINK_SECONDS: Final = 600.0
_NO_ACCESS: Final = (
    "This page needs the link that `mlops dashboard` prints. It works once, within 10 minutes; then the command prints "
    "another one. If you have used a link in this browser, reload this page.\n"
)


class _Access:
    """The links that were printed, and the cookies of the browsers that used one."""

    def __init__(self) -> None:
        # Only one link is valid at a time.
        self._code, self._until = "", 0.0
        self._cookies: list[str] = []
        self._lock = threading.Lock()

    def code(self) -> str:
        """The code of a new link, in the place of the one before."""
        with self._lock:
            self._code, self._until = secrets.token_urlsafe(32), time.monotonic() + _LINK_SECONDS
            return self._code

    def redeem(self, code: str) -> str | None:
        """The cookie for the code of a link; None for any other code. A late one is not valid, but used up as well."""
        with self._lock:
            if not self._code or not secrets.compare_digest(code.encode(), self._code.encode()):
                return None
            self._code = ""
            if time.monotonic() > self._until:
                return ""
            self._cookies.append(secrets.token_urlsafe(32))
            return self._cookies[-1]

    def allows(self, cookie: str) -> bool:
        """Whether a browser has a valid cookie."""
        with self._lock:
            return any(secrets.compare_digest(cookie.encode(), known.encode()) for known in self._cookies)


class DashboardServer(LoopbackServer):
    """Serves the latest page; `problem` says why there is no newer one."""

    def __init__(self, port: int, page: Page) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise MachineError(
                f"cannot listen on port {port}: {error.strerror or error}",
                "Choose another one: `mlops dashboard --port 0` picks a free one.",
            ) from error
        self._lock = threading.Lock()
        self._page, self._problem = page, ""
        self.path = f"/{secrets.token_urlsafe(16)}/"
        self.access = _Access()

    @property
    def address(self) -> str:
        """The URL of the page, for a browser that has used a link."""
        return f"http://{self.authority}{self.path}"

    def link(self) -> str:
        """A new URL to open in a browser, which works once."""
        return f"{self.address}{_OPEN}{self.access.code()}"

    @property
    def shown(self) -> tuple[Page, str]:
        """The page, and why there is no newer one."""
        with self._lock:
            return self._page, self._problem

    def show(self, page: Page) -> None:
        """Serve this page from now on."""
        with self._lock:
            self._page, self._problem = page, ""

    def say(self, problem: str) -> None:
        """Keep serving the old page, with the reason."""
        with self._lock:
            self._problem = problem


class _Handler(BaseHTTPRequestHandler):
    server_version = "mlops-dashboard"
    sys_version = ""
    # An idle connection occupies a thread.
    timeout = 30

    def do_GET(self) -> None:
        """Answer a link with a cookie; who has one gets the page or its version."""
        server = cast(DashboardServer, self.server)
        page, problem = server.shown
        if self.headers.get("Host") != server.authority:
            self._answer(HTTPStatus.FORBIDDEN, _TEXT, "", {})
        elif self.command == "GET" and self.path.startswith(f"{server.path}{_OPEN}"):
            self._open(server)
        elif not self._is_allowed(server):
            self._answer(HTTPStatus.UNAUTHORIZED, _TEXT, _NO_ACCESS, {})
        elif self.path == server.path:
            policy = f"{page.policy}; frame-ancestors 'none'"
            self._answer(HTTPStatus.OK, _HTML, page.html, {"Content-Security-Policy": policy})
        elif self.path == f"{server.path}version":
            known = {"version": page.version, "taken": page.taken.isoformat(timespec="seconds"), "problem": problem}
            self._answer(HTTPStatus.OK, _JSON, json.dumps(known), {})
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, f"The only page is {server.address}\n", {})

    def _open(self, server: DashboardServer) -> None:
        cookie = server.access.redeem(self.path.removeprefix(f"{server.path}{_OPEN}"))
        if cookie is not None:
            say(f"for another browser: {server.link()}")
        if not cookie and not self._is_allowed(server):
            self._answer(HTTPStatus.UNAUTHORIZED, _TEXT, _NO_ACCESS, {})
        else:
            kept = f"{_COOKIE}={cookie}; Path={server.path}; HttpOnly; SameSite=Strict"
            headers = {"Location": server.path, **({"Set-Cookie": kept} if cookie else {})}
            self._answer(HTTPStatus.SEE_OTHER, _TEXT, "", headers)

    def _is_allowed(self, server: DashboardServer) -> bool:
        try:
            sent = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return sent is not None and server.access.allows(sent.value)

    def do_HEAD(self) -> None:
        """Answer as for GET, without the body."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: browsers poll every few seconds."""

    def _answer(self, status: HTTPStatus, kind: str, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in (_HEADERS | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


PAGE_FILE: Final = "dashboard.html"
_REST_SECONDS: Final = 15.0
# A long log takes long to read: at most a fifth of the time is spent on it.
_REST_FACTOR: Final = 4.0


@dataclass(frozen=True)
class WrittenResult(Result):
    """The file that the page was written to, and which stages could not be read."""

    file: str
    version: str
    not_known: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """The file."""
        missing = [Line(f"{stage} could not be read; the page says why", "bad") for stage in self.not_known]
        return [*missing, Line(f"dashboard  {self.file}")]


@dataclass(frozen=True)
class ServedResult(Result):
    """Where the page is served: a link that works once."""

    address: str

    def document(self) -> dict[str, Any]:
        """The address."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """The address, and how to stop."""
        return [Line(f"dashboard  {self.address}"), Line("the link works once; Ctrl-C stops the server", "hint")]


def write_page(clients: WorkspaceClients, folder: Path) -> WrittenResult:
    """Write the page into a folder, as one self-contained file. Raises MlopsError if no stage answers."""
    snapshot = take_snapshot(clients)
    page = render(snapshot, served=False)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / PAGE_FILE
    draft = file.with_name(f".{PAGE_FILE}.draft")
    draft.write_text(page.html, encoding="utf-8")
    draft.replace(file)
    not_known = tuple(stage.name for stage in snapshot.stages if stage.status.problem)
    return WrittenResult(str(file), page.version, not_known)


def serve_page(clients: WorkspaceClients, port: int, begun: Callable[[ServedResult], int]) -> int:
    """Serve the page until SIGINT or SIGTERM; `begun` gets the address, and returns the exit code."""
    with stop_signals() as stop, DashboardServer(port, _page(clients)) as server:
        code = begun(ServedResult(server.link()))
        sign_of_life.end()
        threading.Thread(target=server.serve_forever, name="dashboard", daemon=True).start()
        rest = _REST_SECONDS
        while stop.reason is None:
            stop.pause(rest)
            if stop.reason is None:
                rest = _refresh(clients, server)
        server.shutdown()
        return code


def _refresh(clients: WorkspaceClients, server: DashboardServer) -> float:
    """Show the current state, or say why not; return how many seconds to wait."""
    begun = time.monotonic()
    try:
        server.show(_page(clients))
    except (AzureError, MlException, MlopsError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        problem = f"not refreshed: {explained.message if explained else error}"
        server.say(problem)
        say(problem)
    return max(_REST_SECONDS, _REST_FACTOR * (time.monotonic() - begun))


def _page(clients: WorkspaceClients) -> Page:
    return render(take_snapshot(clients), served=True)
