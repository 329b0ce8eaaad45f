"""Everything that serves right now: each deployment's server, kept up, replaced, restarted, stopped.

The behaviours tell it what shall serve and the router asks it where to send a request; it reads no store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal

from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.serving.metrics.request_counts import DeploymentMetrics
from azureml_emulator.serving.servers.instance import ABANDONED_GRACE_SECONDS, Instance, ServerStart
from azureml_emulator.serving.servers.server_starter import Starter

Health = Literal["starting", "healthy", "restarting", "stopped"]
# Between the end of a server and its next start: at once the first time, then ever longer.
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A server that ran this long counts as recovered: its next end is a first one again.
RECOVERED_SECONDS = 60.0
# How long the router holds a request for a server that comes up with the emulator.
START_WAIT_SECONDS = 20.0
_log = logging.getLogger(__name__)


class Deployment:
    """One deployment that serves: its current server, its health, its counts."""

    def __init__(self, name: str, starter: Starter) -> None:
        self.name = name
        self.metrics = DeploymentMetrics()
        self.health: Health = "starting"
        self.restarts = 0
        self.instance: Instance | None = None
        self.trouble: str | None = None
        self._starter = starter
        self._ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def wait_ready(self) -> Instance | None:
        """The server for a request, waiting a while for one that starts with the emulator; None when down."""
        if self.health == "starting":
            try:
                await asyncio.wait_for(self._ready.wait(), START_WAIT_SECONDS)
            except TimeoutError:
                return None
        return self.instance if self.health == "healthy" else None

    async def replace(self, instance: Instance) -> None:
        """Send every request from now on to `instance`, which is up; the one before ends what it began."""
        before, self.instance = self.instance, instance
        self._keep(self._keep_up(instance))
        self._healthy()
        if before is not None:
            self._leave(before)

    def resume(self, start: ServerStart) -> None:
        """Bring a server back in the background, after a start of the emulator."""
        self._keep(self._bring_back(start))

    async def stop(self) -> None:
        """End the server after the requests it works on, and everything about it."""
        self.health = "stopped"
        self._ready.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        instance, self.instance = self.instance, None
        if instance is not None:
            await instance.drain()
        await asyncio.gather(*self._leaving)

    def document(self) -> dict[str, Any]:
        """Health and counts as JSON."""
        instance = self.instance
        return {
            "health": self.health,
            "restarts": self.restarts,
            "trouble": self.trouble,
            "port": instance.port if instance else None,
            "pid": instance.pid if instance else None,
            "collector": instance.start.collector.document() if instance and instance.start.collector else None,
            **self.metrics.document(),
        }

    def _keep(self, work: Any) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        self._keeper = asyncio.create_task(work)

    def _leave(self, instance: Instance) -> None:
        task = asyncio.create_task(instance.drain())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _healthy(self) -> None:
        self.health = "healthy"
        self.trouble = None
        self._ready.set()

    async def _bring_back(self, start: ServerStart) -> None:
        instance = await self._start_until_up(start)
        await self._keep_up(instance)

    async def _keep_up(self, instance: Instance) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            self.trouble = await instance.watch()
            self.health = "restarting"
            _log.warning("deployment %s: %s; restarting it", self.name, self.trouble)
            instance.kill()
            await instance.stop()
            failures = 0 if loop.time() - began > RECOVERED_SECONDS else failures + 1
            await asyncio.sleep(_backoff(failures - 1))
            self.restarts += 1
            instance = await self._start_until_up(instance.start, failures)

    async def _start_until_up(self, start: ServerStart, failures: int = 0) -> Instance:
        while True:
            instance = await Instance.launch(start, self._starter)
            try:
                await instance.ready()
            except EmulatorError as error:
                self.trouble = error.message.partition("\n")[0]
                self.health = "restarting"
                # Requests that wait for it need wait no longer.
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
    """The deployments that serve, by their key."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._deployments: dict[str, Deployment] = {}

    def get(self, key: str) -> Deployment | None:
        """The deployment with this key (an ARM id in lower case), or None when nothing serves it."""
        return self._deployments.get(key)

    def ensure(self, key: str, name: str) -> Deployment:
        """The deployment with this key, made when it is not there."""
        return self._deployments.setdefault(key, Deployment(name, self._starter))

    async def launch(self, start: ServerStart) -> Instance:
        """Start a server and wait until it is up. Raises BadRequest with its log when it does not come up."""
        instance = await Instance.launch(start, self._starter)
        try:
            await instance.ready()
        except asyncio.CancelledError:
            await instance.stop(ABANDONED_GRACE_SECONDS)
            raise
        return instance

    async def remove(self, key: str) -> None:
        """Stop a deployment and forget it."""
        deployment = self._deployments.pop(key, None)
        if deployment is not None:
            await deployment.stop()

    async def stop(self) -> None:
        """Stop all, at the end of the emulator."""
        keys = list(self._deployments)
        await asyncio.gather(*(self.remove(key) for key in keys))

    def documents(self, named: Callable[[str], bool] = lambda _: True) -> dict[str, Any]:
        """Health and counts of the deployments whose key is `named`, as JSON by key."""
        return {key: deployment.document() for key, deployment in self._deployments.items() if named(key)}


def _backoff(failures: int) -> float:
    return BACKOFF_SECONDS[max(0, min(failures, len(BACKOFF_SECONDS) - 1))]
