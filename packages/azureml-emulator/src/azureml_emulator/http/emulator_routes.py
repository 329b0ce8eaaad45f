"""The emulator's own routes: its health, and the summary that `azureml-emulator status` shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.store import Store

_UNKNOWN = "Unknown"


class EmulatorRoutes:
    """Serves `/_emulator/health` and `/_emulator/summary`; reads the store, changes nothing."""

    def __init__(self, store: Store, base_url: str) -> None:
        self._store = store
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """The routes of this class."""
        return [Route("/_emulator/health", self.health), Route("/_emulator/summary", self.summary)]

    async def health(self, _: Request) -> Response:
        """Answer once the emulator serves."""
        return JSONResponse({"status": "ready"})

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
