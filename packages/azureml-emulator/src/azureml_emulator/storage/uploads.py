"""Uploads in progress: temporary files beside the blobs, and uncommitted blocks.

An upload becomes a blob by a rename, once it is complete; an interrupted one leaves nothing. As on Azure, blocks wait
at most a week for the block list that commits them.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from azureml_emulator.kernel.errors import BadRequest

_FOLDER_MODE = 0o700
_BLOCK_SECONDS = 7 * 24 * 3600
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ReceivedFile:
    """A complete temporary file, its size in bytes, and its MD5 in base64."""

    file: Path
    size: int
    md5: str


class Uploads:
    """The folder of uploads in progress, on the same file system as the blobs."""

    def __init__(self, root: Path) -> None:
        self._partial = root / "partial"
        self._blocks = root / "blocks"

    def clear(self) -> None:
        """At start: delete what the last process did not finish, and expired blocks."""
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in (self._partial, self._blocks):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        oldest = time.time() - _BLOCK_SECONDS
        for folder in self._blocks.iterdir():
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)

    async def receive(self, chunks: AsyncIterator[bytes], expected: int) -> ReceivedFile:
        """Write a request body to a file. Raises BadRequest, and leaves no file, unless it has `expected` bytes."""
        file = self._partial / uuid4().hex
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with file.open("xb") as stream:
                async for chunk in chunks:
                    stream.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
            if size != expected:
                raise BadRequest(f"The body has {size} bytes, but Content-Length is {expected}.", code="InvalidInput")
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return ReceivedFile(file, size, base64.b64encode(digest.digest()).decode())

    def scratch(self) -> Path:
        """A new temporary folder on the same file system; the next start deletes it if the caller does not."""
        folder = self._partial / uuid4().hex
        folder.mkdir(mode=_FOLDER_MODE)
        return folder

    def keep_block(self, blob_key: str, block: str, written: ReceivedFile) -> None:
        """Keep an uncommitted block of a blob under its id."""
        folder = self._folder(blob_key)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        written.file.replace(folder / _digest(block))

    def blocks_size(self, blob_key: str) -> int:
        """The size in bytes of all uncommitted blocks of a blob."""
        folder = self._folder(blob_key)
        return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0

    def join_blocks(self, blob_key: str, blocks: Sequence[str]) -> Path:
        """A temporary file with the blocks in this order. Raises BadRequest for an unknown block."""
        folder = self._folder(blob_key)
        sources = [folder / _digest(block) for block in blocks]
        if not all(source.is_file() for source in sources):
            raise BadRequest("The specified block list is invalid.", code="InvalidBlockList")
        target = self._partial / uuid4().hex
        with target.open("xb") as stream:
            for source in sources:
                with source.open("rb") as part:
                    shutil.copyfileobj(part, stream, _COPY_BYTES)
        return target

    def drop_blocks(self, blob_key: str) -> None:
        """Delete the uncommitted blocks of a blob."""
        shutil.rmtree(self._folder(blob_key), ignore_errors=True)

    def _folder(self, blob_key: str) -> Path:
        return self._blocks / _digest(blob_key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
