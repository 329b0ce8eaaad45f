"""`mlops dashboard` as functions: the page into a file, or served until somebody ends it, always anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import AzureError

from mlops.azure.clients import WorkspaceClients
from mlops.azure.errors import explain
from mlops.cli.progress import say
from mlops.core.errors import MlopsError
from mlops.core.results import Block, Line, Result
from mlops.core.stopping import stop_signals
from mlops.dashboard.collecting import take_snapshot
from mlops.dashboard.page import Page, render
from mlops.dashboard.server import DashboardServer

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
