"""Gives a deployment its data collector: where its collections lie, who may send to them, what its server must know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azureml_emulator.kernel.resource_id import ResourcePath, short_name
from azureml_emulator.serving.data_collection.collector_config import Collection, read_collector
from azureml_emulator.serving.data_collection.collector_server import CollectorPort
from azureml_emulator.serving.data_collection.event_writer import CollectedData, Collector
from azureml_emulator.storage.locator import Locator

_DEFAULT_PLACE = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"


class Collectors:
    """The data collectors of all deployments."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._data = CollectedData()
        self._port = CollectorPort()

    async def open(self) -> None:
        """Begin to take what scripts collect."""
        await self._port.open()

    async def stop(self) -> None:
        """Write what was taken, and take no more."""
        await self._port.close()
        await self._data.stop()

    def make(
        self, path: ResourcePath, properties: dict[str, Any], folder: Path
    ) -> tuple[Collector | None, dict[str, str]]:
        """The collector of the server that runs in `folder`, and the variables that the server needs.

        None and no variables when the deployment collects nothing.
        Raises NotFound when the data asset of a collection is not there.
        """
        plan = read_collector(properties)
        if plan is None:
            return None, {}
        folders = {name: self._folder(path, collection) for name, collection in plan.collections.items()}
        # Named after the folder: two servers of one deployment never append to the same file.
        collector = Collector(plan, path.id, folders, folder.name, self._data)
        variables = self._port.admit(f"{short_name(path.key)}-{folder.name}", collector, folder)
        return collector, variables

    def forget(self, path: ResourcePath) -> None:
        """Take nothing more from a deployment."""
        self._port.dismiss(short_name(path.key))

    def _folder(self, path: ResourcePath, collection: Collection) -> Path:
        default = f"{_DEFAULT_PLACE}/{path.parent.name}/{path.name}/{collection.name}"
        return self._locator.path(collection.data_id or default, path.scope)
