"""What the deployments of an endpoint collected, in the workspace's storage; model_package reads the lines.

Reads with the login in use. Faults in the files are counted, not raised; a refused login or a broken connection raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from mlops.azure.workspace import parse_datastore_path
from mlops.core.errors import WorkspaceError
from model_package.collected.newest import NewestRows, read_newest
from model_package.collected.window import Window
from model_package.tasks import Task

_CHUNK_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class BlobFile:
    """A file of a collection: its size when it was listed, and the hour that its lines were filed under."""

    container: ContainerClient
    name: str
    size: int
    hour: datetime

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes that were there when the file was listed; it may have grown since."""
        for start in range(0, self.size, _CHUNK_BYTES):
            length = min(_CHUNK_BYTES, self.size - start)
            yield bytes(self.container.download_blob(self.name, offset=start, length=length).readall())


@dataclass(frozen=True)
class BlobCollection:
    """A folder in a datastore's container, with one folder per hour below it."""

    container: ContainerClient
    folder: str
    datastore: str

    def hours(self, window: Window) -> Iterator[list[BlobFile]]:
        """Yield the files that may hold rows of a window, hour by hour, the newest hour first."""
        for day in window.days():
            listed = self.container.list_blobs(name_starts_with=f"{self.folder}/{day}/")
            hours = ((blob, window.hour_of(self._below(blob.name))) for blob in listed)
            found = [BlobFile(self.container, blob.name, blob.size, hour) for blob, hour in hours if hour is not None]
            newest_first = sorted(found, key=lambda file: file.name, reverse=True)
            for _, hour in groupby(newest_first, key=lambda file: file.name.rpartition("/")[0]):
                yield list(hour)

    def _below(self, name: str) -> str:
        return name.removeprefix(f"{self.folder}/")


def read_collected(
    client: MLClient, endpoint: str, deployments: Sequence[str], task: Task, window: Window, at_most: int | None = None
) -> NewestRows:
    """Read what an endpoint's deployments collected in a window: the newest `at_most` rows, or all of them.

    The answers are those of a task.

    Name the live deployment first: a row that several have is taken from the first. Raises HttpResponseError when the
    storage refuses, WorkspaceError as `find_collections` does.
    """

    def find(deployment: str, name: str) -> list[BlobCollection]:
        return find_collections(client, endpoint, deployment, name)

    return read_newest(deployments, find, task, window, at_most)


def find_collections(client: MLClient, endpoint: str, deployment: str, name: str) -> list[BlobCollection]:
    """Return a deployment's collection of a name, one for each datastore that it ever collected to.

    Raises WorkspaceError for one that is not in a blob datastore.
    """
    asset_name = f"{endpoint}-{deployment}-{name}"
    try:
        # The SDK registers each collection as a data asset of this name when it creates the deployment.
        paths = {str(asset.path) for asset in client.data.list(name=asset_name)}
    except ResourceNotFoundError:
        return []
    return [_collection(client, asset_name, path) for path in sorted(paths)]


def _collection(client: MLClient, asset_name: str, path: str) -> BlobCollection:
    address = parse_datastore_path(client, path)
    if address is None:
        raise WorkspaceError(
            f"the data asset {asset_name} is at {path}, which is not a folder of a blob datastore",
            "Correct `collected_datastore` in project.yml, and archive this version of the data asset.",
        )
    return BlobCollection(address.container, address.name, address.datastore)
