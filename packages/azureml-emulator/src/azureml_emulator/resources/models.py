"""Model versions: registration copies the model's files, so that they cannot change afterwards.

On Azure a model version points to its original files, and the service relies on their not being overwritten. Here
outputs of jobs and uploads are plain files, so a registration copies them below a prefix to which the Blob service
does not write, and the version points to the copy.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from azureml_emulator.kernel.behaviours import Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.immutability import changed_content
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.model_registry.documents import aliases_of
from azureml_emulator.resources.normal_forms import datastore_path, read_yaml
from azureml_emulator.resources.scopes import DEFAULT_DATASTORE
from azureml_emulator.resources.uploaded_versions import UploadedVersions
from azureml_emulator.storage.blobs import IMMUTABLE_PREFIX, Blobs
from azureml_emulator.storage.content_digest import content_digest
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.storage_access import StorageAccess
from azureml_emulator.storage.uploads import Uploads

# The internal field with the digest of a registered model's files.
CONTENT_DIGEST = "digest"
MLFLOW_TYPE = "mlflow_model"
MLFLOW_FILE = "MLmodel"
_READ_ONLY = 0o400
# Properties that a client may leave out without changing them.
_KEPT = ("jobName", "stage")
# The property that shows the aliases of a version.
_ALIASES = "mlflow.aliases"


class Models(UploadedVersions):
    """Registers models."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        access: StorageAccess,
        blobs: Blobs,
        uploads: Uploads,
        locator: Locator,
    ) -> None:
        super().__init__(store, clock, access)
        self._blobs = blobs
        self._uploads = uploads
        self._locator = locator

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Register a version with a copy of its files, or change the mutable properties of an existing one.

        Raises BadRequest when the files do not exist, or are others than those of an existing version.
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
        return await super().put(kind, path, await self._as_registered(kind, path, body))

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with the aliases that MLflow gave the version among its properties."""
        container = self.store.get(resource.parent)
        aliases = aliases_of(container, resource.name) if container else []
        bag = {name: text for name, text in (resource.properties.get("properties") or {}).items() if name != _ALIASES}
        shown = {**bag, _ALIASES: ", ".join(aliases)} if aliases else bag
        return super().present(resource.with_properties(properties=shown))

    async def _register(
        self, kind: Kind, path: ResourcePath, body: dict[str, Any], content: Path, digest: str
    ) -> Stored:
        """Move the copy to its final path and store the version, without an await in between."""
        existing = self.store.get(path.key)
        properties = body["properties"]
        if existing is not None:
            _refuse_other(kind, existing, digest)
            return Stored(existing)
        account, container = path.scope.storage_account, path.scope.default_container
        name = f"{IMMUTABLE_PREFIX}{'/'.join(part for pair in path.pairs for part in pair)}/{content.name}"
        flavors = properties.get("flavors") or _flavors(content)
        _move(content, self._blobs.path(account, container, name))
        address = self._address(path.scope, name)
        job = properties.get("jobName") or self._locator.job_of(properties["modelUri"], path.scope)
        sent = {**properties, "modelUri": address, "flavors": flavors, "jobName": job}
        stored = await super().put(kind, path, {**body, "properties": sent})
        if stored.resource is None:
            return stored
        digested = stored.resource.with_internal(**{CONTENT_DIGEST: digest})
        return Stored(self.store.put(digested), stored.created)

    async def _as_registered(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> dict[str, Any]:
        """The body, with its address replaced by that of the registered copy.

        Raises BadRequest when the files at the given address differ from the registered ones.
        """
        existing = self.store.get(path.key)
        if existing is None:
            return body
        properties = body["properties"]
        uri = self.access.current(properties["modelUri"])
        if uri != self.access.current(existing.properties["modelUri"]):
            source = self._source(uri, properties, path.scope)
            _refuse_other(kind, existing, await asyncio.to_thread(content_digest, source))
        flavors = properties.get("flavors") or existing.properties.get("flavors", {})
        kept = {"modelUri": existing.properties["modelUri"], "flavors": flavors}
        for name in _KEPT:
            kept[name] = properties.get(name) or existing.properties.get(name)
        return {**body, "properties": {**properties, **kept}}

    def _source(self, uri: str, properties: dict[str, Any], scope: Scope) -> Path:
        source = self._locator.path(uri, scope)
        if not source.exists() or (source.is_dir() and not any(source.iterdir())):
            raise BadRequest(
                f"The model's files were not found at '{uri}'. Check the job's output, or upload the files.",
                code="UserError",
                target="modelUri",
            )
        if properties.get("modelType") == MLFLOW_TYPE and not (source / MLFLOW_FILE).is_file():
            raise BadRequest(
                f"'{uri}' is not an MLflow model: it has no file {MLFLOW_FILE}.",
                code="UserError",
                target="modelUri",
            )
        return source

    def _copy(self, source: Path) -> tuple[Path, str]:
        """A read-only copy of the source in a temporary folder of its own, and its digest."""
        folder = self._uploads.scratch()
        target = folder / source.name
        try:
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)
        except OSError:
            shutil.rmtree(folder)
            raise
        for file in [target, *target.rglob("*")]:
            if file.is_file():
                file.chmod(_READ_ONLY)
        return target, content_digest(target)

    def _address(self, scope: Scope, name: str) -> str:
        if scope.kind == "registries":
            return self.access.url(scope.storage_account, scope.default_container, name)
        return datastore_path(scope, DEFAULT_DATASTORE, name)


def _refuse_other(kind: Kind, existing: Resource, digest: str) -> None:
    if digest != existing.internal[CONTENT_DIGEST]:
        raise changed_content(kind, existing, "modelUri")


def _move(content: Path, target: Path) -> None:
    # Files may remain there from a deleted version, or from a registration that was killed before it was stored.
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    content.replace(target)


def _flavors(content: Path) -> dict[str, Any]:
    """The flavors of an MLflow model; empty for any other model, for which clients need the key as well."""
    file = content / MLFLOW_FILE
    if not file.is_file():
        return {}
    document = read_yaml(file.read_text(errors="replace"))
    flavors = document.get("flavors") if isinstance(document, dict) else None
    if not isinstance(flavors, dict) or not all(isinstance(data or {}, dict) for data in flavors.values()):
        raise BadRequest(f"{MLFLOW_FILE} is not that of a model of MLflow: it needs 'flavors'.", code="UserError")
    return {name: {"data": {key: str(value) for key, value in (data or {}).items()}} for name, data in flavors.items()}
