"""Decides in which network the processes of a distributed step run, and says so in its log."""

from __future__ import annotations

import asyncio

from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.processes.shared_network import SharedNetwork
from azureml_emulator.processes.supervisor import Processes

# What processes of a step ask of the emulator.
_PASSED_ON = frozenset({"emulator", "mlflow"})
_PRIVATE = (
    "The processes share a network of their own, which other local users do not reach. The emulator and MLflow are "
    "in it, and https by a proxy (HTTPS_PROXY); `azureml-emulator start --open-rank-ports` turns that off."
)
_CHOSEN = "The processes are in the network of this machine (--open-rank-ports): other local users reach their ports."
_IMPOSSIBLE = (
    "Other users of this machine reach the ports that the processes open for each other: it cannot give them a network "
    "of their own, which needs Linux and the right to make one (root, or user namespaces for all users)."
)


class RankNetworks:
    """Makes the networks of distributed steps. `open_ports` leaves them in the network of this machine."""

    def __init__(self, processes: Processes, listeners: Listeners, *, open_ports: bool) -> None:
        self._processes = processes
        self._listeners = listeners
        self._open_ports = open_ports

    async def are_private(self) -> bool:
        """Whether steps have a network of their own."""
        return not self._open_ports and await asyncio.to_thread(has_private_networks)

    async def describe(self) -> str:
        """In which network the processes of a distributed step are, for its log."""
        if self._open_ports:
            return _CHOSEN
        return _PRIVATE if await self.are_private() else _IMPOSSIBLE

    async def network(self, job: str, proxy_port: int) -> SharedNetwork | None:
        """The network of a step, not yet open; None where it is that of this machine."""
        if not await self.are_private():
            return None
        ports = [int(each["port"]) for each in self._listeners.document() if each["name"] in _PASSED_ON]
        return SharedNetwork(self._processes, f"{job}/network", ports, proxy_port)
