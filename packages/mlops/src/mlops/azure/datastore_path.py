"""The blob container and path behind an azureml:// path of a datastore; does not read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.entities import AzureBlobDatastore
from azure.storage.blob import ContainerClient

from mlops.azure.workspace import open_container

_PATH: Final = re.compile(r"azureml://.*?datastores/(?P<datastore>[^/]+)/paths/(?P<name>.+?)/?")


@dataclass(frozen=True)
class BlobAddress:
    """A file or folder in the container of a datastore."""

    container: ContainerClient
    name: str
    datastore: str


def parse_datastore_path(client: MLClient, path: str) -> BlobAddress | None:
    """The address of a path; None if it is not in a blob datastore."""
    found = _PATH.fullmatch(path)
    datastore = client.datastores.get(found["datastore"]) if found else None
    if found is None or not isinstance(datastore, AzureBlobDatastore):
        return None
    return BlobAddress(open_container(datastore), found["name"], found["datastore"])
