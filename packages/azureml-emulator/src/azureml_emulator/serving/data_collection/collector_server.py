"""The server to which scripts send events by azureml-ai-monitoring, like the sidecar of Azure's data collector.

The library posts plain HTTP to the host and port in two environment variables, and does not name its deployment: so a
name and a secret precede the host, and the library sends them as basic authentication.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.serving.data_collection.collector_config import REQUEST, RESPONSE, CollectedEvent, CollectorConfig
from azureml_emulator.serving.data_collection.event_writer import Collector

_MAX_HEAD_BYTES = 1 << 16
_MAX_BODY_BYTES = 16 * 1024 * 1024
_IDLE_SECONDS = 30.0
_TYPE = "ce-type"
_TYPE_PREFIX = "azureml.inference."
_NAMES = {
    "ce-x-request-id": ("correlationid", "xrequestid"),
    "ce-model-version": ("modelversion",),
    "ce-collect-data-type": ("collectdatatype",),
    "ce-agent": ("agent",),
}
_CONFIGURATION = "data_collector.json"
_FILE_MODE = 0o600


class MessageRejected(Exception):
    """The message is rejected with an HTTP status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class CollectorServer:
    """The listening socket, and the deployments that may send to it."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._server: asyncio.Server | None = None
        self._collectors: dict[str, tuple[str, Collector]] = {}

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(
            self._serve, sock=self._listeners.tcp("data collector"), limit=_MAX_HEAD_BYTES
        )

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def register(self, name: str, collector: Collector, folder: Path) -> dict[str, str]:
        """Accept events of a deployment. Returns the variables that its server needs; their file is in `folder`."""
        assert self._server is not None, "a deployment was registered before the server was open"  # noqa: S101
        secret = secrets.token_urlsafe(24)
        self._collectors[name] = (secret, collector)
        file = folder / _CONFIGURATION
        file.write_text(json.dumps(_configuration(collector.config)))
        file.chmod(_FILE_MODE)
        return {
            "AZUREML_MDC_CONFIG_PATH": str(file),
            "AZUREML_MDC_HOST": f"{name}:{secret}@{LOOPBACK}",
            "AZUREML_MDC_PORT": str(self._server.sockets[0].getsockname()[1]),
        }

    def unregister(self, prefix: str) -> None:
        """Stop accepting from the deployments whose names start with `prefix`."""
        self._collectors = {name: entry for name, entry in self._collectors.items() if not name.startswith(prefix)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, reason = 200, "accepted"
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                headers = await _head(reader)
                collector = self._collector(headers.get("authorization", ""))
                _take(collector, headers, await _body(reader, headers))
        except MessageRejected as rejected:
            status, reason = rejected.status, rejected.reason
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            status, reason = 400, "the request is incomplete"
        body = reason.encode()
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 %d -\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)))
            writer.write(body)
            await writer.drain()
        writer.close()

    def _collector(self, authorization: str) -> Collector:
        try:
            name, _, secret = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
        except ValueError as error:
            raise MessageRejected(401, "the sender is not named") from error
        expected, collector = self._collectors.get(name, ("", None))
        if collector is None or not hmac.compare_digest(secret, expected):
            raise MessageRejected(401, "the sender is unknown")
        return collector


def _take(collector: Collector, headers: dict[str, str], body: bytes) -> None:
    name = headers.get(_TYPE, "").removeprefix(_TYPE_PREFIX).lower()
    if name not in collector.config.collections or name in {REQUEST, RESPONSE}:
        raise MessageRejected(404, f"the deployment does not collect '{name}'")
    attributes = {ours: headers[theirs] for theirs, names in _NAMES.items() if theirs in headers for ours in names}
    moment = headers.get("ce-time", "")
    when = datetime.fromtimestamp(int(moment), UTC) if moment.isdigit() else datetime.now(UTC)
    collector.collect(CollectedEvent(name, when, attributes, body))


def _configuration(config: CollectorConfig) -> dict[str, object]:
    return {
        "runMode": "cloud",
        "collections": {
            name: {"enabled": True, "sampleRatePercentage": 100 * collection.sampling_rate}
            for name, collection in config.collections.items()
        },
    }


async def _head(reader: asyncio.StreamReader) -> dict[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in head[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in fields}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
        raise MessageRejected(413, f"a body needs a Content-Length of at most {_MAX_BODY_BYTES} bytes")
    return await reader.readexactly(int(length))
