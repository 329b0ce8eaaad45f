"""One running custom container: a server whose network is its own, and whose routes its environment says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.processes.supervisor import GRACE_SECONDS
from azureml_emulator.serving.containers.container import Container, Route
from azureml_emulator.serving.containers.network import ContainerNetwork
from azureml_emulator.serving.servers.instance import Instance, ServerSpec
from azureml_emulator.serving.servers.server_starter import ServerProcess, ServerStarter
from azureml_emulator.serving.servers.upstream import Connection, Pool


class ContainerInstance(Instance):
    """A started container; `launch` creates one."""

    def __init__(
        self, start: ServerSpec, process: ServerProcess, container: Container, network: ContainerNetwork
    ) -> None:
        super().__init__(start, process, None)
        routes = container.routes
        self.scoring_path = routes.scoring_route.path.encode()
        self._network = network
        self._routes = routes
        self._pools = {port: Pool(_Opening(network, port)) for port in routes.ports}

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Stop the container as any server, and close its network."""
        await super().stop(grace)
        self._close_pools()
        await self._network.close()

    def kill(self) -> None:
        """Drop every connection."""
        super().kill()
        self._close_pools()

    def _close_pools(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _found_pool(self) -> Pool | None:
        return self._pools[self._routes.scoring_route.port]

    def _probed(self, *, liveness: bool) -> tuple[Pool, bytes]:
        route: Route = self._routes.liveness_route if liveness else self._routes.readiness_route
        return self._pools[route.port], route.path.encode()

    async def _not_ready_reason(self) -> str:
        reason = await super()._not_ready_reason()
        try:
            found = await self._network.listening_ports()
        except OSError:
            return reason
        if self._probe_status is not None:
            route = self._routes.readiness_route
            return f"{reason}; its readiness route {route.path} on port {route.port} answered {self._probe_status}"
        wanted = " and ".join(map(str, self._routes.ports))
        if self._network.kind != "private" or set(self._routes.ports) <= set(found):
            return reason
        listened = " and ".join(map(str, found)) or "no port"
        return f"{reason}; its environment's inference_config names port {wanted}, and it listens on {listened}"


class _Opening:
    """Opens connections to one port of a container."""

    def __init__(self, network: ContainerNetwork, port: int) -> None:
        self._network = network
        self._port = port

    async def __call__(self, make: Callable[[], Connection]) -> Connection:
        connected = await self._network.connected_socket(self._port)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(make, sock=connected)
        except BaseException:
            connected.close()
            raise
        return connection


async def launch(start: ServerSpec, starter: ServerStarter) -> Instance:
    """Start a server, or a custom container; `ready` waits until it serves. Raises BadRequest."""
    container = start.container
    if container is None:
        return await Instance.launch(start, starter)
    network = ContainerNetwork(container.network, container.emulator_port)
    try:
        process = await starter.spawn_fresh(
            start.identifier,
            network.command(tuple(start.command)),
            folder=start.folder,
            environment=start.environment,
            log=start.revision.log,
            stdin=network.stdin,
        )
    except OSError as error:
        await network.close()
        raise BadRequest(f"The container was not started: {error}.", code="ResourceNotReady") from error
    instance = ContainerInstance(start, process, container, network)
    # When it has ended already, `ready` says so, and with which exit code.
    with suppress(OSError):
        await network.opened()
    return instance
