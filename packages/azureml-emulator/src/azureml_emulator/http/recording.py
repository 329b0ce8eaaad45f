"""Middleware that appends every exchange with the control plane to a file, to be checked against a schema.

One JSON object per line: method, path, api_version, request, status, response. Used with `--record` only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_RECORDED = ("/subscriptions/", "/mferp/managementfrontend/subscriptions/")


class ExchangeRecorder:
    """Appends to `file`; None turns it off."""

    def __init__(self, app: ASGIApp, file: Path | None) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record the exchange."""
        if self._file is None or scope["type"] != "http" or not scope["path"].startswith(_RECORDED):
            await self._app(scope, receive, send)
            return
        sent, answered, status = bytearray(), bytearray(), [0]

        async def record_request() -> Message:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def record_response(message: Message) -> None:
            status[0] = message.get("status", status[0])
            answered.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, record_request, record_response)
        self._write(self._file, scope, bytes(sent), status[0], bytes(answered))

    def _write(self, file: Path, scope: Scope, sent: bytes, status: int, answered: bytes) -> None:
        versions = parse_qs(scope["query_string"].decode()).get("api-version", [""])
        exchange = {
            "method": scope["method"],
            "path": scope["path"],
            "api_version": versions[0],
            "request": _json(sent),
            "status": status,
            "response": _json(answered),
        }
        with file.open("a") as stream:
            stream.write(json.dumps(exchange) + "\n")


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")
