"""Where a deployment's collection lies in the workspace's storage, and its files by the hour; knows no lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from mlops.azure.collected_data.window import Window
from mlops.azure.datastore_path import parse_datastore_path
from mlops.core.errors import WorkspaceError

_BLOCK_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class File:
    """A file of a collection, how long it is so far, and the hour that its events were filed under."""

    name: str
    size: int
    hour: datetime


@dataclass(frozen=True)
class Collection:
    """A folder in a container, which a datastore names, with folders by the hour below it."""

    container: ContainerClient
    folder: str
    datastore: str

    def hours(self, window: Window) -> Iterator[list[File]]:
        """The files that may hold events of a window, hour by hour, the newest hour first."""
        for day in window.days():
            listed = self.container.list_blobs(name_starts_with=f"{self.folder}/{day}/")
            hours = ((blob, window.may_hold(self._below(blob.name))) for blob in listed)
            found = [File(blob.name, blob.size, hour) for blob, hour in hours if hour is not None]
            newest_first = sorted(found, key=lambda file: file.name, reverse=True)
            for _, hour in groupby(newest_first, key=lambda file: file.name.rpartition("/")[0]):
                yield list(hour)

    def blocks(self, file: File) -> Iterator[bytes]:
        """A file's bytes as far as it was written when it was listed: it may grow meanwhile."""
        for start in range(0, file.size, _BLOCK_BYTES):
            length = min(_BLOCK_BYTES, file.size - start)
            yield bytes(self.container.download_blob(file.name, offset=start, length=length).readall())

    def _below(self, name: str) -> str:
        return name.removeprefix(f"{self.folder}/")


def find_collections(client: MLClient, endpoint: str, deployment: str, name: str) -> list[Collection]:
    """Where a deployment keeps a collection: a place for each datastore it ever collected to; none for never.

    Raises WorkspaceError for one that lies in no blob datastore.
    """
    asset_name = f"{endpoint}-{deployment}-{name}"
    try:
        # The SDK registers each collection as a data asset of this name when it makes the deployment.
        paths = {str(asset.path) for asset in client.data.list(name=asset_name)}
    except ResourceNotFoundError:
        return []
    return [_collection(client, asset_name, path) for path in sorted(paths)]


def _collection(client: MLClient, asset_name: str, path: str) -> Collection:
    place = parse_datastore_path(client, path)
    if place is None:
        raise WorkspaceError(
            f"the data asset {asset_name} lies at {path}, which is no folder of a blob datastore",
            "Correct `collected_datastore` in project.yml, and archive this version of the data asset.",
        )
    return Collection(place.container, place.name, place.datastore)
