"""The dashboard as a file, or served on this machine until it is stopped.

The server listens on the loopback address only and answers only under the address that it printed, so that a page of
another site whose name resolves to this machine reads nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, cast

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.errors import explain
from mlops.azure.workspace import WorkspaceClients
from mlops.cli.progress import say
from mlops.core.errors import MachineError, MlopsError
from mlops.core.loopback import LOOPBACK, LoopbackServer
from mlops.core.results import Block, Line, Result
from mlops.core.waiting import stop_signals
from mlops.dashboard.page import Page, render
from mlops.dashboard.snapshot import take_snapshot

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


PAGE_FILE: Final = "dashboard.html"
_REST_SECONDS: Final = 15.0
# A long log takes long to read: asking for it takes a fifth of the time at most.
_REST_FACTOR: Final = 4.0


@dataclass(frozen=True)
class WrittenResult(Result):
    """The file that the page was written to, and which stages could not be asked."""

    file: str
    version: str
    not_known: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Everything."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """The file."""
        missing = [Line(f"{stage} could not be asked; the page says why", "bad") for stage in self.not_known]
        return [*missing, Line(f"dashboard  {self.file}")]


@dataclass(frozen=True)
class ServedResult(Result):
    """Where the page is served."""

    address: str

    def document(self) -> dict[str, Any]:
        """The address."""
        return asdict(self)

    def blocks(self) -> Sequence[Block]:
        """The address, and how to end it."""
        return [Line(f"dashboard  {self.address}"), Line("Ctrl-C ends it", "hint")]


def write_page(clients: WorkspaceClients, folder: Path) -> WrittenResult:
    """Write the page into a folder, as one file that needs nothing else. Raises MlopsError when nobody answers."""
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
    """Serve the page until SIGINT or SIGTERM; `begun` is told where, and gives the exit code."""
    with stop_signals() as stop, DashboardServer(port, _page(clients)) as server:
        code = begun(ServedResult(server.address))
        threading.Thread(target=server.serve_forever, name="dashboard", daemon=True).start()
        rest = _REST_SECONDS
        while stop.reason is None:
            stop.pause(rest)
            if stop.reason is None:
                rest = _refresh(clients, server)
        server.shutdown()
        return code


def _refresh(clients: WorkspaceClients, server: DashboardServer) -> float:
    """Show what is now, or say why not; how many seconds to rest then."""
    begun = time.monotonic()
    try:
        server.show(_page(clients))
    except (AzureError, MlException, MlopsError) as error:
        explained = error if isinstance(error, MlopsError) else explain(error)
        problem = f"not renewed: {explained.message if explained else error}"
        server.say(problem)
        say(problem)
    return max(_REST_SECONDS, _REST_FACTOR * (time.monotonic() - begun))


def _page(clients: WorkspaceClients) -> Page:
    return render(take_snapshot(clients), served=True)
