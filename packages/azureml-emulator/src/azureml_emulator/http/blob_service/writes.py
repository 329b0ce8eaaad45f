"""Writes to the Blob service: whole blobs, blocks and block lists, metadata, deletes.

Bytes go to a temporary file, which then becomes the blob atomically (`storage/uploads.py`, `storage/blobs.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from azureml_emulator.http.blob_service.replies import storage_headers
from azureml_emulator.kernel.errors import (
    BadRequest,
    Conflict,
    LengthRequired,
    NotFound,
    NotModelled,
    PreconditionFailed,
    TooLarge,
)
from azureml_emulator.storage.blobs import Blob, Blobs
from azureml_emulator.storage.uploads import ReceivedFile, Uploads

# Azure's limit for Put Blob; here also the limit for a blob of blocks.
MAX_BLOB_BYTES = 5000 * 1024 * 1024
# Enough for 50,000 blocks, Azure's limit.
_MAX_LIST_BYTES = 8 * 1024 * 1024
_METADATA_PREFIX = "x-ms-meta-"
_METADATA_NAME = re.compile(r"^[A-Za-z_]\w*$")


@dataclass(frozen=True)
class BlobAddress:
    """The address of a blob; `name` is empty for the container itself."""

    account: str
    container: str
    name: str

    @property
    def key(self) -> str:
        """The address as one string."""
        return f"{self.account}/{self.container}/{self.name}"


class BlobWrites:
    """Handles writes."""

    def __init__(self, blobs: Blobs, uploads: Uploads) -> None:
        self._blobs = blobs
        self._uploads = uploads

    async def put(self, request: Request, address: BlobAddress) -> Response:
        """Put Blob: a whole blob in one request."""
        kind = request.headers.get("x-ms-blob-type", "")
        if kind != "BlockBlob" or "x-ms-copy-source" in request.headers:
            raise NotModelled(f"The emulator's storage models block blobs without copies (x-ms-blob-type '{kind}').")
        properties = _properties(request)
        self._check_conditions(request, address)
        written = await self._receive(request)
        properties["contentMd5"] = written.md5
        blob = self._commit(address, written.file, properties)
        return Response(status_code=201, headers=_written_headers(blob) | {"Content-MD5": written.md5})

    async def put_block(self, request: Request, address: BlobAddress) -> Response:
        """Put Block: a block, to be committed by a block list."""
        block = request.query_params.get("blockid", "")
        if not block:
            raise BadRequest("The query parameter 'blockid' is missing.", code="InvalidQueryParameterValue")
        if self._uploads.blocks_size(address.key) + _length(request) > MAX_BLOB_BYTES:
            raise TooLarge(f"A blob may have at most {MAX_BLOB_BYTES} bytes.")
        written = await self._receive(request)
        self._uploads.keep_block(address.key, block, written)
        return Response(status_code=201, headers=storage_headers() | {"Content-MD5": written.md5})

    async def put_block_list(self, request: Request, address: BlobAddress) -> Response:
        """Put Block List: commit the blocks as the blob."""
        properties = _properties(request)
        properties["contentMd5"] = request.headers.get("x-ms-blob-content-md5")
        self._check_conditions(request, address)
        if _length(request) > _MAX_LIST_BYTES:
            raise TooLarge(f"A block list may have at most {_MAX_LIST_BYTES} bytes.")
        blocks = _block_names(await request.body())
        joined = await asyncio.to_thread(self._uploads.join_blocks, address.key, blocks)
        blob = self._commit(address, joined, properties)
        self._uploads.drop_blocks(address.key)
        return Response(status_code=201, headers=_written_headers(blob))

    async def put_metadata(self, request: Request, address: BlobAddress) -> Response:
        """Set Blob Metadata: replace all metadata."""
        blob = self._blobs.get(address.account, address.container, address.name)
        known = self._blobs.properties(address.account, address.container, address.name)
        changed = {**known, "metadata": _metadata(request)}
        self._blobs.set_properties(address.account, address.container, address.name, changed)
        # As on Azure, new metadata changes the time and the ETag of the blob.
        blob.file.touch()
        return Response(headers=_written_headers(self._blobs.get(address.account, address.container, address.name)))

    async def delete(self, _: Request, address: BlobAddress) -> Response:
        """Delete Blob."""
        self._blobs.delete(address.account, address.container, address.name)
        return Response(status_code=202, headers=storage_headers() | {"x-ms-delete-type-permanent": "true"})

    async def _receive(self, request: Request) -> ReceivedFile:
        length = _length(request)
        if length > MAX_BLOB_BYTES:
            raise TooLarge(f"A blob may have at most {MAX_BLOB_BYTES} bytes, this one has {length}.")
        try:
            written = await self._uploads.receive(_chunks(request), length)
        except ClientDisconnect as error:
            raise BadRequest("The client disconnected during the upload.", code="InvalidInput") from error
        expected = request.headers.get("content-md5")
        if expected not in {None, written.md5}:
            written.file.unlink()
            raise BadRequest(
                f"The MD5 of the body is {written.md5}, but Content-MD5 is {expected}.", code="Md5Mismatch"
            )
        return written

    def _commit(self, address: BlobAddress, written: Path, properties: dict[str, Any]) -> Blob:
        try:
            return self._blobs.commit(address.account, address.container, address.name, written, properties)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise Conflict(
                f"'{address.name}' would be both a blob and the folder of other blobs; the emulator keeps blobs "
                "as files and cannot store both.",
                code="BlobNameConflict",
            ) from error
        finally:
            written.unlink(missing_ok=True)

    def _check_conditions(self, request: Request, address: BlobAddress) -> None:
        if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
        if if_match is None and if_none_match is None:
            return
        try:
            etag = self._blobs.get(address.account, address.container, address.name).etag
        except NotFound:
            etag = None
        if if_none_match == "*" and etag is not None:
            raise Conflict("The specified blob already exists.", code="BlobAlreadyExists")
        missed = if_match is not None and (etag is None or if_match not in {"*", etag})
        if missed or (etag is not None and if_none_match == etag):
            raise PreconditionFailed("The condition of If-Match or If-None-Match is not met.")


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    if not text.isdigit():
        raise LengthRequired("A request with a body needs a Content-Length.")
    return int(text)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _metadata(request: Request) -> dict[str, str]:
    found = {
        name[len(_METADATA_PREFIX) :]: value
        for name, value in request.headers.items()
        if name.startswith(_METADATA_PREFIX)
    }
    for name in found:
        if not _METADATA_NAME.match(name):
            raise BadRequest(f"'{name}' is not a valid metadata name.", code="InvalidMetadata")
    return found


def _properties(request: Request) -> dict[str, Any]:
    kind = request.headers.get("x-ms-blob-content-type") or request.headers.get("content-type")
    return {"contentType": kind, "metadata": _metadata(request)}


def _block_names(body: bytes) -> list[str]:
    # Document types are refused before parsing, so that no entity is expanded.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BadRequest("A block list must not have a document type.", code="InvalidXmlDocument")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - see above
    except ElementTree.ParseError as error:
        raise BadRequest(f"The block list is not valid XML: {error}", code="InvalidXmlDocument") from error
    return [element.text or "" for element in root]


def _written_headers(blob: Blob) -> dict[str, str]:
    return storage_headers() | {"ETag": blob.etag, "Last-Modified": blob.changed}
