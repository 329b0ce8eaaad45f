"""Sharing with registries: a registry imports an asset of a workspace, with a copy of its bytes."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from azureml_emulator.kernel.behaviours import Behaviours
from azureml_emulator.kernel.errors import BadRequest, Conflict, NotModelled
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.operations import Operation, Operations
from azureml_emulator.kernel.references import InWorkspaceGuid, parse_reference
from azureml_emulator.kernel.resource_id import ResourcePath, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.models import CONTENT_DIGEST
from azureml_emulator.storage.blobs import IMMUTABLE_PREFIX, Blobs
from azureml_emulator.storage.locator import Locator, is_web
from azureml_emulator.storage.storage_access import StorageAccess


class RegistryImport:
    """Imports assets into registries."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        locator: Locator,
        blobs: Blobs,
        access: StorageAccess,
        behaviours: Behaviours,
    ) -> None:
        self._store = store
        self._operations = operations
        self._locator = locator
        self._blobs = blobs
        self._access = access
        self._behaviours = behaviours

    async def begin_import(self, registry: Resource, body: dict[str, Any]) -> Operation:
        """POST import: copy the asset that `sourceAssetId` names. Raises BadRequest or NotFound at once."""
        if registry.kind != "registries":
            raise BadRequest("Assets can be imported into registries only.")
        properties = body.get("properties") or body
        reference = parse_reference(str(properties.get("sourceAssetId", "")))
        if not isinstance(reference, InWorkspaceGuid):
            raise BadRequest("'sourceAssetId' must refer to an asset of a workspace.", target="sourceAssetId")
        scope = parse_resource_path(registry.id).scope
        source = self._locator.asset(str(properties["sourceAssetId"]), reference.kind, scope)
        name = properties.get("destinationName") or reference.name
        version = properties.get("destinationVersion") or source.name
        target = ResourcePath(scope, ((reference.kind, name), ("versions", version)))
        return self._operations.start(target.id, self._import(source, target))

    async def _import(self, source: Resource, target: ResourcePath) -> None:
        if source.kind not in _IMPORTED:
            raise NotModelled(f"The emulator can share {', '.join(_IMPORTED)}, not {source.kind}.")
        kind = kind_of(source.kind)
        kind.check_name(target.parent.name)
        existing = self._store.get(target.key)
        if existing is not None:
            refuse_other_content(source, existing)
            return
        properties = dict(source.properties)
        properties.pop("provisioningState", None)
        if source.kind == "data/versions":
            properties["dataUri"] = await self._copy_data(source, target)
        await self._behaviours.of(kind).put(kind, target, {"properties": properties})

    async def _copy_data(self, source: Resource, target: ResourcePath) -> str:
        uri = str(source.properties["dataUri"])
        if is_web(uri) and self._locator.web_address(uri, parse_resource_path(source.id).scope):
            return uri
        content = self._locator.content(source)
        if not content.exists():
            raise BadRequest(f"The files of {source.id} were not found.", code="UserError")
        account, container = target.scope.storage_account, target.scope.default_container
        name = f"{IMMUTABLE_PREFIX}{'/'.join(part for pair in target.pairs for part in pair)}/{content.name}"
        path = self._blobs.path(account, container, name)
        await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)
        try:
            await asyncio.to_thread(self._blobs.copy, content, account, container, name)
        except OSError:
            await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)
            raise
        return self._access.url(account, container, name)


def refuse_other_content(source: Resource, existing: Resource) -> None:
    """Raise Conflict unless the existing version has the same content as the imported one."""
    if source.kind == "models/versions":
        same = source.internal.get(CONTENT_DIGEST) == existing.internal.get(CONTENT_DIGEST)
    else:
        content = kind_of(source.kind).content
        same = all(source.properties.get(name) == existing.properties.get(name) for name in content)
    if not same:
        raise Conflict(
            f"{existing.id} already exists with other content. A version is immutable: share it under a new version.",
            code="UserError",
        )


_IMPORTED = ("models/versions", "environments/versions", "data/versions")
