"""One running server of a deployment: its process group, connections, limits and shutdown.

Knows one revision and no endpoints; `fleet.py` decides when a server is started, replaced or restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.durations import parse_duration
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.processes.log_file import last_lines
from azureml_emulator.processes.supervisor import GRACE_SECONDS
from azureml_emulator.serving.data_collection.event_writer import Collector
from azureml_emulator.serving.deployment_plan import DeploymentPlan, Probe
from azureml_emulator.serving.servers.deadlines import Deadlines
from azureml_emulator.serving.servers.revision import Revision
from azureml_emulator.serving.servers.server_starter import ServerProcess, ServerStarter
from azureml_emulator.serving.servers.upstream import Pool, UpstreamLost

# A server that never answered a request needs no graceful shutdown.
ABANDONED_GRACE_SECONDS = 0.2
_FIRST_POLL_SECONDS = 0.05
_PROBE_REQUEST = [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
_OK = 200
_SHOWN_LINES = 30


@dataclass(frozen=True)
class ServerSpec:
    """Everything that is needed to start the server of a deployment, and to restart it."""

    identifier: str
    command: Sequence[str]
    environment: Mapping[str, str]
    revision: Revision
    plan: DeploymentPlan
    collector: Collector | None = None


class TooManyRequests(Exception):
    """The deployment has reached its limits."""


class Instance:
    """A started server; `launch` creates one."""

    def __init__(self, start: ServerSpec, process: ServerProcess, socket: Path) -> None:
        self.start = start
        # The Unix socket of the server; it exists once the server has bound it.
        self.socket = socket
        self.plan = start.plan
        self.admitted = 0
        self.deadlines = Deadlines(start.plan.request_timeout)
        self._process = process
        self._pool: Pool | None = None
        self._drained = asyncio.Event()
        self._slots = asyncio.Semaphore(start.plan.max_concurrent)
        self._ended = run_once(process.wait(), f"waiting for the end of {start.identifier}")

    @classmethod
    async def launch(cls, start: ServerSpec, starter: ServerStarter) -> Instance:
        """Start the process; `ready` waits until it serves."""
        socket = starter.socket_path()
        process = await starter.spawn(
            start.identifier,
            [*start.command, str(socket)],
            folder=start.revision.code,
            environment=start.environment,
            log=start.revision.log,
        )
        return cls(start, process, socket)

    @property
    def pid(self) -> int:
        """The id of the process that leads the server's group."""
        return self._process.pid

    @property
    def pool(self) -> Pool:
        """The connections to the server, once it is ready."""
        assert self._pool is not None, "connections requested before the server was ready"  # noqa: S101
        return self._pool

    @property
    def running(self) -> bool:
        """True until the process has ended."""
        return not self._ended.done()

    async def ready(self) -> None:
        """Wait until the readiness probe succeeds. Raises BadRequest, with the server's log, when it does not."""
        try:
            async with asyncio.timeout(self.plan.start_limit):
                await self._until_healthy()
        except TimeoutError:
            await self.stop(ABANDONED_GRACE_SECONDS)
            limit = f"{self.plan.start_limit:g}"
            raise self._failure(
                f"The server was not ready within {limit} seconds, the limit of its liveness probe"
            ) from None
        if not self.running:
            raise self._failure(f"The server exited with code {self._ended.result()} before it was ready")

    async def watch(self) -> str:
        """Wait until the process ends or its liveness probe fails too often. Returns the reason."""
        probe = self.plan.liveness
        failures = 0
        while failures < probe.failure_threshold:
            await asyncio.wait({self._ended}, timeout=parse_duration(probe.period))
            if not self.running:
                return f"the process exited with code {self._ended.result()}"
            failures = 0 if await self._healthy(probe) else failures + 1
        return f"{failures} consecutive liveness probes failed"

    async def admit(self) -> None:
        """Wait for a slot. Raises TooManyRequests at the limits."""
        if self.admitted >= self.plan.max_admitted:
            raise TooManyRequests
        self.admitted += 1
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            await asyncio.wait_for(self._slots.acquire(), self.plan.queue_wait)
        except TimeoutError:
            self.admitted -= 1
            raise TooManyRequests from None
        except BaseException:
            self.admitted -= 1
            raise

    def release(self) -> None:
        """Release the slot."""
        self.admitted -= 1
        self._slots.release()
        if not self.admitted:
            self._drained.set()

    async def drain(self) -> None:
        """Wait for the current requests, at most as long as one may take; then stop. Stops at once when cancelled."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.plan.request_timeout + self.plan.queue_wait):
                    self._drained.clear()
                    if self.admitted:
                        await self._drained.wait()
        except asyncio.CancelledError:
            await self.stop(ABANDONED_GRACE_SECONDS)
            raise
        await self.stop()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Stop the process group, with SIGKILL after `grace` seconds, and close connections; safe to call twice."""
        if self._pool is not None:
            self._pool.close()
        if self.running:
            await self._process.stop(grace)
        await self._ended
        self.socket.unlink(missing_ok=True)

    def kill(self) -> None:
        """Drop every connection immediately, when the server has ended or hangs."""
        if self._pool is not None:
            self._pool.close()

    async def _until_healthy(self) -> None:
        probe = self.plan.readiness
        successes = 0
        while self.running and successes < probe.success_threshold:
            if self._pool is None and self.socket.exists():
                self._pool = Pool(self.socket)
            if self._pool is not None and await self._healthy(probe):
                successes += 1
            else:
                await asyncio.wait({self._ended}, timeout=_FIRST_POLL_SECONDS)

    async def _healthy(self, probe: Probe) -> bool:
        pool = self.pool
        try:
            async with asyncio.timeout(parse_duration(probe.timeout)):
                connection = pool.idle() or await pool.connect(parse_duration(probe.timeout))
                try:
                    answer = await connection.ask(_PROBE_REQUEST)
                finally:
                    pool.give(connection)
        except (TimeoutError, OSError, UpstreamLost):
            return False
        return answer.status == _OK

    def _failure(self, reason: str) -> BadRequest:
        lines = "\n".join(last_lines(self.start.revision.log, _SHOWN_LINES))
        return BadRequest(
            f"User container has crashed or terminated: {reason}. The last lines of its log:\n{lines}",
            code="ResourceNotReady",
        )
