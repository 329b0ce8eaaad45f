"""Tells the fork server what to import: what the code of steps imports, read in the background before a job runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.launching.imported_modules import third_party_imports
from azureml_emulator.jobs.launching.project_code import project_root, step_code
from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.behaviours import Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.uploaded_versions import UploadedVersions
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.storage_access import StorageAccess


class Preloader:
    """Reads code in the background, and passes the modules that it imports to `learn`."""

    def __init__(self, learn: Callable[[Iterable[str]], None]) -> None:
        self._learn = learn
        self._seen: set[Path] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def learn_snapshot(self, snapshot: Path | None) -> None:
        """Read a code snapshot, once."""
        if snapshot is None or snapshot in self._seen or not snapshot.is_dir():
            return
        self._seen.add(snapshot)
        self._read(lambda: third_party_imports([snapshot]))

    def learn_project(self, folder: Path) -> None:
        """Read the code of the steps in the project that a folder is in, which is likely to be run."""
        root = project_root(folder)
        if root is not None:
            self._read(lambda: {name for code in step_code(root) for name in third_party_imports(code)})

    def _read(self, find: Callable[[], set[str]]) -> None:
        async def read() -> None:
            self._learn(await asyncio.to_thread(find))

        task = run_once(read(), "reading the imports of code")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class CodeVersions(UploadedVersions):
    """Code versions, whose imports are learned as soon as they are stored."""

    def __init__(
        self, store: Store, clock: Clock, access: StorageAccess, locator: Locator, preloader: Preloader
    ) -> None:
        super().__init__(store, clock, access)
        self._locator = locator
        self._preloader = preloader

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store the version and learn from it."""
        properties = body.get("properties", {})
        if isinstance(properties.get("codeUri"), str):
            uri = self.access.current(properties["codeUri"])
            body = {**body, "properties": {**properties, "codeUri": uri}}
        stored = await super().put(kind, path, body)
        if stored.resource is not None:
            self._preloader.learn_snapshot(self._folder(stored))
        return stored

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with an address from which the SDK can download; no code is shown as anonymous."""
        document = super().present(resource.with_properties(isAnonymous=False))
        uri = self.access.azure_url(resource.properties["codeUri"])
        return {**document, "properties": {**document["properties"], "codeUri": uri}}

    def _folder(self, stored: Stored) -> Path | None:
        try:
            return self._locator.content(stored.resource) if stored.resource else None
        except EmulatorError:
            # Code outside the emulator's storage is refused when a job uses it; here it just cannot be read.
            return None
