"""All running deployments: their servers are supervised, replaced, restarted and stopped here.

The behaviours say what should serve, and the router looks up where to send a request. Reads no store.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.serving.metrics.request_counts import DeploymentMetrics
from azureml_emulator.serving.servers.container import launch
from azureml_emulator.serving.servers.instance import ABANDONED_GRACE_SECONDS, Instance, ServerSpec
from azureml_emulator.serving.servers.server_starter import ServerStarter

Health = Literal["starting", "healthy", "restarting", "stopped"]
# Seconds between the end of a server and its restart: immediate at first, then longer and longer.
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A server that ran this long counts as recovered: the backoff starts over.
RECOVERED_SECONDS = 60.0
# How long the router holds a request for a server that starts together with the emulator.
START_WAIT_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Deployment:
    """One running deployment: its current server, its health, its counts."""

    def __init__(self, name: str, starter: ServerStarter) -> None:
        self.name = name
        self.metrics = DeploymentMetrics()
        self.health: Health = "starting"
        self.restarts = 0
        self.instance: Instance | None = None
        self.unhealthy_reason: str | None = None
        self._starter = starter
        self._ready = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._draining: set[asyncio.Task[None]] = set()

    async def wait_ready(self) -> Instance | None:
        """The server for a request; waits for one that starts together with the emulator. None when it is down."""
        if self.health == "starting":
            try:
                await asyncio.wait_for(self._ready.wait(), START_WAIT_SECONDS)
            except TimeoutError:
                return None
        return self.instance if self.health == "healthy" else None

    async def replace(self, instance: Instance) -> None:
        """Send new requests to `instance`, which is ready. The previous one finishes its requests and stops."""
        before, self.instance = self.instance, instance
        self._keep(self._keep_up(instance))
        self._healthy()
        if before is not None:
            self._drain(before)

    def resume(self, start: ServerSpec) -> None:
        """Restore a server in the background, at the start of the emulator."""
        self._keep(self._restore(start))

    async def stop(self) -> None:
        """Stop the server after its current requests."""
        self.health = "stopped"
        self._ready.set()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self.instance is not None:
            self._drain(self.instance)
            self.instance = None
        await asyncio.gather(*self._draining)

    def document(self) -> dict[str, Any]:
        """Health and counts as JSON."""
        instance = self.instance
        return {
            "health": self.health,
            "restarts": self.restarts,
            "unhealthy_reason": self.unhealthy_reason,
            "socket": str(instance.socket) if instance and instance.socket else None,
            "pid": instance.pid if instance else None,
            "collector": instance.start.collector.document() if instance and instance.start.collector else None,
            **self.metrics.document(),
        }

    def _keep(self, work: Any) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
        self._supervisor = run_once(work, f"the supervisor of {self.name}")

    def _drain(self, instance: Instance) -> None:
        task = run_once(instance.drain(), f"draining a server of {self.name}")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def _healthy(self) -> None:
        self.health = "healthy"
        self.unhealthy_reason = None
        self._ready.set()

    async def _restore(self, start: ServerSpec) -> None:
        instance = await self._start_until_up(start)
        await self._keep_up(instance)

    async def _keep_up(self, instance: Instance) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            self.unhealthy_reason = await instance.watch()
            self.health = "restarting"
            _log.warning("deployment %s: %s; restarting it", self.name, self.unhealthy_reason)
            instance.kill()
            await instance.stop()
            failures = 0 if loop.time() - began > RECOVERED_SECONDS else failures + 1
            await asyncio.sleep(_backoff(failures - 1))
            self.restarts += 1
            instance = await self._start_until_up(instance.start, failures)

    async def _start_until_up(self, start: ServerSpec, failures: int = 0) -> Instance:
        while True:
            instance = await launch(start, self._starter)
            try:
                await instance.ready()
            except EmulatorError as error:
                self.unhealthy_reason = error.message.partition("\n")[0]
                self.health = "restarting"
                # Release requests that wait for it.
                self._ready.set()
                failures += 1
                await asyncio.sleep(_backoff(failures))
                self.restarts += 1
            except asyncio.CancelledError:
                await instance.stop(ABANDONED_GRACE_SECONDS)
                raise
            else:
                self.instance = instance
                self._healthy()
                return instance


class Fleet:
    """The running deployments, by key."""

    def __init__(self, starter: ServerStarter) -> None:
        self._starter = starter
        self._deployments: dict[str, Deployment] = {}

    def get(self, key: str) -> Deployment | None:
        """The running deployment with this key (an ARM id in lower case), or None."""
        return self._deployments.get(key)

    def ensure(self, key: str, name: str) -> Deployment:
        """The deployment with this key; created if needed."""
        return self._deployments.setdefault(key, Deployment(name, self._starter))

    async def launch(self, start: ServerSpec) -> Instance:
        """Start a server and wait until it is ready. Raises BadRequest, with its log, when it does not start."""
        instance = await launch(start, self._starter)
        try:
            await instance.ready()
        except asyncio.CancelledError:
            await instance.stop(ABANDONED_GRACE_SECONDS)
            raise
        return instance

    async def remove(self, key: str) -> None:
        """Stop and remove a deployment."""
        deployment = self._deployments.get(key)
        if deployment is not None:
            await deployment.stop()
            self._deployments.pop(key, None)

    async def stop(self) -> None:
        """Stop all deployments, at the end of the emulator."""
        keys = list(self._deployments)
        await asyncio.gather(*(self.remove(key) for key in keys))

    def documents(self) -> dict[str, Any]:
        """Health and counts of every deployment as JSON, by key."""
        return {key: deployment.document() for key, deployment in self._deployments.items()}


def _backoff(failures: int) -> float:
    return BACKOFF_SECONDS[max(0, min(failures, len(BACKOFF_SECONDS) - 1))]
