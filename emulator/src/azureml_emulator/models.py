"""Model versions: their bytes are copied when they are registered, so that no one can change them after.

On Azure a model version points to where its files were, and the service trusts that nobody writes there
again. Here a job's folder and uploads are plain files, so a registration takes a copy below a prefix that
the blob service refuses to write to; the version points to that copy.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from azureml_emulator.assets import UploadedVersions
from azureml_emulator.behaviours import Stored
from azureml_emulator.blobs import IMMUTABLE_PREFIX, Blobs
from azureml_emulator.clock import Clock
from azureml_emulator.digest import digest_of
from azureml_emulator.errors import BadRequest, Conflict
from azureml_emulator.kinds import Kind
from azureml_emulator.locator import Locator
from azureml_emulator.resource_id import ResourcePath, Scope
from azureml_emulator.scopes import DEFAULT_DATASTORE
from azureml_emulator.storage_access import StorageAccess
from azureml_emulator.store import Store

# The name of the internal fact that says what a registered model's bytes are.
CONTENT_DIGEST = "digest"
_MLFLOW_TYPE = "mlflow_model"
_MLFLOW_FILE = "MLmodel"
_READ_ONLY = 0o400


class Models(UploadedVersions):
    """Registers models."""

    def __init__(
        self, store: Store, clock: Clock, access: StorageAccess, blobs: Blobs, locator: Locator
    ) -> None:
        super().__init__(store, clock, access)
        self._blobs = blobs
        self._locator = locator

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Register a version with a copy of its files, or change what may change of one.

        Raises BadRequest when the files are not there, Conflict for other content under a known version.
        """
        properties = body.get("properties", {})
        uri = properties.get("modelUri")
        if not isinstance(uri, str) or not uri:
            raise BadRequest("A model version needs 'modelUri'.", code="UserError", target="modelUri")
        if self.store.get(path.key) is None:
            source = self._source(uri, properties, path.scope)
            content, digest = await asyncio.to_thread(self._copy, source)
            try:
                return await self._register(kind, path, body, content, digest)
            finally:
                await asyncio.to_thread(shutil.rmtree, content.parent, ignore_errors=True)
        await self._refuse_other_bytes(path, uri)
        return await super().put(kind, path, self._as_registered(path, body))

    async def _refuse_other_bytes(self, path: ResourcePath, uri: str) -> None:
        """Raise Conflict when the place a version was registered from has other bytes by now."""
        existing = self.store.get(path.key)
        if existing is None or self._access.current(uri) == self._access.current(
            existing.properties["modelUri"]
        ):
            return
        source = self._locator.path(uri, path.scope)
        digest = await asyncio.to_thread(digest_of, source) if source.exists() else None
        if digest is not None and digest != existing.internal[CONTENT_DIGEST]:
            raise Conflict(
                f"models '{path.parent.name}' version '{path.name}' already exists with other content: the "
                f"files at '{uri}' are not those it was registered with. A version is immutable: "
                "register a new version.",
                code="UserError",
            )

    async def _register(
        self, kind: Kind, path: ResourcePath, body: dict[str, Any], content: Path, digest: str
    ) -> Stored:
        """Move the copy to its place and store the version; without an await in between."""
        if self.store.get(path.key) is not None:
            return await super().put(kind, path, self._as_registered(path, body))
        properties = body["properties"]
        account, container = path.scope.storage_account, path.scope.default_container
        name = f"{IMMUTABLE_PREFIX}{'/'.join(part for pair in path.pairs for part in pair)}/{content.name}"
        target = self._blobs.path(account, container, name)
        if target.parent.exists():
            shutil.rmtree(target.parent)
        target.parent.mkdir(parents=True)
        flavors = properties.get("flavors") or _flavors(content)
        content.replace(target)
        address = self._address(path.scope, name)
        sent = {**properties, "modelUri": address, "flavors": flavors}
        stored = await super().put(kind, path, {**body, "properties": sent})
        if stored.resource is None:
            return stored
        facts = {"sentUri": properties["modelUri"], CONTENT_DIGEST: digest}
        return Stored(self.store.put(stored.resource.with_internal(**facts)), stored.created)

    def _as_registered(self, path: ResourcePath, body: dict[str, Any]) -> dict[str, Any]:
        """A body that names the place the version was registered from names the version's own place."""
        existing = self.store.get(path.key)
        if existing is None:
            return body
        properties = body["properties"]
        uri = self._access.current(properties["modelUri"])
        known = {existing.internal.get("sentUri"), self._access.current(existing.properties["modelUri"])}
        same = uri in known or properties["modelUri"] in known
        kept = existing.properties["modelUri"] if same else properties["modelUri"]
        flavors = properties.get("flavors") or existing.properties.get("flavors", {})
        return {**body, "properties": {**properties, "modelUri": kept, "flavors": flavors}}

    def _source(self, uri: str, properties: dict[str, Any], scope: Scope) -> Path:
        source = self._locator.path(uri, scope)
        if not source.exists() or (source.is_dir() and not any(source.iterdir())):
            raise BadRequest(
                f"The model's files were not found: '{uri}' has none. Check the job's output or upload them.",
                code="UserError",
                target="modelUri",
            )
        if properties.get("modelType") == _MLFLOW_TYPE and not (source / _MLFLOW_FILE).is_file():
            raise BadRequest(
                f"'{uri}' is no MLflow model: it has no file {_MLFLOW_FILE}.",
                code="UserError",
                target="modelUri",
            )
        return source

    def _copy(self, source: Path) -> tuple[Path, str]:
        """A read-only copy of the source under its own name, alone in a folder; and its digest."""
        folder = self._blobs.root / f".copy-{uuid4().hex}"
        target = folder / source.name
        folder.mkdir()
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
        for file in [target, *target.rglob("*")]:
            if file.is_file():
                file.chmod(_READ_ONLY)
        return target, digest_of(target)

    def _address(self, scope: Scope, name: str) -> str:
        if scope.kind == "registries":
            return self._access.url(scope.storage_account, scope.default_container, name)
        place = f"subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}"
        return f"azureml://{place}/workspaces/{scope.name}/datastores/{DEFAULT_DATASTORE}/paths/{name}"


def _flavors(content: Path) -> dict[str, Any]:
    """What an MLflow model says it can be loaded as; clients need the key for every other model too."""
    file = content / _MLFLOW_FILE
    if not file.is_file():
        return {}
    document = yaml.safe_load(file.read_text())
    flavors = document.get("flavors", {}) if isinstance(document, dict) else {}
    return {
        name: {"data": {key: str(value) for key, value in (data or {}).items()}}
        for name, data in flavors.items()
    }
