"""A data file as a version of the project's data asset: the same bytes, the same version.

Uploads only what the workspace does not have, and refuses files that cannot be data. What validation refuses is
archived, so that it does not become the latest version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import Data
from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.sdk_output import suppress_output
from mlops.azure.workspace import parse_datastore_path
from mlops.cli.progress import say
from mlops.core.errors import InputError, WorkspaceError
from model_package.digest import file_sha256

VERSION_CHARACTERS: Final = 16
NEWEST: Final = "newest"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SHA256_TAG: Final = "sha256"
_MEGABYTE: Final = 1_000_000
_BEGIN_BYTES: Final = 4096
# Only validation can judge these; anything else must be text.
_BINARY_FORMATS: Final = frozenset({".parquet", ".arrow", ".feather", ".avro", ".orc", ".gz", ".zip", ".zst"})

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_HEADER_CHARACTERS: Final = 1_000_000
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True)
class DataVersion:
    """A version of a data asset in the workspace, and the sha256 of its file."""

    name: str
    version: str
    sha256: str

    @property
    def reference(self) -> str:
        """The reference to it in a job."""
        return f"azureml:{self.name}:{self.version}"


@dataclass(frozen=True)
class Origin:
    """Where the rows of a version come from: a description for people, and tags for programs to find it by."""

    description: str
    tags: Mapping[str, str] = field(default_factory=dict)


def ensure_data(
    client: MLClient, name: str, file: Path, origin: Origin | None = None, *, columns: Collection[str] = ()
) -> tuple[DataVersion, bool]:
    """Return the data asset version with the file's content, and whether it is new; a new one is uploaded.

    Without an `origin` the description names the file. Raises InputError when `file` is missing or cannot be data, or
    has none of the `columns`.
    """
    _require_data(file)
    if columns:
        require_columns(file, columns)
    sha256 = file_sha256(file)
    data = DataVersion(name, sha256[:VERSION_CHARACTERS], sha256)
    if _exists(client, data):
        return data, False
    say(f"uploading {file.name} ({file.stat().st_size / _MEGABYTE:.1f} MB) as {data.reference}")
    _upload(client, data, file, origin or Origin(f"uploaded from {file.name}"))
    return data, True


def require_columns(file: Path, columns: Collection[str]) -> None:
    """Raise InputError for a CSV file whose header has none of the columns: before it is uploaded and a job starts."""
    if file.suffix in _BINARY_FORMATS:
        return
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        line = stream.readline(_HEADER_CHARACTERS).strip()
    for separator, word in _SEPARATORS.items():
        if {name.strip(' "') for name in line.split(separator)} & set(columns):
            if separator == ",":
                return
            message = f"the columns of {file} are separated by {word}"
            raise InputError(message, "Export the file with commas, and decimals with points.")
    message = f"{file} has none of the columns of schema.yml; its first line is: {line[:_SHOWN_CHARACTERS]}"
    raise InputError(message, f"Give a CSV file with a header: {', '.join(list(columns)[:3])} and so on.")


def find_data(client: MLClient, name: str, version: str) -> DataVersion:
    """Return a version that the workspace has; `newest` is the one that was registered last.

    Raises InputError when there is no such version, or when it has no tag with the sha256 of its file.
    """
    found = [each for each in _versions(client, name) if version in {NEWEST, str(each.version)}]
    if not found:
        wanted = "version" if version == NEWEST else f"version {version}"
        advice = f"Register a file: `mlops train --data FILE`; `az ml data list --name {name}` lists the versions."
        raise InputError(f"there is no {wanted} of the data asset {name} in the workspace", advice)
    asset = max(found, key=_registered)
    sha256 = (asset.tags or {}).get(_SHA256_TAG)
    if not sha256:
        message = f"version {asset.version} of the data asset {name} has no tag `{_SHA256_TAG}`"
        raise InputError(message, "Tag it with the sha256 of its file, or register it with `mlops train --data FILE`.")
    return DataVersion(name, str(asset.version), sha256)


def download_data(client: MLClient, data: DataVersion, folder: Path) -> Path:
    """Download the file of a version into a folder, under its own name.

    Raises WorkspaceError when it is not in a blob datastore, or when its bytes are not those that were registered.
    """
    path = str(client.data.get(data.name, data.version).path)
    place = parse_datastore_path(client, path)
    if place is None:
        raise WorkspaceError(
            f"{data.name}:{data.version} is at {path}, which is not a file in a blob datastore",
            "Register the file itself: `mlops train --data FILE`.",
        )
    file = folder / place.name.rpartition("/")[2]
    with file.open("wb") as stream:
        place.container.download_blob(place.name).readinto(stream)
    if file_sha256(file) != data.sha256:
        raise WorkspaceError(
            f"the file of {data.name}:{data.version} is not the one that was registered",
            "It was changed in the storage: archive this version, and register the right file.",
        )
    return file


def refuse(client: MLClient, data: DataVersion) -> str:
    """Archive a version that validation has refused; return a sentence that says so."""
    with suppress_output():
        client.data.archive(data.name, data.version)
    return f"The data version {data.name}:{data.version} is archived, so that it is not the latest."


def accept(client: MLClient, data: DataVersion) -> None:
    """Restore a version that was archived, now that it passes validation."""
    with suppress_output():
        archived = client.data.list(data.name, list_view_type=ListViewType.ARCHIVED_ONLY)
        if not any(str(each.version) == data.version for each in archived):
            return
        client.data.restore(data.name, data.version)
    say(f"the data version {data.name}:{data.version} was archived and is in use again")


def _require_data(file: Path) -> None:
    if file.is_dir():
        raise InputError(f"{file} is a folder", "Give the path of a data file to --data.")
    if not file.is_file():
        raise InputError(f"{file} does not exist", "Give the path of a data file to --data.")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty", "Give a file with a header and rows to --data.")
    if file.suffix.lower() in _BINARY_FORMATS:
        return
    with file.open("rb") as stream:
        begin = stream.read(_BEGIN_BYTES)
    if b"\0" in begin:
        raise InputError(f"{file} holds binary data, not text", "Export it as UTF-8 text with a header and rows.")
    if not begin.partition(b"\n")[0].strip():
        raise InputError(f"{file} has no header in its first line", "Give a file with a header and rows to --data.")


def _versions(client: MLClient, name: str) -> list[Data]:
    try:
        with suppress_output():
            return list(client.data.list(name))
    except ResourceNotFoundError:
        return []


def _registered(asset: Data) -> datetime:
    times = asset.creation_context
    return (times.created_at if times else None) or _NEVER


def _exists(client: MLClient, data: DataVersion) -> bool:
    try:
        client.data.get(data.name, data.version)
    except ResourceNotFoundError:
        return False
    return True


def _upload(client: MLClient, data: DataVersion, file: Path, origin: Origin) -> None:
    asset = Data(
        name=data.name,
        version=data.version,
        type=AssetTypes.URI_FILE,
        path=str(file),
        description=origin.description,
        tags={**origin.tags, _SHA256_TAG: data.sha256},
    )
    with suppress_output():
        client.data.create_or_update(asset)
