"""An ASGI extension that writes a reply in one piece: head and body in one TLS record, for what must be fast.

uvicorn's own `send` checks every header by regular expression and writes head and body apart, which wakes the
caller twice. Offered as `scope["extensions"][WHOLE_REPLY]`; an application uses it or sends as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

WHOLE_REPLY = "azureml_emulator.whole_reply"
WholeReply = Callable[[int, list[tuple[bytes, bytes]], bytes], bool]
"""(status, headers of names and values that are known to be clean, body) → False when it must be sent in pieces."""
_CONTENT_LENGTH = b"content-length"
# Answers that have no body and must not say how long it is.
_WITHOUT_LENGTH = frozenset({204, 304})


class WholeReplyProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the extension in every scope."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        extensions: dict[str, Any] = {WHOLE_REPLY: partial(_write, cycle)}
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
