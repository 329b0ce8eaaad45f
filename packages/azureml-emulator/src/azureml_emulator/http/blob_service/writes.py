"""What is sent to the Blob service: whole blobs, blocks and their lists, metadata, deletes.

Bytes go to a temporary file and become the blob in one step (`uploads.py`, `blobs.py`).
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
from azureml_emulator.storage.uploads import Uploads, Written

# What Azure takes in one Put Blob; here also what a blob of blocks may have.
MAXIMUM_BYTES = 5000 * 1024 * 1024
# 50,000 blocks, the most that Azure takes, fit.
_MAXIMUM_LIST_BYTES = 8 * 1024 * 1024
_METADATA_PREFIX = "x-ms-meta-"
_METADATA_NAME = re.compile(r"^[A-Za-z_]\w*$")


@dataclass(frozen=True)
class Place:
    """Where a blob is, or is to be; `name` is empty for the container itself."""

    account: str
    container: str
    name: str

    @property
    def key(self) -> str:
        """One text for the place."""
        return f"{self.account}/{self.container}/{self.name}"


class BlobWrites:
    """Takes what is sent."""

    def __init__(self, blobs: Blobs, uploads: Uploads) -> None:
        self._blobs = blobs
        self._uploads = uploads

    async def put(self, request: Request, place: Place) -> Response:
        """Put Blob: all of a blob in one request."""
        kind = request.headers.get("x-ms-blob-type", "")
        if kind != "BlockBlob" or "x-ms-copy-source" in request.headers:
            raise NotModelled(f"The emulator's storage has block blobs and no copies (x-ms-blob-type '{kind}').")
        properties = _properties(request)
        self._check_conditions(request, place)
        written = await self._receive(request)
        properties["contentMd5"] = written.md5
        blob = self._commit(place, written.file, properties)
        return Response(status_code=201, headers=_written_headers(blob) | {"Content-MD5": written.md5})

    async def put_block(self, request: Request, place: Place) -> Response:
        """Put Block: a part that waits for its list."""
        block = request.query_params.get("blockid", "")
        if not block:
            raise BadRequest("The query parameter 'blockid' is missing.", code="InvalidQueryParameterValue")
        if self._uploads.blocks_size(place.key) + _length(request) > MAXIMUM_BYTES:
            raise TooLarge(f"A blob of the emulator may have {MAXIMUM_BYTES} bytes.")
        written = await self._receive(request)
        self._uploads.keep_block(place.key, block, written)
        return Response(status_code=201, headers=storage_headers() | {"Content-MD5": written.md5})

    async def put_block_list(self, request: Request, place: Place) -> Response:
        """Put Block List: the blocks become the blob."""
        properties = _properties(request)
        properties["contentMd5"] = request.headers.get("x-ms-blob-content-md5")
        self._check_conditions(request, place)
        if _length(request) > _MAXIMUM_LIST_BYTES:
            raise TooLarge(f"A block list may have {_MAXIMUM_LIST_BYTES} bytes.")
        blocks = _block_names(await request.body())
        joined = await asyncio.to_thread(self._uploads.join_blocks, place.key, blocks)
        blob = self._commit(place, joined, properties)
        self._uploads.drop_blocks(place.key)
        return Response(status_code=201, headers=_written_headers(blob))

    async def put_metadata(self, request: Request, place: Place) -> Response:
        """Set Blob Metadata: replaces all of it."""
        blob = self._blobs.get(place.account, place.container, place.name)
        known = self._blobs.properties(place.account, place.container, place.name)
        changed = {**known, "metadata": _metadata(request)}
        self._blobs.set_properties(place.account, place.container, place.name, changed)
        # As on Azure the blob gets a new time and ETag with its metadata.
        blob.file.touch()
        return Response(headers=_written_headers(self._blobs.get(place.account, place.container, place.name)))

    async def delete(self, _: Request, place: Place) -> Response:
        """Delete Blob."""
        self._blobs.delete(place.account, place.container, place.name)
        return Response(status_code=202, headers=storage_headers() | {"x-ms-delete-type-permanent": "true"})

    async def _receive(self, request: Request) -> Written:
        length = _length(request)
        if length > MAXIMUM_BYTES:
            raise TooLarge(f"A blob of the emulator may have {MAXIMUM_BYTES} bytes, this one has {length}.")
        try:
            written = await self._uploads.receive(_chunks(request), length)
        except ClientDisconnect as error:
            raise BadRequest("The client went away in the middle of the upload.", code="InvalidInput") from error
        expected = request.headers.get("content-md5")
        if expected not in {None, written.md5}:
            written.file.unlink()
            raise BadRequest(f"The body's MD5 is {written.md5}, announced was {expected}.", code="Md5Mismatch")
        return written

    def _commit(self, place: Place, written: Path, properties: dict[str, Any]) -> Blob:
        try:
            return self._blobs.commit(place.account, place.container, place.name, written, properties)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise Conflict(
                f"'{place.name}' is both a blob and the folder of other blobs; the emulator keeps blobs "
                "as files and cannot have both.",
                code="BlobNameConflict",
            ) from error
        finally:
            written.unlink(missing_ok=True)

    def _check_conditions(self, request: Request, place: Place) -> None:
        wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
        if wanted is None and unwanted is None:
            return
        try:
            etag = self._blobs.get(place.account, place.container, place.name).etag
        except NotFound:
            etag = None
        if unwanted == "*" and etag is not None:
            raise Conflict("The specified blob already exists.", code="BlobAlreadyExists")
        missed = wanted is not None and (etag is None or wanted not in {"*", etag})
        if missed or (etag is not None and unwanted == etag):
            raise PreconditionFailed("The condition of If-Match or If-None-Match is not met.")


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    if not text.isdigit():
        raise LengthRequired("A body needs a Content-Length.")
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
            raise BadRequest(f"'{name}' is not a name of metadata.", code="InvalidMetadata")
    return found


def _properties(request: Request) -> dict[str, Any]:
    kind = request.headers.get("x-ms-blob-content-type") or request.headers.get("content-type")
    return {"contentType": kind, "metadata": _metadata(request)}


def _block_names(body: bytes) -> list[str]:
    # No entity of a document type is expanded: one is refused before it is parsed.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BadRequest("A block list has no document type.", code="InvalidXmlDocument")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - see above
    except ElementTree.ParseError as error:
        raise BadRequest(f"The block list is no XML: {error}", code="InvalidXmlDocument") from error
    return [element.text or "" for element in root]


def _written_headers(blob: Blob) -> dict[str, str]:
    return storage_headers() | {"ETag": blob.etag, "Last-Modified": blob.changed}
