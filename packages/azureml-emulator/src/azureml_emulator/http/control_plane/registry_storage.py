"""Temporary access to the storage of registries: to upload the files of an asset, or to read them."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.http.requests import json_body
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.references import InRegistry, parse_reference
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.resources.uploaded_versions import temporary_data_reference
from azureml_emulator.storage.storage_access import StorageAccess


class RegistryStorage:
    """Serves /tempdatarefs and /datarefs."""

    def __init__(self, store: Store, scopes: Scopes, access: StorageAccess) -> None:
        self._store = store
        self._scopes = scopes
        self._access = access

    def routes(self, front_door: str) -> list[Route]:
        """The routes, below the front door of registries; they must precede its generic route."""
        version = "{name}/versions/{version}"
        return [
            Route(f"{front_door}/{{rest:path}}/tempdatarefs/{version}", self.begin_upload, methods=["PUT"]),
            Route(f"{front_door}/{{rest:path}}/datarefs/{version}", self.read, methods=["POST"]),
        ]

    async def begin_upload(self, request: Request) -> Response:
        """Where the files of a version may be uploaded. Whether they become the version is decided by its PUT."""
        scope, asset = await self._asset(request)
        # A second upload for a version gets a container of its own: the SDK skips files that are uploaded already,
        # and would not notice that they differ.
        again = f"/{uuid4()}" if self._store.get(asset.key) is not None else ""
        return JSONResponse(temporary_data_reference(self._access, scope, asset.key + again))

    async def read(self, request: Request) -> Response:
        """A signed address to read the files of a version. Raises BadRequest for an address in other storage."""
        scope, _ = await self._asset(request)
        uri = str((await json_body(request)).get("blobUri", ""))
        account, _, rest = urlsplit(uri).path.lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        if account != scope.storage_account or not container:
            raise BadRequest(f"'{uri}' is not in the storage of the registry '{scope.name}'.", target="blobUri")
        return JSONResponse(
            {
                "blobReferenceForConsumption": {
                    "blobUri": self._access.url(account, container, name),
                    "storageAccountArmId": "",
                    "credential": {
                        "credentialType": "SAS",
                        "sasUri": self._access.readable_account(account, container),
                    },
                }
            }
        )

    async def _asset(self, request: Request) -> tuple[Scope, ResourcePath]:
        text = str((await json_body(request)).get("assetId", ""))
        reference = parse_reference(text)
        if not isinstance(reference, InRegistry) or not reference.version:
            raise BadRequest(f"'{text}' is not the id of a version in a registry.", target="assetId")
        scope = self._scopes.find_registry(reference.registry)
        pairs = ((reference.kind, reference.name), ("versions", reference.version))
        return scope, ResourcePath(scope, pairs)
