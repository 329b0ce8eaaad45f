"""Serves one page to browsers on this machine, and nobody else; what is on it is made elsewhere.

Only this machine can connect, and only under the address that is printed: a page of somebody else's, whose name leads
to this machine, is sent away, and so reads nothing.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final, cast

from mlops.core.errors import MachineError
from mlops.core.loopback import LOOPBACK, LoopbackServer
from mlops.dashboard.page import Page

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
# What no answer is without. The page's own policy is added to its answer.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class DashboardServer(LoopbackServer):
    """Answers with the page that was shown last; `problem` says why there is no newer one."""

    def __init__(self, port: int, page: Page) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise MachineError(
                f"port {port} of this machine cannot be served: {error.strerror or error}",
                "Give another one: `mlops dashboard --port 0` takes one that is free.",
            ) from error
        self._lock = threading.Lock()
        self._page, self._problem = page, ""

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{self.authority}/"

    @property
    def shown(self) -> tuple[Page, str]:
        """The page, and why it is not newer."""
        with self._lock:
            return self._page, self._problem

    def show(self, page: Page) -> None:
        """Answer with this page from now on."""
        with self._lock:
            self._page, self._problem = page, ""

    def say(self, problem: str) -> None:
        """Keep the page, and say why."""
        with self._lock:
            self._problem = problem


class _Handler(BaseHTTPRequestHandler):
    server_version = "mlops-dashboard"
    sys_version = ""
    # A connection that says nothing holds a thread.
    timeout = 30

    def do_GET(self) -> None:
        """Answer with the page, its version, or that there is nothing else."""
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
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, f"There is one page here: {server.address}\n", {})

    def do_HEAD(self) -> None:
        """Answer as to GET, without the body."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: browsers ask every few seconds."""

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
