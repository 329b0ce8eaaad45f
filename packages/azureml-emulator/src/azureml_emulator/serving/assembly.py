"""Wires the parts of online endpoints together, and starts and stops them with the emulator. The root of `serving`."""

from __future__ import annotations

from collections.abc import Mapping

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.serving.data_collection.collector_registry import CollectorRegistry
from azureml_emulator.serving.deployments.containers import Containers
from azureml_emulator.serving.deployments.deployments import Deployments
from azureml_emulator.serving.deployments.endpoints import Endpoints
from azureml_emulator.serving.servers.fleet import Fleet
from azureml_emulator.serving.servers.server_starter import ServerStarter
from azureml_emulator.storage.locator import Locator


class ServingParts:
    """Online endpoints and their deployments. `variables` point a container at the emulator, which is on `port`."""

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        port: int,
        store: Store,
        clock: Clock,
        locator: Locator,
        operations: Operations,
        processes: Processes,
        listeners: Listeners,
        tokens: Tokens,
        variables: Mapping[str, str],
    ) -> None:
        fork = settings.step_launcher == "fork"
        self._starter = ServerStarter(processes, listeners, settings.state / "deployments-server.log", fork=fork)
        self.fleet = Fleet(self._starter)
        one_at_a_time = settings.endpoint_operations == "one_at_a_time"
        self.endpoints = Endpoints(store, clock, operations, self.fleet, tokens, base_url, one_at_a_time=one_at_a_time)
        self._collectors = CollectorRegistry(locator, listeners, settings.files.collected_bytes)
        containers = Containers(
            locator, settings.images, dict(variables), port, open_ports=settings.open_container_ports
        )
        self.deployments = Deployments(
            store,
            clock,
            operations,
            locator,
            self.fleet,
            self.endpoints,
            self._collectors,
            containers,
            settings.state / "deployments",
        )

    async def open(self) -> None:
        """Start the servers of the deployments that there are."""
        await self._collectors.open()
        self.deployments.resume()
        self.endpoints.load()

    async def close(self) -> None:
        """Stop every server."""
        await self.fleet.stop()
        await self._starter.close()
        await self._collectors.stop()
