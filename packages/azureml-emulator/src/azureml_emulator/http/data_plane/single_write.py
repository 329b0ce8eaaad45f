"""An ASGI extension that writes a response at once, head and body in one TLS record, for responses that must be fast.

uvicorn's own `send` validates every header by regular expression, and writes head and body separately, which wakes the
caller twice. Offered as `scope["extensions"][SINGLE_WRITE]`; an application may use it or send as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

SINGLE_WRITE = "azureml_emulator.single_write"
SingleWrite = Callable[[int, list[tuple[bytes, bytes]], bytes], bool]
"""(status, headers that need no validation, body) → False when the application must send the response as usual."""
_CONTENT_LENGTH = b"content-length"
# Responses without a body, which must not have a Content-Length.
_WITHOUT_LENGTH = frozenset({204, 304})


class SingleWriteProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the extension in every scope."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        extensions: dict[str, Any] = {SINGLE_WRITE: partial(_write, cycle)}
        cycle.scope["extensions"] = extensions
        super()._start_asgi_task(cycle, app)


def _write(cycle: RequestResponseCycle, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
    if status in _WITHOUT_LENGTH or cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
        return False
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if name != _CONTENT_LENGTH:
            parts.append(b"%b: %b\r\n" % (name, value))
    parts.append(b"%b: %d\r\n" % (_CONTENT_LENGTH, len(body)))
    parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    parts.append(body)
    cycle.transport.write(b"".join(parts))
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
