"""The network of one custom container, from the emulator's side: sockets of it, and the way from it to the emulator.

A container has a network of its own wherever Linux allows it. Elsewhere it shares that of this machine, where any
local user reaches its ports, so that the emulator must be told to do so.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
from typing import Literal

from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.processes.relay import Relays
from azureml_emulator.serving.containers.launcher import PORTS, SOCKET

Kind = Literal["private", "shared"]
_MODULE = "azureml_emulator.serving.containers.launcher"
_PIECE_BYTES = 1 << 16
# The launcher answers at once; this only ends the wait for one that cannot.
_ANSWER_SECONDS = 60.0


class ContainerNetwork:
    """The sockets of one container. `emulator_port` is a port of this machine that exists in the network as well."""

    def __init__(self, kind: Kind, emulator_port: int) -> None:
        self.kind = kind
        self._emulator_port = emulator_port
        self._control, self._launcher_end = socket.socketpair()
        self._control.settimeout(_ANSWER_SECONDS)
        self._asking = asyncio.Lock()
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
            async with self._asking:
                listener = await asyncio.to_thread(self._received)
            passed = functools.partial(self._relays.to_port, self._emulator_port)
            self._gateway = await asyncio.start_server(passed, sock=listener)

    async def connected_socket(self, port: int) -> socket.socket:
        """A socket that is connected to a port of the container. Raises OSError."""
        fresh = await self._fresh_socket() if self.kind == "private" else socket.socket()
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
        async with self._asking:
            answer = await asyncio.to_thread(self._ports)
        return [int(port) for port in answer.decode().split(",") if port.isdigit() and int(port) != self._emulator_port]

    async def close(self) -> None:
        """Close every socket of the emulator; the launcher then ends the container."""
        self._launcher_end.close()
        if self._gateway is not None:
            self._gateway.close()
        await self._relays.close()
        self._control.close()

    async def _fresh_socket(self) -> socket.socket:
        async with self._asking:
            return await asyncio.to_thread(self._asked)

    def _asked(self) -> socket.socket:
        self._control.sendall(SOCKET)
        return self._received()

    def _received(self) -> socket.socket:
        _, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not descriptors:
            raise ConnectionError("the container has ended")
        return socket.socket(fileno=descriptors[0])

    def _ports(self) -> bytes:
        self._control.sendall(PORTS)
        return self._control.recv(_PIECE_BYTES)
