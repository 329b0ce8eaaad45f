"""The Blob service: what azure-storage-blob asks for uploads, downloads, lists and metadata of block blobs.

Dispatches, checks the signature and answers reads; `blob_writes.py` takes what is sent, `blob_replies.py`
has storage's shapes. Append and page blobs, copies, leases and snapshots are 501.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from azureml_emulator.http.auth import check_bearer
from azureml_emulator.http.blob_service.replies import (
    blob_headers,
    byte_range,
    container_headers,
    error_reply,
    file_chunks,
    list_reply,
    md5_of,
    storage_headers,
)
from azureml_emulator.http.blob_service.writes import BlobWrites, Place
from azureml_emulator.kernel.errors import Conflict, EmulatorError, NotFound, NotModelled, PreconditionFailed
from azureml_emulator.security.signatures import Signatures
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.storage.blobs import IMMUTABLE_PREFIX, Blob, Blobs
from azureml_emulator.storage.uploads import Uploads

Handler = Callable[[Request, Place], Awaitable[Response]]


class BlobService:
    """Serves /<account>/<container>[/<blob>]."""

    def __init__(self, blobs: Blobs, uploads: Uploads, signatures: Signatures, tokens: Tokens) -> None:
        self._blobs = blobs
        self._signatures = signatures
        self._tokens = tokens
        writes = BlobWrites(blobs, uploads)
        # (method, comp) → the permissions of which one is needed, and who answers
        self._on_container: dict[tuple[str, str], tuple[str, Handler]] = {
            ("GET", "list"): ("l", self._list),
            ("GET", ""): ("rl", self._container_properties),
            ("HEAD", ""): ("rl", self._container_properties),
            ("PUT", ""): ("cw", self._create_container),
            ("GET", "properties"): ("rl", self._account),
            ("HEAD", "properties"): ("rl", self._account),
        }
        self._on_blob: dict[tuple[str, str], tuple[str, Handler]] = {
            ("PUT", ""): ("cw", writes.put),
            ("PUT", "block"): ("cw", writes.put_block),
            ("PUT", "blocklist"): ("cw", writes.put_block_list),
            ("PUT", "metadata"): ("w", writes.put_metadata),
            ("DELETE", ""): ("d", writes.delete),
            ("GET", ""): ("r", self._get),
            ("HEAD", ""): ("r", self._head),
            ("GET", "metadata"): ("r", self._head),
            ("HEAD", "metadata"): ("r", self._head),
        }

    async def serve(self, request: Request) -> Response:
        """Answer one request; errors in storage's shape."""
        try:
            return await self._serve(request)
        except EmulatorError as error:
            return error_reply(error, request.method)

    async def serve_account(self, request: Request) -> Response:
        """Answer a list of an account: of the one container that the prefix begins with.

        Clients take the first segment of a registry's address for its container, which here is the account.
        """
        account, (container, _, prefix) = request.path_params["account"], _prefix(request).partition("/")
        place = Place(account, container, "")
        try:
            if request.query_params.get("comp") != "list" or not container:
                raise NotModelled("The emulator's storage does not list accounts.")
            self._authorize(request, place, "l")
            found = await asyncio.to_thread(lambda: list(self._blobs.list(account, container, prefix)))
        except EmulatorError as error:
            return error_reply(error, request.method)
        named = [replace(blob, name=f"{container}/{blob.name}") for blob in found]
        return list_reply(request, account, named, lambda blob: {})  # noqa: ARG005

    async def _serve(self, request: Request) -> Response:
        parameters = request.path_params
        place = Place(parameters["account"], parameters["container"], parameters.get("blob", ""))
        operations = self._on_blob if place.name else self._on_container
        needed, handler = operations.get((request.method, request.query_params.get("comp", "")), ("", None))
        if handler is None:
            raise NotModelled(
                f"The emulator's storage does not have {request.method} with "
                f"comp '{request.query_params.get('comp', '')}' on {request.url.path}."
            )
        self._authorize(request, place, needed)
        if place.name:
            self._blobs.path(place.account, place.container, place.name)
        if place.name.startswith(IMMUTABLE_PREFIX) and request.method in {"PUT", "DELETE"}:
            raise Conflict(
                f"'{place.name}' belongs to a registered version, which is immutable.",
                code="BlobImmutableDueToPolicy",
            )
        return await handler(request, place)

    def _authorize(self, request: Request, place: Place, needed: str) -> None:
        if "sig" in request.query_params:
            self._signatures.check(place.account, place.container, needed, request.query_params)
        else:
            check_bearer(request.headers.get("authorization", ""), self._tokens)

    async def _get(self, request: Request, place: Place) -> Response:
        blob = self._blobs.get(place.account, place.container, place.name)
        _check_read(request, blob)
        headers = blob_headers(blob, self._properties(place, blob))
        part = byte_range(request.headers.get("x-ms-range") or request.headers.get("range"), blob.size)
        if part is None:
            headers["Content-Length"] = str(blob.size)
            return StreamingResponse(file_chunks(blob.file, 0, blob.size), headers=headers)
        start, stop = part
        headers |= {
            "Content-Length": str(stop - start),
            "Content-Range": f"bytes {start}-{stop - 1}/{blob.size}",
        }
        whole = headers.pop("Content-MD5", None)
        if whole:
            headers["x-ms-blob-content-md5"] = whole
        if request.headers.get("x-ms-range-get-content-md5") == "true":
            headers["Content-MD5"] = await asyncio.to_thread(md5_of, blob.file, start, stop)
        return StreamingResponse(file_chunks(blob.file, start, stop), status_code=206, headers=headers)

    async def _head(self, request: Request, place: Place) -> Response:
        blob = self._blobs.get(place.account, place.container, place.name)
        _check_read(request, blob)
        headers = blob_headers(blob, self._properties(place, blob))
        headers["Content-Length"] = str(blob.size) if request.method == "HEAD" else "0"
        return Response(headers=headers)

    async def _list(self, request: Request, place: Place) -> Response:
        self._require_container(place)
        prefix = _prefix(request)
        found = await asyncio.to_thread(lambda: list(self._blobs.list(place.account, place.container, prefix)))
        return list_reply(request, place.container, found, lambda blob: self._properties(place, blob))

    def _require_container(self, place: Place) -> None:
        if not self._blobs.has_container(place.account, place.container):
            raise NotFound("The specified container does not exist.", code="ContainerNotFound")

    async def _container_properties(self, _: Request, place: Place) -> Response:
        self._require_container(place)
        return Response(headers=container_headers(self._blobs.container(place.account, place.container)))

    async def _create_container(self, _: Request, place: Place) -> Response:
        # Whoever may write to a container has a signature for it, so it exists; a token may make new ones.
        if self._blobs.has_container(place.account, place.container):
            raise Conflict("The specified container already exists.", code="ContainerAlreadyExists")
        folder = self._blobs.container(place.account, place.container)
        return Response(status_code=201, headers=container_headers(folder))

    async def _account(self, _: Request, __: Place) -> Response:
        kind = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2"}
        return Response(headers=storage_headers() | kind)

    def _properties(self, place: Place, blob: Blob) -> dict[str, object]:
        return self._blobs.properties(place.account, place.container, blob.name)


def _prefix(request: Request) -> str:
    return request.query_params.get("prefix", "")


def _check_read(request: Request, blob: Blob) -> None:
    wanted = request.headers.get("if-match")
    if wanted not in {None, "*", blob.etag}:
        raise PreconditionFailed("The blob has changed: the condition of If-Match is not met.")


class StorageAccountConvertor(Convertor[str]):
    """The first segment of an address of the blob service, which no other route's can be."""

    regex = "emu[0-9a-f]{12}"

    def convert(self, value: str) -> str:
        """The name as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The name as it is."""
        return value


register_url_convertor("storage_account", StorageAccountConvertor())
