"""Takes what scripts collect with azureml-ai-monitoring, as Azure's data collector does beside each server.

The library posts to a host and a port that environment variables name, over plain HTTP on loopback, and cannot name
its deployment: name and secret therefore stand before the host, from where it sends them as basic authentication.
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

from azureml_emulator.serving.data_collection.collector_config import REQUEST, RESPONSE, CollectorPlan, Event
from azureml_emulator.serving.data_collection.event_writer import Collector

_HOST = "127.0.0.1"
_LARGEST_HEAD = 1 << 16
_LARGEST_BODY = 16 * 1024 * 1024
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


class Refused(Exception):
    """The message cannot be taken; (status, reason)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class CollectorPort:
    """The listening port, and the deployments that may send to it."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._collectors: dict[str, tuple[str, Collector]] = {}

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, _HOST, 0, limit=_LARGEST_HEAD)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def admit(self, name: str, collector: Collector, folder: Path) -> dict[str, str]:
        """Let a deployment send; the environment variables that its server needs, whose file goes to `folder`."""
        assert self._server is not None, "asked for the port before it was open"  # noqa: S101
        secret = secrets.token_urlsafe(24)
        self._collectors[name] = (secret, collector)
        file = folder / _CONFIGURATION
        file.write_text(json.dumps(_configuration(collector.plan)))
        file.chmod(_FILE_MODE)
        return {
            "AZUREML_MDC_CONFIG_PATH": str(file),
            "AZUREML_MDC_HOST": f"{name}:{secret}@{_HOST}",
            "AZUREML_MDC_PORT": str(self._server.sockets[0].getsockname()[1]),
        }

    def dismiss(self, prefix: str) -> None:
        """Take nothing more from deployments whose name begins so."""
        self._collectors = {name: known for name, known in self._collectors.items() if not name.startswith(prefix)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status, reason = 200, "taken"
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                self._take(*await _read(reader))
        except Refused as refused:
            status, reason = refused.status, refused.reason
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            status, reason = 400, "the request is not whole"
        body = reason.encode()
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 %d -\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)))
            writer.write(body)
            await writer.drain()
        writer.close()

    def _take(self, headers: dict[str, str], body: bytes) -> None:
        collector = self._collector(headers.get("authorization", ""))
        name = headers.get(_TYPE, "").removeprefix(_TYPE_PREFIX).lower()
        if name not in collector.plan.collections or name in {REQUEST, RESPONSE}:
            raise Refused(404, f"the deployment does not collect '{name}'")
        attributes = {ours: headers[theirs] for theirs, names in _NAMES.items() if theirs in headers for ours in names}
        moment = headers.get("ce-time", "")
        when = datetime.fromtimestamp(int(moment), UTC) if moment.isdigit() else datetime.now(UTC)
        collector.take(Event(name, when, attributes, body))

    def _collector(self, authorization: str) -> Collector:
        try:
            name, _, secret = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
        except ValueError as error:
            raise Refused(401, "who sends this is not named") from error
        expected, collector = self._collectors.get(name, ("", None))
        if collector is None or not hmac.compare_digest(secret, expected):
            raise Refused(401, "who sends this is not known")
        return collector


def _configuration(plan: CollectorPlan) -> dict[str, object]:
    return {
        "runMode": "cloud",
        "collections": {
            name: {"enabled": True, "sampleRatePercentage": 100 * collection.sampling_rate}
            for name, collection in plan.collections.items()
        },
    }


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > _LARGEST_BODY:
        raise Refused(413, f"a body needs a length of at most {_LARGEST_BODY} bytes")
    return headers, await reader.readexactly(int(length))
