"""Closes connections whose peer stalls: before, in and between requests, and while it reads a response.

uvicorn has a limit for idle connections after their first response only. Here the state of every connection is looked
at now and then, so that a request pays for no timer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from azureml_emulator.http.data_plane.single_write import SingleWriteProtocol
from azureml_emulator.kernel.settings import ConnectionLimits

_TIMED_OUT = b"%bcontent-length: 0\r\nconnection: close\r\n\r\n" % STATUS_LINE[408]


@dataclass(frozen=True)
class _Phase:
    """What a connection waits for. `message` is the number of the request, so that two waits are told apart."""

    name: str
    message: int


class GuardedProtocol(SingleWriteProtocol):
    """The protocol of a connection that says what its peer is waited for, and since when."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._messages = self._received = self._drained = 0
        self._in_headers = False
        self._phase: _Phase | None = None
        self._since = self._mark = 0.0

    def data_received(self, data: bytes) -> None:
        """Count what arrives."""
        self._received += len(data)
        super().data_received(data)

    def resume_writing(self) -> None:
        """Count how often the peer has read what was waiting for it."""
        self._drained += 1
        self.flow.resume_writing()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._messages += 1
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers of a request have arrived."""
        self._in_headers = False
        super().on_headers_complete()

    def is_stalled(self, now: float, limits: ConnectionLimits) -> bool:
        """Whether the peer is waited for, and was for longer than allowed. Call it now and then."""
        name, progress, limit = self._awaited(limits)
        phase = _Phase(name, self._messages)
        if phase != self._phase or (progress is not None and progress - self._mark >= self._least(limits, now)):
            self._phase, self._since, self._mark = phase, now, progress or 0.0
        return limit is not None and now - self._since > limit

    def end(self) -> None:
        """Tell the peer where it still can be told, and close the connection."""
        phase = self._phase.name if self._phase else ""
        if phase in {"headers", "body"} and not (self.cycle and self.cycle.response_started):
            self.transport.write(_TIMED_OUT)
        if phase in {"idle", "headers", "body"} and not self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.abort()

    def _least(self, limits: ConnectionLimits, now: float) -> float:
        """What must have been done since the last mark, to count as progress."""
        if self._phase is None or self._phase.name != "body":
            return 1
        return max(1.0, limits.bytes_per_second * (now - self._since))

    def _awaited(self, limits: ConnectionLimits) -> tuple[str, float | None, float | None]:
        """What the peer is waited for, how far it is, and for how long it may make no progress; None: for ever."""
        if self.transport.is_closing():
            return "closing", None, limits.idle_seconds
        if self.flow.write_paused:
            return "reading", self._drained, limits.transfer_seconds
        if self._in_headers:
            return "headers", None, limits.header_seconds
        if self.cycle is None or self.cycle.response_complete:
            return "idle", None, limits.idle_seconds
        if self.cycle.more_body and not self.flow.read_paused:
            return "body", self._received, limits.transfer_seconds
        return "working", None, None


async def close_stalled(connections: set[Any], limits: ConnectionLimits) -> None:
    """Close stalled connections among these until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(limits.check_seconds)
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol) and connection.is_stalled(loop.time(), limits):
                connection.end()
