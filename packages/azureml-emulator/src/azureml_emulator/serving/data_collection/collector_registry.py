"""The data collectors of all deployments: their folders, their credentials, and the variables of their servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azureml_emulator.kernel.resource_id import ResourcePath, short_name
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.serving.data_collection.collector_config import Collection, read_collector_config
from azureml_emulator.serving.data_collection.collector_server import CollectorServer
from azureml_emulator.serving.data_collection.event_writer import Collector, EventWriter
from azureml_emulator.storage.locator import Locator

_DEFAULT_FOLDER = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"


class CollectorRegistry:
    """Creates and removes data collectors."""

    def __init__(self, locator: Locator, listeners: Listeners, collected_bytes: int) -> None:
        self._locator = locator
        self._writer = EventWriter(collected_bytes)
        self._server = CollectorServer(listeners)

    async def open(self) -> None:
        """Start to accept what scripts collect."""
        await self._server.open()

    async def stop(self) -> None:
        """Stop accepting, and write what is pending."""
        await self._server.close()
        await self._writer.stop()

    def make(
        self, path: ResourcePath, properties: dict[str, Any], folder: Path
    ) -> tuple[Collector | None, dict[str, str]]:
        """The collector for the server that runs in `folder`, and the environment variables that the server needs.

        None and no variables when the deployment collects nothing. Raises NotFound when the data asset of a
        collection does not exist.
        """
        config = read_collector_config(properties)
        if config is None:
            return None, {}
        folders = {name: self._folder(path, collection) for name, collection in config.collections.items()}
        # Named after the folder: two servers of one deployment never append to the same file.
        collector = Collector(config, path.id, folders, folder.name, self._writer)
        variables = self._server.register(f"{short_name(path.key)}-{folder.name}", collector, folder)
        return collector, variables

    def forget(self, path: ResourcePath) -> None:
        """Stop accepting from a deployment."""
        self._server.unregister(short_name(path.key))

    def _folder(self, path: ResourcePath, collection: Collection) -> Path:
        default = f"{_DEFAULT_FOLDER}/{path.parent.name}/{path.name}/{collection.name}"
        return self._locator.path(collection.data_id or default, path.scope)
