"""Service discovery: the list of clouds, the services of a workspace, and the location of a registry."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.kernel.settings import Settings, cloud_name
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.security.tokens import TENANT

# The first version of the API that answers one cloud instead of a list. Versions are dates.
_SINGLE_CLOUD = "2022-09-01"


class Metadata:
    """Answers with the emulator's own address."""

    def __init__(self, base_url: str, settings: Settings, scopes: Scopes) -> None:
        self._base_url = base_url
        self._settings = settings
        self._scopes = scopes

    def routes(self) -> list[Route]:
        """The routes of this class."""
        return [
            Route("/metadata/endpoints", self.clouds),
            Route("/discovery", self.services),
            Route("/registrymanagement/v1.0/registries/{registry}/discovery", self.registry),
        ]

    async def clouds(self, request: Request) -> Response:
        """The cloud of this emulator; by itself in newer versions of the API, else as a list of one."""
        version = request.query_params.get("api-version", "")
        return JSONResponse(self._cloud() if version >= _SINGLE_CLOUD else [self._cloud()])

    async def services(self, _: Request) -> Response:
        """The services of a workspace, all at one address."""
        names = (
            *("api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "mlflow"),
            *("modelmanagement", "pipelines", "quota-manager", "registry", "studio"),
        )
        return JSONResponse(dict.fromkeys(names, self._base_url))

    async def registry(self, request: Request) -> Response:
        """The location of a registry, which is created on first use. Raises NotFound when strict."""
        scope = self._scopes.find_registry(request.path_params["registry"])
        uri = f"{self._base_url}/"
        return JSONResponse(
            {
                "registryId": scope.guid,
                "registryName": scope.name,
                "registryFqdns": {self._settings.location: {"uri": self._base_url}},
                "tenantId": TENANT,
                "workspaceName": None,
                "intellectualPropertyPublisher": None,
                "primaryRegion": self._settings.location,
                "regions": [self._settings.location],
                "primaryRegionResourceProviderUri": uri,
                "resourceGroup": scope.resource_group,
                "subscriptionId": scope.subscription,
            }
        )

    def _cloud(self) -> dict[str, Any]:
        return {
            "name": cloud_name(self._base_url),
            "portal": "https://portal.azure.com/",
            "resourceManager": f"{self._base_url}/",
            "authentication": {
                "loginEndpoint": f"{self._base_url}/",
                "audiences": [f"{self._base_url}/", "https://management.core.windows.net/"],
                "tenant": TENANT,
                "identityProvider": "AAD",
            },
            "suffixes": {
                "storage": "core.windows.net",
                "keyVaultDns": "vault.azure.net",
                "acrLoginServer": "azurecr.io",
                "sqlServerHostname": "database.windows.net",
            },
        }
