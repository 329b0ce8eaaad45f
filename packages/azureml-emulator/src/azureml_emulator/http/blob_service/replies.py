"""The format of the Blob service's replies: headers, lists and errors in XML, ranges of files."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from azureml_emulator.kernel.errors import BadRequest, EmulatorError, RangeNotSatisfiable
from azureml_emulator.storage.blobs import Blob

_VERSION = "2025-01-05"
_CHUNK_BYTES = 1024 * 1024
_LIST_SIZE = 5000
_RANGE = re.compile(r"^bytes=(\d+)-(\d*)$")
_DEFAULT_TYPE = "application/octet-stream"


def storage_headers() -> dict[str, str]:
    """The headers of every reply."""
    return {
        "x-ms-version": _VERSION,
        "x-ms-request-id": str(uuid4()),
        "x-ms-request-server-encrypted": "true",
    }


def container_headers(folder: Path) -> dict[str, str]:
    """The headers of a container."""
    container = Blob(folder.name, folder, 0, folder.stat().st_mtime)
    lease = {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
    return storage_headers() | {"ETag": container.etag, "Last-Modified": container.changed} | lease


def blob_headers(blob: Blob, properties: dict[str, Any]) -> dict[str, str]:
    """The headers of a blob."""
    headers = storage_headers() | {
        "ETag": blob.etag,
        "Last-Modified": blob.changed,
        "Content-Type": properties.get("contentType") or _DEFAULT_TYPE,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": blob.changed,
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
    }
    if properties.get("contentMd5"):
        headers["Content-MD5"] = properties["contentMd5"]
    return headers | {f"x-ms-meta-{key}": value for key, value in properties.get("metadata", {}).items()}


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The [start, stop) of `bytes=a-b`; None for the whole blob. Raises RangeNotSatisfiable."""
    match = _RANGE.match(header) if header else None
    if match is None:
        return None
    start = int(match[1])
    stop = min(int(match[2]) + 1 if match[2] else size, size)
    if start >= size or stop <= start:
        raise RangeNotSatisfiable(f"The range '{header}' is not in a blob of {size} bytes.")
    return start, stop


async def file_chunks(file: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes [start, stop) of a file in chunks, read outside the event loop."""
    left = stop - start
    with file.open("rb") as stream:
        stream.seek(start)
        while left > 0:
            chunk = await asyncio.to_thread(stream.read, min(left, _CHUNK_BYTES))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def md5_of(file: Path, start: int, stop: int) -> str:
    """The MD5 of the bytes [start, stop) of a file, in base64."""
    with file.open("rb") as stream:
        stream.seek(start)
        digest = hashlib.md5(stream.read(stop - start), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


def list_reply(
    request: Request, container: str, found: list[Blob], properties: Callable[[Blob], dict[str, Any]]
) -> Response:
    """One page of a list of blobs; with a delimiter also the prefixes that they share."""
    query = request.query_params
    prefix, delimiter, marker = query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", "")
    size = _page_size(query.get("maxresults"))
    root = ElementTree.Element("EnumerationResults", {"ContainerName": container})
    asked = query.get("maxresults", "")
    shown_back = (("Prefix", prefix), ("Marker", marker), ("MaxResults", asked), ("Delimiter", delimiter))
    for name, value in shown_back:
        if value:
            ElementTree.SubElement(root, name).text = value
    entries = _entries(found, prefix, delimiter, marker)
    shown = ElementTree.SubElement(root, "Blobs")
    for name, blob in entries[:size]:
        if blob is None:
            ElementTree.SubElement(ElementTree.SubElement(shown, "BlobPrefix"), "Name").text = name
        else:
            _blob_element(shown, blob, properties(blob), with_metadata="metadata" in query.get("include", ""))
    more = len(entries) > size
    ElementTree.SubElement(root, "NextMarker").text = entries[size - 1][0] if more else ""
    body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(body, headers=storage_headers(), media_type="application/xml")


def error_reply(error: EmulatorError, method: str) -> Response:
    """An error in the format of storage: the code in a header and in XML."""
    root = ElementTree.Element("Error")
    ElementTree.SubElement(root, "Code").text = error.error_code
    ElementTree.SubElement(root, "Message").text = error.message
    headers = storage_headers() | {"x-ms-error-code": error.error_code}
    body = b"" if method == "HEAD" else ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(body, error.status, headers, media_type="application/xml")


def _entries(found: list[Blob], prefix: str, delimiter: str, marker: str) -> list[tuple[str, Blob | None]]:
    """The blobs after the marker, with one entry for all that share a prefix up to the delimiter."""
    entries: dict[str, Blob | None] = {}
    for blob in found:
        name, within, _ = blob.name[len(prefix) :].partition(delimiter) if delimiter else (blob.name, "", "")
        if within:
            entries[f"{prefix}{name}{delimiter}"] = None
        else:
            entries[blob.name] = blob
    return [(name, blob) for name, blob in entries.items() if name > marker]


def _page_size(text: str | None) -> int:
    if text is None:
        return _LIST_SIZE
    if not text.isdigit() or int(text) == 0:
        raise BadRequest("maxresults must be a positive integer.", code="InvalidQueryParameterValue")
    return min(int(text), _LIST_SIZE)


def _blob_element(parent: ElementTree.Element, blob: Blob, properties: dict[str, Any], *, with_metadata: bool) -> None:
    element = ElementTree.SubElement(parent, "Blob")
    ElementTree.SubElement(element, "Name").text = blob.name
    shown = ElementTree.SubElement(element, "Properties")
    values = {
        "Creation-Time": blob.changed,
        "Last-Modified": blob.changed,
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": properties.get("contentType") or _DEFAULT_TYPE,
        "Content-MD5": properties.get("contentMd5") or "",
        "BlobType": "BlockBlob",
        "AccessTier": "Hot",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    for name, value in values.items():
        ElementTree.SubElement(shown, name).text = value
    if with_metadata:
        metadata = ElementTree.SubElement(element, "Metadata")
        for name, value in properties.get("metadata", {}).items():
            ElementTree.SubElement(metadata, name).text = value
