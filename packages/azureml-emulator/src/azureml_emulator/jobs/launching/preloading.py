"""What the warm server is told to import: learned from each code snapshot once, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.launching.imported_modules import third_party_imports
from azureml_emulator.kernel.behaviours import Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.resource_id import ResourcePath
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.uploaded_versions import UploadedVersions
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.storage_access import StorageAccess


class Preload:
    """Reads snapshots and tells `learn` their imports."""

    def __init__(self, learn: Callable[[Iterable[str]], None]) -> None:
        self._learn = learn
        self._seen: set[Path] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def learn(self, snapshot: Path | None) -> None:
        """Read a snapshot that was not read before, in the background."""
        if snapshot is None or snapshot in self._seen or not snapshot.is_dir():
            return
        self._seen.add(snapshot)
        task = asyncio.create_task(self._read(snapshot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, snapshot: Path) -> None:
        self._learn(await asyncio.to_thread(third_party_imports, snapshot))


class CodeVersions(UploadedVersions):
    """Code versions: as soon as one is there, its imports are learned, before any job asks for it."""

    def __init__(self, store: Store, clock: Clock, access: StorageAccess, locator: Locator, preload: Preload) -> None:
        super().__init__(store, clock, access)
        self._locator = locator
        self._preload = preload

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Store the version and learn from it."""
        stored = await super().put(kind, path, body)
        if stored.resource is not None:
            self._preload.learn(self._place(stored))
        return stored

    def _place(self, stored: Stored) -> Path | None:
        try:
            return self._locator.content(stored.resource) if stored.resource else None
        except EmulatorError:
            # Code that lies elsewhere is refused when a job names it; here it only cannot be read ahead.
            return None
