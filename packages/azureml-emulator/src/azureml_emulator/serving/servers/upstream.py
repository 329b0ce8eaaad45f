"""A small HTTP/1.1 client for one server on a Unix socket: keep-alive connections, one request at a time on each.

Knows no deployments. A general-purpose client would take several times as long as the whole router. This one parses
with httptools, and delivers a small response only when it is complete, so that a broken one can be answered with an
error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import httptools

Headers = list[tuple[bytes, bytes]]
_HIGH_WATER = 1 << 20
# Responses of a known length up to this are buffered; longer ones and streams are passed on as they arrive.
_WHOLE_BYTES = 1 << 16


class UpstreamLost(Exception):
    """The connection was lost before the end of the response. `before_response`: before its first byte."""

    def __init__(self, message: str, *, before_response: bool) -> None:
        super().__init__(message)
        self.before_response = before_response


class UpstreamResponse:
    """The response of a server: status, headers, and a body that is complete or still arriving.

    When `kept` is a list, the parts of the body are appended to it as they are read.
    """

    def __init__(self, status: int, headers: Headers, connection: Connection) -> None:
        self.status = status
        self.headers = headers
        self.kept: list[bytes] | None = None
        self._connection = connection

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived."""
        return self._connection.complete

    def whole(self) -> bytes:
        """The body of a complete response."""
        body = self._connection.take()
        if self.kept is not None:
            self.kept.append(body)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamLost when it breaks off."""
        while True:
            ended = self._connection.complete
            chunk = self._connection.take()
            if chunk:
                if self.kept is not None:
                    self.kept.append(chunk)
                yield chunk
            if ended:
                return
            await self._connection.more()


class Connection(asyncio.Protocol):
    """One connection: writes a request, parses the response."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[UpstreamResponse] | None = None
        self._more: asyncio.Event | None = None
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._held = 0
        self._began = False
        self._presentable = False
        self._failure: UpstreamLost | None = None
        self.complete = False
        self.reusable = True
        self.closed = False

    def ask(self, request: list[bytes]) -> asyncio.Future[UpstreamResponse]:
        """Send a request. The future yields a small response once it is complete, any other after its headers."""
        self._headers = []
        self._body = []
        self._held = 0
        self._began = self._presentable = self.complete = False
        self._more = None
        self._head = asyncio.get_running_loop().create_future()
        if self._transport is not None:
            self._transport.writelines(request)
        return self._head

    def take(self) -> bytes:
        """The part of the body that has arrived since the last call."""
        taken = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if self._held > _HIGH_WATER and self._transport is not None and not self.closed:
            self._transport.resume_reading()
        self._held = 0
        return taken

    async def more(self) -> None:
        """Wait for more of the body. Raises UpstreamLost."""
        if not self._body and not self.complete and self._failure is None:
            self._more = asyncio.Event()
            await self._more.wait()
        if self._failure is not None and not self._body:
            raise self._failure

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        # uvloop's transports do not inherit from asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the response is not valid HTTP: {error}")
            self.close()
            return
        head = self._head
        if self._presentable and head is not None and not head.done():
            head.set_result(UpstreamResponse(self._parser.get_status_code(), self._headers, self))
        if self._more is not None:
            self._more.set()
        if self._held > _HIGH_WATER and not self.complete and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self.closed = True
        self._pool.forget(self)
        if not self.complete:
            self._fail(f"the server closed the connection: {exc}" if exc else "the server closed the connection")

    # httptools
    def on_message_begin(self) -> None:  # noqa: D102
        self._began = True

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:  # noqa: D102
        length = next((value for name, value in self._headers if name == b"content-length"), b"")
        self._presentable = not length.isdigit() or int(length) > _WHOLE_BYTES

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._body.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:  # noqa: D102
        self.complete = self._presentable = True
        self.reusable = self._parser.should_keep_alive()

    def _fail(self, message: str) -> None:
        self._failure = UpstreamLost(message, before_response=not self._began)
        if self._head is not None and not self._head.done():
            self._head.set_exception(self._failure)
        if self._more is not None:
            self._more.set()


# Opens a connection with the protocol that its argument makes. Raises OSError.
Opening = Callable[[Callable[[], Connection]], Awaitable[Connection]]


async def open_unix(path: Path, make: Callable[[], Connection]) -> Connection:
    """Open a connection to a Unix socket. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_unix_connection(make, str(path))
    return connection


class Pool:
    """Open connections to one server; the most recently used one is reused first."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()

    def idle(self) -> Connection | None:
        """An open connection that is idle, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def connect(self, limit: float) -> Connection:
        """A new connection. Raises OSError when the server does not accept one, TimeoutError after `limit` seconds."""
        async with asyncio.timeout(limit):
            connection = await self._opening(lambda: Connection(self))
        self._open.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        """Return a connection; one with an unfinished response, or that the server closes, is closed."""
        if connection.complete and connection.reusable and not connection.closed:
            self._idle.append(connection)
        else:
            connection.close()

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self._open.discard(connection)

    def close(self) -> None:
        """Close every connection."""
        self._idle.clear()
        for connection in list(self._open):
            connection.close()
