"""A private network for the processes of one distributed step, from the emulator's side.

They open ports for each other that have no password. In a network of their own nobody else on this machine reaches
them. From inside, the emulator and MLflow have the same addresses as outside, and https goes by a proxy.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from azureml_emulator.kernel.settings import LOOPBACK
from azureml_emulator.processes.descriptors import receive
from azureml_emulator.processes.relay import Relays
from azureml_emulator.processes.supervisor import Processes, RunningProcess

_MODULE = "azureml_emulator.processes.network_holder"
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy")
_DIRECT_VARIABLES = ("NO_PROXY", "no_proxy")


class SharedNetwork:
    """One network. `ports` of this machine exist in it as well; `proxy_port` is free, and has the proxy in it."""

    def __init__(self, processes: Processes, identifier: str, ports: Sequence[int], proxy_port: int) -> None:
        self._processes = processes
        self._identifier = identifier
        self._ports = ports
        self._proxy_port = proxy_port
        self._holder: RunningProcess | None = None
        self._servers: list[asyncio.Server] = []
        self._relays = Relays()

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the proxy, for the processes."""
        found = dict.fromkeys(_PROXY_VARIABLES, f"http://{LOOPBACK}:{self._proxy_port}")
        return {**found, **dict.fromkeys(_DIRECT_VARIABLES, f"{LOOPBACK},localhost")}

    async def open(self, log: Path) -> int:
        """Make the network. Returns the id of the process that keeps it, by which others join. Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._control = ours
        ports = [*self._ports, self._proxy_port]
        with closing(theirs):
            self._holder = await self._processes.spawn(
                self._identifier,
                [sys.executable, "-P", "-m", _MODULE, *map(str, ports)],
                folder=log.parent,
                environment={},
                log=log,
                stdin=theirs.fileno(),
            )
        for port in ports:
            listener = await _listener(ours)
            passed = self._relays.to_web if port == self._proxy_port else functools.partial(self._relays.to_port, port)
            self._servers.append(await asyncio.start_server(passed, sock=listener))
        return self._holder.pid

    async def close(self) -> None:
        """End the network; its processes have ended."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        for server in self._servers:
            server.close()
        await self._relays.close()
        self._control.close()
        await holder.stop()


async def _listener(control: socket.socket) -> socket.socket:
    _, descriptors = await receive(control)
    if not descriptors:
        raise ConnectionError("a private network could not be made: see the log of the step")
    return socket.socket(fileno=descriptors[0])
