"""The network of one custom container, from the emulator's side: sockets of it, and the way from it to the emulator.

A container has a network of its own wherever Linux allows it. Elsewhere it shares that of this machine, where any
local user reaches its ports, so that the emulator must be told to do so.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import sys
from contextlib import suppress
from typing import Literal

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.processes.descriptors import receive
from azureml_emulator.processes.relay import Relays
from azureml_emulator.serving.containers.launcher import PORTS, SOCKET

Kind = Literal["private", "shared"]
_MODULE = "azureml_emulator.serving.containers.launcher"
# What the launcher sends with a socket.
_SENT = b"+"


class ContainerNetwork:
    """The sockets of one container. `emulator_port` is a port of this machine that exists in the network as well."""

    def __init__(self, kind: Kind, emulator_port: int) -> None:
        self.kind = kind
        self._emulator_port = emulator_port
        self._control, self._launcher_end = socket.socketpair()
        self._control.setblocking(False)
        self._asking = asyncio.Lock()
        self._exchanges: set[asyncio.Task[tuple[bytes, list[int]]]] = set()
        self._gateway: asyncio.Server | None = None
        self._relays = Relays()

    def command(self, command: tuple[str, ...]) -> list[str]:
        """The command of the launcher, whose standard input is `stdin`."""
        return [sys.executable, "-P", "-m", _MODULE, self.kind, str(self._emulator_port), *command]

    @property
    def stdin(self) -> int:
        """The launcher's end of the socket pair."""
        return self._launcher_end.fileno()

    async def opened(self) -> None:
        """The launcher runs: let it reach the emulator, whose address is the same inside. Raises OSError."""
        self._launcher_end.close()
        if self.kind == "private":
            listener = await self._socket(b"")
            passed = functools.partial(self._relays.to_port, self._emulator_port)
            self._gateway = await asyncio.start_server(passed, sock=listener)

    async def connected_socket(self, port: int) -> socket.socket:
        """A socket that is connected to a port of the container. Raises OSError."""
        fresh = await self._socket(SOCKET) if self.kind == "private" else socket.socket()
        try:
            fresh.setblocking(False)
            await asyncio.get_running_loop().sock_connect(fresh, (LOOPBACK, port))
        except BaseException:
            fresh.close()
            raise
        return fresh

    async def listening_ports(self) -> list[int]:
        """The ports that the container listens on, without the emulator's; empty when that is not known."""
        if self.kind != "private":
            return []
        answer, _ = await self._answer(PORTS)
        return [int(port) for port in answer.decode().split(",") if port.isdigit() and int(port) != self._emulator_port]

    async def close(self) -> None:
        """Close every socket of the emulator; the launcher then ends the container."""
        self._launcher_end.close()
        if self._gateway is not None:
            self._gateway.close()
        await self._relays.close()
        # Those who wait for an answer learn that the container has ended; only then may the descriptor be used again.
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        self._control.close()

    async def _socket(self, question: bytes) -> socket.socket:
        answer, descriptors = await self._answer(question)
        if answer != _SENT or not descriptors:
            raise ConnectionError("the container has ended")
        return socket.socket(fileno=descriptors[0])

    async def _answer(self, question: bytes) -> tuple[bytes, list[int]]:
        """What the launcher answers. A caller that stops waiting leaves its answer to nobody else.

        There is no limit: a busy machine may take its time, and a launcher that ends is noticed.
        """
        exchange = run_once(self._exchange(question), "asking a container's launcher")
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            exchange.add_done_callback(_close_descriptors)
            raise

    async def _exchange(self, question: bytes) -> tuple[bytes, list[int]]:
        loop = asyncio.get_running_loop()
        async with self._asking:
            try:
                if question:
                    await loop.sock_sendall(self._control, question)
                return await receive(self._control)
            except OSError:
                return b"", []


def _close_descriptors(exchange: asyncio.Task[tuple[bytes, list[int]]]) -> None:
    if not exchange.cancelled():
        for descriptor in exchange.result()[1]:
            os.close(descriptor)
