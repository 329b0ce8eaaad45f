"""Passes on connections to ports of this machine, and, for networks without a way out, https to the internet."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.settings import LOOPBACK

_PIECE_BYTES = 1 << 16
_HEAD_SECONDS = 60.0


class Relays:
    """The connections that are passed on, so that they can be ended together."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    async def to_port(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on to a port of this machine."""
        await self._join(LOOPBACK, port, b"", reader, writer)

    async def to_web(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as a proxy for https does: `CONNECT host:port`, and nothing else."""
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.decode("latin-1").split()
            host, _, port = target.rpartition(":")
            if method != "CONNECT" or not port.isdigit():
                writer.write(b"HTTP/1.1 405 Only https\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                writer.close()
                return
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.close()
            return
        await self._join(host.strip("[]"), int(port), b"HTTP/1.1 200 Connected\r\n\r\n", reader, writer)

    async def close(self) -> None:
        """End all of them."""
        for relay in self._running:
            relay.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _join(
        self, host: str, port: int, greeting: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            upper_reader, upper_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        writer.write(greeting)
        for way in (_pass_on(reader, upper_writer), _pass_on(upper_reader, writer)):
            relay = run_once(way, f"a connection to {host}:{port}")
            self._running.add(relay)
            relay.add_done_callback(self._running.discard)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except OSError:
        # One side is gone: the other one is told by the end of its connection.
        pass
    finally:
        with suppress(RuntimeError):
            writer.close()
