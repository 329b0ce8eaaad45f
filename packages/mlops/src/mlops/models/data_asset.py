"""A data file as a version of the project's data asset: the same bytes, the same version.

Uploads only what the workspace does not have, and refuses files that cannot be data. What validation refuses is
archived, so that it does not become the latest version.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping, Sequence
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
from mlops.core.file_formats import BEGIN_BYTES, decoded, likely_text, recognise, tables_in, unusual_separator, utf16_of
from model_package.digest import file_sha256

VERSION_CHARACTERS: Final = 16
NEWEST: Final = "newest"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SHA256_TAG: Final = "sha256"
_MEGABYTE: Final = 1_000_000
_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_COMPARED_LINES: Final = 3
# In no text; others, such as a form feed, may be.
_CONTROLS: Final = re.compile(r"[\x00-\x08]")
_NAMED: Final = 3
# A header is searched in this many lines.
_TITLE_LINES: Final = 20
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
    if recognise(file) is not None:
        return
    with file.open("rb") as stream:
        text = decoded(stream.read(BEGIN_BYTES)) or ""
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    separator = _separator_of(lines[0], columns)
    if separator == ",":
        return
    header = f"{', '.join(list(columns)[:_NAMED])} and so on"
    if separator:
        message = f"the columns of {file} are separated by {_SEPARATORS[separator]}"
        raise InputError(message, "Export the file with commas, and decimals with points.")
    above = next((at for at, line in enumerate(lines[:_TITLE_LINES]) if _separator_of(line, columns, 2)), 0)
    if above:
        lines_above = "line" if above == 1 else f"{above} lines"
        message = f"{file} has its header in line {above + 1}; its first line is: {lines[0][:_SHOWN_CHARACTERS]}"
        raise InputError(message, f"Remove the {lines_above} above the header, and run again.")
    if _is_divided(lines):
        raise _other_columns(file, lines[0], header)
    if name := unusual_separator(text):
        raise InputError(f"the columns of {file} seem to be separated by {name}", "Export the file with commas.")
    raise InputError(
        f"{file} is not a table: it seems to be {likely_text(file, text)}, with none of the columns of schema.yml",
        f"Give the CSV file with the rows, whose header is {header}.",
    )


def _other_columns(file: Path, header: str, expected: str) -> InputError:
    """A table, but of something else."""
    if all(re.fullmatch(r'[\s"]*(-?[\d.]+(e-?\d+)?)?[\s"]*', cell, re.IGNORECASE) for cell in header.split(",")):
        return InputError(
            f"{file} has no header: its first line is {header[:_SHOWN_CHARACTERS]}",
            f"Write the names of the columns into its first line: {expected}.",
        )
    return InputError(
        f"{file} has none of the columns of schema.yml; its first line is: {header[:_SHOWN_CHARACTERS]}",
        f"Give the CSV file whose header is {expected}; for a model of this table: `mlops init --data`.",
    )


def _is_divided(lines: Sequence[str]) -> bool:
    """Whether a separator divides the first lines into as many columns: a table, if of something else."""
    first = [line for line in lines if line][:_COMPARED_LINES]
    return any(
        len(counts) == 1 and 0 not in counts
        for counts in ({line.count(each) for line in first} for each in _SEPARATORS)
    )


def _separator_of(line: str, columns: Collection[str], least: int = 1) -> str:
    """The separator that divides a line into some of the columns; "" if it is no header of theirs."""
    found = (
        each for each in _SEPARATORS if len({name.strip(' "') for name in line.split(each)} & set(columns)) >= least
    )
    return next(found, "")


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
        raise InputError(f"{file} is a folder", f"Give one file to --data{tables_in(file)}.")
    if not file.exists():
        raise InputError(f"{file} does not exist", "Give the path of a data file to --data.")
    if not file.is_file():
        raise InputError(f"{file} is a device or a pipe, not a file", "Save the rows as a file, and give its path.")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty", "Give a file with a header and rows to --data.")
    found = recognise(file)
    if found is not None:
        # Only validation can judge what a project's own steps may read.
        if found.is_table and file.suffix.lower() in found.suffixes:
            return
        raise InputError(f"{file} is {found.name}, not a CSV file", f"{found.advice_for(file)}.")
    with file.open("rb") as stream:
        begin = stream.read(BEGIN_BYTES)
    if not begin.strip():
        raise InputError(f"{file} is empty", "Give a file with a header and rows to --data.")
    _require_utf8(file, begin)
    if not begin.partition(b"\n")[0].strip():
        raise InputError(f"{file} has no header in its first line", "Give a file with a header and rows to --data.")


def _require_utf8(file: Path, begin: bytes) -> None:
    text = decoded(begin)
    if text is not None and not _CONTROLS.search(text):
        encoding = "utf-16" if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else utf16_of(begin)
        if encoding:
            raise InputError(f"{file} is text in UTF-16, not in UTF-8", _in_utf8(file, encoding))
        return
    if _CONTROLS.search(begin.decode("latin-1")):
        raise InputError(f"{file} holds binary data, not text", "Export it as UTF-8 text with a header and rows.")
    raise InputError(f"{file} is not text in UTF-8", _in_utf8(file, "cp1252"))


def _in_utf8(file: Path, encoding: str) -> str:
    return f"Save it as CSV in UTF-8, or: `iconv -f {encoding} -t utf-8 '{file}' > rows.csv`."


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
