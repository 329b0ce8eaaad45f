"""The dashboard as a file, or served on this machine until it is stopped.

The server listens on the loopback address only and answers only under the address that it printed, so that a page of
another site whose name resolves to this machine reads nothing.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
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

    @property
    def address(self) -> str:
        """The URL to open in a browser."""
        return f"http://{self.authority}/"

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
        """Answer with the page, its version, or 404."""
        server = cast(DashboardServer, self.server)
        page, problem = server.shown
        if self.headers.get("Host") != server.authority:
            self._answer(HTTPStatus.TEMPORARY_REDIRECT, _TEXT, server.address, {"Location": server.address})
        elif self.path == "/":
            policy = f"{page.policy}; frame-ancestors 'none'"
            self._answer(HTTPStatus.OK, _HTML, page.html, {"Content-Security-Policy": policy})
        elif self.path == "/version":
            known = {"version": page.version, "taken": page.taken.isoformat(timespec="seconds"), "problem": problem}
            self._answer(HTTPStatus.OK, _JSON, json.dumps(known), {})
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, f"The only page is {server.address}\n", {})

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
    """Where the page is served."""

    address: str

    def document(self) -> dict[str, Any]:
        """The address."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """The address, and how to stop."""
        return [Line(f"dashboard  {self.address}"), Line("Ctrl-C stops it", "hint")]


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
        code = begun(ServedResult(server.address))
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
