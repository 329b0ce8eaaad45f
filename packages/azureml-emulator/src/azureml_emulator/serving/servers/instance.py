"""One running server of a deployment: its process group, connections, limits and shutdown.

Knows one revision and no endpoints; `fleet.py` decides when a server is started, replaced or restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import parse_duration
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.processes.log_file import last_lines
from azureml_emulator.processes.supervisor import GRACE_SECONDS
from azureml_emulator.serving.containers.container import Container
from azureml_emulator.serving.data_collection.event_writer import Collector
from azureml_emulator.serving.deployment_plan import DeploymentPlan, Probe
from azureml_emulator.serving.servers.deadlines import Deadlines
from azureml_emulator.serving.servers.revision import Revision
from azureml_emulator.serving.servers.server_starter import ServerProcess, ServerStarter
from azureml_emulator.serving.servers.upstream import Pool, UpstreamLost, open_unix

# A server that never answered a request needs no graceful shutdown.
ABANDONED_GRACE_SECONDS = 0.2
_FIRST_POLL_SECONDS = 0.05
_PROBE_PATH = b"/"
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
    container: Container | None = None
    # Where the command of a container starts; servers start in the folder of their code.
    working_folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The working folder of the process."""
        return self.working_folder or self.revision.code


class TooManyRequests(Exception):
    """The deployment has reached its limits."""


class Instance:
    """A started server; `launch` creates one. `scoring_path` replaces the path of requests where it is not None."""

    scoring_path: bytes | None = None

    def __init__(self, start: ServerSpec, process: ServerProcess, socket: Path | None) -> None:
        self.start = start
        # The Unix socket of the server; it exists once the server has bound it. A custom container has none.
        self.socket = socket
        self.plan = start.plan
        self.admitted = 0
        self.deadlines = Deadlines(start.plan.request_timeout)
        self._process = process
        self._pool: Pool | None = None
        self._probe_status: int | None = None
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
            folder=start.folder,
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
            reason = await self._not_ready_reason()
            await self.stop(ABANDONED_GRACE_SECONDS)
            raise self._failure(reason) from None
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
            failures = 0 if await self._healthy(probe, liveness=True) else failures + 1
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
        if self.socket is not None:
            self.socket.unlink(missing_ok=True)

    def kill(self) -> None:
        """Drop every connection immediately, when the server has ended or hangs."""
        if self._pool is not None:
            self._pool.close()

    async def _until_healthy(self) -> None:
        probe = self.plan.readiness
        successes = 0
        while self.running and successes < probe.success_threshold:
            if self._pool is None:
                self._pool = self._found_pool()
            if self._pool is not None and await self._healthy(probe, liveness=False):
                successes += 1
            else:
                await asyncio.wait({self._ended}, timeout=_FIRST_POLL_SECONDS)

    def _found_pool(self) -> Pool | None:
        """The connections to the server; None until it listens."""
        return Pool(partial(open_unix, self.socket)) if self.socket is not None and self.socket.exists() else None

    def _probed(self, *, liveness: bool) -> tuple[Pool, bytes]:  # noqa: ARG002 - a server has one route for both
        """The connections for a probe, and the path that it asks."""
        return self.pool, _PROBE_PATH

    async def _not_ready_reason(self) -> str:
        return f"The server was not ready within {self.plan.start_limit:g} seconds, the limit of its liveness probe"

    async def _healthy(self, probe: Probe, *, liveness: bool) -> bool:
        pool, path = self._probed(liveness=liveness)
        try:
            async with asyncio.timeout(parse_duration(probe.timeout)):
                connection = pool.idle() or await pool.connect(parse_duration(probe.timeout))
                try:
                    answer = await connection.ask([b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path])
                finally:
                    pool.give(connection)
        except (TimeoutError, OSError, UpstreamLost):
            return False
        self._probe_status = answer.status
        return answer.status == _OK

    def _failure(self, reason: str) -> BadRequest:
        lines = "\n".join(last_lines(self.start.revision.log, _SHOWN_LINES))
        return BadRequest(
            f"User container has crashed or terminated: {reason}. The last lines of its log:\n{lines}",
            code="ResourceNotReady",
        )
