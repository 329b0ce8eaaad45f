"""Blob storage as folders of plain files: accounts, containers, blobs. Bytes here, properties in the store.

A blob's name is its path below the container's folder, so that a job writes its outputs where the service would put
them. Knows no HTTP (`http/blob_service/` does) and no Azure ML.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path, PurePosixPath
from typing import Any

from azureml_emulator.kernel.errors import BadRequest, NotFound
from azureml_emulator.kernel.names import is_part, relative_path
from azureml_emulator.kernel.store import Store

# The bytes of registered versions are below this prefix, where clients cannot write.
IMMUTABLE_PREFIX = "azureml-registered/"
_TOPIC = "blob"
_FOLDER_MODE = 0o700


@dataclass(frozen=True)
class Blob:
    """One blob: its name, its file, its size in bytes, and its change time in seconds of the epoch."""

    name: str
    file: Path
    size: int
    modified: float

    @property
    def etag(self) -> str:
        """The ETag, which changes with every write."""
        return f'"0x{int(self.modified * 1e9):X}"'

    @property
    def changed(self) -> str:
        """The change time as HTTP writes it."""
        return formatdate(self.modified, usegmt=True)


class Blobs:
    """The storage accounts of one emulator, below one folder."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root = root
        self._store = store
        root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)

    def container(self, account: str, container: str) -> Path:
        """The folder of a container; created if needed."""
        folder = self.root / _segment(account) / _segment(container)
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return folder

    def has_container(self, account: str, container: str) -> bool:
        """Whether a container exists."""
        return (self.root / _segment(account) / _segment(container)).is_dir()

    def path(self, account: str, container: str, name: str) -> Path:
        """The path of a blob or of a folder of blobs. Raises BadRequest for a name that leaves the container."""
        return self.container(account, container) / relative_path(name)

    def get(self, account: str, container: str, name: str) -> Blob:
        """One blob. Raises NotFound."""
        file = self.path(account, container, name)
        if not file.is_file():
            raise NotFound(f"The specified blob does not exist: {container}/{name}", code="BlobNotFound")
        status = file.stat()
        return Blob(name, file, status.st_size, status.st_mtime)

    def list(self, account: str, container: str, prefix: str = "") -> Iterator[Blob]:
        """The blobs whose names start with `prefix`, ordered by name."""
        folder = self.container(account, container)
        for name in sorted(_names(folder, prefix)):
            file = folder / name
            status = file.stat()
            yield Blob(name, file, status.st_size, status.st_mtime)

    def commit(self, account: str, container: str, name: str, written: Path, properties: dict[str, Any]) -> Blob:
        """Turn a completely written temporary file into the blob, atomically: readers see the old bytes or the new."""
        file = self.path(account, container, name)
        file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        written.replace(file)
        self.set_properties(account, container, name, properties)
        return self.get(account, container, name)

    def copy(self, source: Path, account: str, container: str, name: str) -> Path:
        """Copy a file or a folder of the same storage to a new name."""
        target = self.path(account, container, name)
        target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
        return target

    def delete(self, account: str, container: str, name: str) -> None:
        """Delete one blob. Raises NotFound."""
        self.get(account, container, name).file.unlink()
        self._store.delete_record(_TOPIC, _key(account, container, name))

    def delete_account(self, account: str) -> None:
        """Delete all containers of an account. Properties of its blobs stay until new blobs replace them."""
        shutil.rmtree(self.root / _segment(account), ignore_errors=True)

    def properties(self, account: str, container: str, name: str) -> dict[str, Any]:
        """The properties that a client set: contentType, contentMd5, metadata; empty for a file that a job wrote."""
        return self._store.record(_TOPIC, _key(account, container, name)) or {}

    def set_properties(self, account: str, container: str, name: str, properties: dict[str, Any]) -> None:
        """Replace the properties of a blob."""
        self._store.put_record(_TOPIC, _key(account, container, name), properties)


def _key(account: str, container: str, name: str) -> str:
    return f"{account}/{container}/{name}"


def _segment(text: str) -> str:
    if text in {".", ".."} or not is_part(text):
        raise BadRequest(f"{text!r} is not a valid container name.", code="InvalidResourceName")
    return text


def _names(folder: Path, prefix: str) -> Iterator[str]:
    start = folder / PurePosixPath(prefix).parent if "/" in prefix else folder
    for current, _, files in os.walk(start):
        base = Path(current).relative_to(folder).as_posix()
        for file in files:
            name = file if base == "." else f"{base}/{file}"
            if name.startswith(prefix):
                yield name
