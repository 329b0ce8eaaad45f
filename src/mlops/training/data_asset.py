"""A data file as a version of the project's data asset: the same bytes, the same version.

Uploads only what the workspace does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data
from azure.core.exceptions import ResourceNotFoundError

from mlops.errors import InputError
from mlops.package import file_sha256
from mlops.progress import say
from mlops.quiet import quiet

VERSION_CHARACTERS: Final = 16
_SHA256_TAG: Final = "sha256"
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True)
class DataVersion:
    """A version of a data asset in the workspace, and the sha256 of its file."""

    name: str
    version: str
    sha256: str

    @property
    def reference(self) -> str:
        """How a job names it."""
        return f"azureml:{self.name}:{self.version}"


def ensure_data(client: MLClient, name: str, file: Path) -> DataVersion:
    """The data asset version with the file's content; uploads the file when there is none.

    Raises InputError when `file` is no file.
    """
    if not file.is_file():
        raise InputError(f"{file} is no file", "Give the path of a data file to --data.")
    sha256 = file_sha256(file)
    data = DataVersion(name, sha256[:VERSION_CHARACTERS], sha256)
    if not _exists(client, data):
        say(f"uploading {file.name} ({file.stat().st_size / _MEGABYTE:.1f} MB) as {data.reference}")
        _upload(client, data, file)
    return data


def _exists(client: MLClient, data: DataVersion) -> bool:
    try:
        client.data.get(data.name, data.version)
    except ResourceNotFoundError:
        return False
    return True


def _upload(client: MLClient, data: DataVersion, file: Path) -> None:
    asset = Data(
        name=data.name,
        version=data.version,
        type=AssetTypes.URI_FILE,
        path=str(file),
        description=f"uploaded from {file.name}",
        tags={_SHA256_TAG: data.sha256},
    )
    with quiet():
        client.data.create_or_update(asset)
