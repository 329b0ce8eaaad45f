"""The Blob service for azure-storage-blob: uploads, downloads, lists and metadata of block blobs.

Dispatches, checks signatures and answers reads; `writes.py` handles uploads, `replies.py` has the formats. Append and
page blobs, copies, leases and snapshots answer 501.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

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
from azureml_emulator.http.blob_service.writes import BlobAddress, BlobWrites
from azureml_emulator.kernel.errors import (
    BadRequest,
    Conflict,
    EmulatorError,
    NotFound,
    NotModelled,
    PreconditionFailed,
    disk_full,
)
from azureml_emulator.kernel.names import is_normal
from azureml_emulator.security.signatures import Signatures
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.storage.blobs import Blob, Blobs
from azureml_emulator.storage.registered_content import RegisteredContent
from azureml_emulator.storage.uploads import Uploads

Handler = Callable[[Request, BlobAddress], Awaitable[Response]]


class BlobService:
    """Serves /<account>/<container>[/<blob>]."""

    def __init__(
        self, blobs: Blobs, uploads: Uploads, signatures: Signatures, tokens: Tokens, registered: RegisteredContent
    ) -> None:
        self._blobs = blobs
        self._signatures = signatures
        self._tokens = tokens
        self._registered = registered
        writes = BlobWrites(blobs, uploads)
        # (method, comp) → (permissions of which one is required, handler)
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

    def routes(self, methods: list[str]) -> list[Route]:
        """The routes of accounts, containers and blobs; any method is answered in the format of storage."""
        container = "/{account:storage_account}/{container}"
        return [
            Route("/{account:storage_account}", self.serve_account),
            Route(container, self.serve, methods=methods),
            Route(f"{container}/{{blob:path}}", self.serve, methods=methods),
        ]

    async def serve(self, request: Request) -> Response:
        """Answer one request; errors have the format of storage."""
        try:
            return await self._serve(request)
        except EmulatorError as error:
            return error_reply(error, request.method)
        except OSError as error:
            full = disk_full(error, self._blobs.root.parent)
            if full is None:
                raise
            return error_reply(full, request.method)

    async def serve_account(self, request: Request) -> Response:
        """Answer a list of an account, limited to the container at the start of the prefix.

        Clients take the first segment of a registry's address for the container; here it is the account.
        """
        account, (container, _, prefix) = request.path_params["account"], _prefix(request).partition("/")
        address = BlobAddress(account, container, "")
        try:
            if request.query_params.get("comp") != "list" or not container:
                raise NotModelled("The emulator's storage does not list the containers of an account.")
            self._authorize(request, address, "l")
            found = await asyncio.to_thread(lambda: list(self._blobs.list(account, container, prefix)))
        except EmulatorError as error:
            return error_reply(error, request.method)
        named = [replace(blob, name=f"{container}/{blob.name}") for blob in found]
        return list_reply(request, account, named, lambda blob: {})  # noqa: ARG005

    async def _serve(self, request: Request) -> Response:
        parameters = request.path_params
        address = BlobAddress(parameters["account"], parameters["container"], parameters.get("blob", ""))
        operations = self._on_blob if address.name else self._on_container
        needed, handler = operations.get((request.method, request.query_params.get("comp", "")), ("", None))
        if handler is None:
            raise NotModelled(
                f"The emulator's storage does not model {request.method} with "
                f"comp '{request.query_params.get('comp', '')}' on {request.url.path}."
            )
        self._authorize(request, address, needed)
        if address.name:
            self._blobs.path(address.account, address.container, address.name)
            if request.method in {"PUT", "DELETE"}:
                self._registered.refuse_write(address.account, address.container, address.name)
            _check_storable(request, address)
        return await handler(request, address)

    def _authorize(self, request: Request, address: BlobAddress, needed: str) -> None:
        if "sig" in request.query_params:
            self._signatures.check(address.account, address.container, needed, request.query_params)
        else:
            check_bearer(request.headers.get("authorization", ""), self._tokens)

    async def _get(self, request: Request, address: BlobAddress) -> Response:
        blob = self._blobs.get(address.account, address.container, address.name)
        _check_read(request, blob)
        headers = blob_headers(blob, self._properties(address, blob))
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

    async def _head(self, request: Request, address: BlobAddress) -> Response:
        blob = self._blobs.get(address.account, address.container, address.name)
        _check_read(request, blob)
        headers = blob_headers(blob, self._properties(address, blob))
        headers["Content-Length"] = str(blob.size) if request.method == "HEAD" else "0"
        return Response(headers=headers)

    async def _list(self, request: Request, address: BlobAddress) -> Response:
        self._require_container(address)
        prefix = _prefix(request)
        found = await asyncio.to_thread(lambda: list(self._blobs.list(address.account, address.container, prefix)))
        return list_reply(request, address.container, found, lambda blob: self._properties(address, blob))

    def _require_container(self, address: BlobAddress) -> None:
        if not self._blobs.has_container(address.account, address.container):
            raise NotFound("The specified container does not exist.", code="ContainerNotFound")

    async def _container_properties(self, _: Request, address: BlobAddress) -> Response:
        self._require_container(address)
        return Response(headers=container_headers(self._blobs.container(address.account, address.container)))

    async def _create_container(self, _: Request, address: BlobAddress) -> Response:
        # A signature is issued for existing containers only, so this creates one for the holder of a token.
        if self._blobs.has_container(address.account, address.container):
            raise Conflict("The specified container already exists.", code="ContainerAlreadyExists")
        folder = self._blobs.container(address.account, address.container)
        return Response(status_code=201, headers=container_headers(folder))

    async def _account(self, _: Request, __: BlobAddress) -> Response:
        kind = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2"}
        return Response(headers=storage_headers() | kind)

    def _properties(self, address: BlobAddress, blob: Blob) -> dict[str, object]:
        return self._blobs.properties(address.account, address.container, blob.name)


def _check_storable(request: Request, address: BlobAddress) -> None:
    """Raise NotFound, or BadRequest for a write, when a file cannot have the name of the blob."""
    if is_normal(address.name):
        return
    if request.method == "PUT":
        message = f"'{address.name}' has an empty part. The emulator keeps blobs as files, which cannot have this name."
        raise BadRequest(message, code="InvalidResourceName")
    # On Azure `x.csv/` and `x.csv` are two blobs: clients ask for the first to tell a file from a folder.
    message = f"The specified blob does not exist: {address.container}/{address.name}"
    raise NotFound(message, code="BlobNotFound")


def _prefix(request: Request) -> str:
    return request.query_params.get("prefix", "")


def _check_read(request: Request, blob: Blob) -> None:
    if_match = request.headers.get("if-match")
    if if_match not in {None, "*", blob.etag}:
        raise PreconditionFailed("The blob has changed: the condition of If-Match is not met.")


class StorageAccountConvertor(Convertor[str]):
    """The first segment of a storage address, which no other route can have."""

    regex = "emu[0-9a-f]{12}"

    def convert(self, value: str) -> str:
        """The name, unchanged."""
        return value

    def to_string(self, value: str) -> str:
        """The name, unchanged."""
        return value


register_url_convertor("storage_account", StorageAccountConvertor())
