"""What Azure has beside a workspace: Application Insights, a key vault and a storage account, which are names here.

Clients read and delete them before they delete the workspace. There is nothing behind the names to delete.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.errors import NotFound
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.scope_answers import workspace_properties

_NAMED = ("applicationInsights", "keyVault", "storageAccount")
_TYPES = ("Microsoft.insights/components", "Microsoft.Keyvault/vaults", "Microsoft.Storage/storageAccounts")


class BesideWorkspaces:
    """Serves the resources that the answers of workspaces name."""

    def __init__(self, store: Store, base_url: str) -> None:
        self._store = store
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """A route per type, in both spellings that clients use."""
        return [
            Route(
                f"/subscriptions/{{s}}/{group}/{{g}}/providers/{kind}/{{name}}", self.serve, methods=["GET", "DELETE"]
            )
            for group in ("resourcegroups", "resourceGroups")
            for kind in _TYPES
        ]

    async def serve(self, request: Request) -> Response:
        """Answer a resource by its name, or take its deletion. Raises NotFound for what no workspace names."""
        path = request.url.path
        kind = next((kind for kind in _TYPES if f"/providers/{kind}/".lower() in path.lower()), "")
        found = self._find(path)
        if found is None:
            raise NotFound(f"The Resource '{kind}' at '{path}' was not found.", code="ResourceNotFound")
        if request.method == "DELETE":
            return Response(status_code=200)
        return JSONResponse({**found, "name": path.rpartition("/")[2], "type": kind, "properties": {}})

    def _find(self, path: str) -> dict[str, Any] | None:
        for workspace in self._store.of_kind("workspaces"):
            created = workspace.document["systemData"]["createdAt"]
            named = workspace_properties(parse_resource_path(workspace.id).scope, created, self._base_url)
            for field in _NAMED:
                if named[field].lower() == path.lower():
                    return {"id": named[field], "location": workspace.document["location"], "tags": {}}
        return None
