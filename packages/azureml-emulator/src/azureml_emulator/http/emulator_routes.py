"""The emulator's own routes: its health, what `azureml-emulator status` shows, and its listeners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.security.page_access import LINK_SECONDS

_UNKNOWN = "Unknown"


class EmulatorRoutes:
    """Serves `/_emulator/…`; `link` makes a link to MLflow's pages."""

    def __init__(self, store: Store, base_url: str, listeners: Listeners, link: Callable[[], str]) -> None:
        self._store = store
        self._base_url = base_url
        self._listeners = listeners
        self._link = link

    def routes(self) -> list[Route]:
        """The routes of this class."""
        return [
            Route("/_emulator/health", self.health),
            Route("/_emulator/summary", self.summary),
            Route("/_emulator/listeners", self.listeners),
            Route("/_emulator/control/mlflow-link", self.mlflow_link, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        """Answer once the emulator serves."""
        return JSONResponse({"status": "ready"})

    async def listeners(self, _: Request) -> Response:
        """Every port that the emulator listens on, with the reason."""
        return JSONResponse(self._listeners.document())

    async def mlflow_link(self, _: Request) -> Response:
        """A new link to MLflow's pages, which works once."""
        return JSONResponse({"link": self._link(), "seconds": LINK_SECONDS})

    async def summary(self, _: Request) -> Response:
        """Workspaces and registries by name, jobs by state, deployments with their states, and MLflow's address."""
        jobs = Counter(job.properties.get("status", _UNKNOWN) for job in self._store.of_kind("jobs"))
        deployments = self._store.of_kind("onlineendpoints/deployments")
        summary: dict[str, Any] = {
            "mlflow": (self._store.record("address", "mlflow") or {}).get("url"),
            "workspaces": [workspace.name for workspace in self._store.of_kind("workspaces")],
            "registries": [registry.name for registry in self._store.of_kind("registries")],
            "jobs": dict(sorted(jobs.items())),
            "deployments": {
                _deployment_name(each.id): each.properties.get("provisioningState", _UNKNOWN) for each in deployments
            },
            "address": self._base_url,
        }
        return JSONResponse(summary)


def _deployment_name(identifier: str) -> str:
    """`endpoint/deployment` of a deployment's id."""
    parts = identifier.split("/")
    return f"{parts[-3]}/{parts[-1]}"
