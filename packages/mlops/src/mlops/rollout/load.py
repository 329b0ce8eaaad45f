"""Synthetic callers: golden requests at a steady rate to one deployment, with latencies and outcomes counted.

A header marks them as synthetic, and they name their deployment, so that real callers are not affected.
Runs on its own threads; azure/service_health.py judges the metrics.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from mlops.azure.service_health import Observation, quantile
from mlops.core.errors import Inconclusive, RolloutFailed
from mlops.core.programs import MachineLoad, busiest_programs
from mlops.endpoint.client import DEPLOYMENT_HEADER, SYNTHETIC_HEADER, Address, trust

CONNECTIONS: Final = 8
REQUEST_TIMEOUT_SECONDS: Final = 10.0
# Answers about the key or the address, not about the deployment.
_NOT_ITS_FAULT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_P95: Final = 0.95
_P99: Final = 0.99
_STOP_SECONDS: Final = 5.0
# What is in flight may end by itself. asyncio leaves a TLS connection open that is cancelled as it is being made.
_FINISH_SECONDS: Final = 1.0


class GoldenLoad:
    """Callers of one deployment, from `start` to `stop`. The metrics can be read at any time."""

    def __init__(
        self, address: Address, deployment: str, bodies: Sequence[bytes], requests_per_second: float, sample: int
    ) -> None:
        self.deployment = deployment
        self.unreached = 0
        self.last_miss = ""
        self._address = address
        self._bodies = bodies
        self._interval = 1.0 / requests_per_second
        self._sample = sample
        self._milliseconds: list[float] = []
        self._late: list[float] = []
        self._failures = 0
        self._last_failure = ""
        self._began = self._first = self._last = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def start(self) -> None:
        """Start the callers."""
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop the callers; requests in flight have a second to finish, and are then abandoned."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def last_failure(self) -> str:
        """The last failed answer; "" if none failed."""
        return self._last_failure

    @property
    def per_second(self) -> float:
        """Answers per second since the first answer, without the time to connect."""
        return (len(self._milliseconds) - 1) / max(self._last - self._first, self._interval)

    @property
    def late_milliseconds(self) -> float:
        """How late this machine wakes a caller up, at the 95th percentile: none of it is the deployment's."""
        late = list(self._late)
        return quantile(late, _P95) if late else 0.0

    def begin_again(self) -> None:
        """Forget the answers so far."""
        self._milliseconds, self._late, self._failures = [], [], 0
        self._began, self._first = time.monotonic(), 0.0

    def observation(self) -> Observation:
        """The answers so far. Percentiles of a partial sample count missing answers as fast: breaches are certain."""
        milliseconds = list(self._milliseconds)
        sample = [*milliseconds, *([0.0] * (self._sample - len(milliseconds)))]
        return Observation(
            requests=len(milliseconds),
            failures=self._failures,
            p95_milliseconds=quantile(sample, _P95),
            p99_milliseconds=quantile(sample, _P99),
        )

    async def _work(self) -> None:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        headers = {
            "Authorization": f"Bearer {self._address.key}",
            "Content-Type": "application/json",
            DEPLOYMENT_HEADER: self.deployment,
            SYNTHETIC_HEADER: "rollout",
        }
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trust())
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, connector=connector) as session:
            asked: set[asyncio.Task[None]] = set()
            due, number = time.monotonic(), 0
            while not self._stopping.is_set():
                if len(asked) == CONNECTIONS:
                    await asyncio.wait(asked, timeout=self._interval, return_when=asyncio.FIRST_COMPLETED)
                    continue
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self._late.append(1000 * (time.monotonic() - due))
                # Missed requests are not made up for: that would change the load.
                due = max(due + self._interval, time.monotonic() - self._interval)
                task = asyncio.create_task(self._ask(session, self._bodies[number % len(self._bodies)]))
                asked.add(task)
                task.add_done_callback(asked.discard)
                number += 1
            await _finish(asked)

    async def _ask(self, session: aiohttp.ClientSession, body: bytes) -> None:
        began = time.perf_counter()
        try:
            async with session.post(self._address.scoring_uri, data=body) as reply:
                await reply.read()
                status = reply.status
        except TimeoutError:
            self._count(began, f"no answer in {REQUEST_TIMEOUT_SECONDS:.0f} s")
        except aiohttp.ClientError as error:
            # The connection to the endpoint is broken, for every caller and every deployment.
            self._miss(str(error))
            await asyncio.sleep(self._interval)
        else:
            if status in _NOT_ITS_FAULT:
                self._miss(f"answered {status}")
            else:
                self._count(began, "" if status == HTTPStatus.OK else f"answered {status}")

    def _miss(self, why: str) -> None:
        self.unreached += 1
        self.last_miss = why

    def _count(self, began: float, failure: str) -> None:
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self._milliseconds.append(1000 * (self._last - began))
        if failure:
            self._failures += 1
            self._last_failure = failure


def inconclusive(error: RolloutFailed, load: MachineLoad, command: str) -> Inconclusive:
    """A failure by a figure of time on a machine that is too busy to measure one: it shows nothing of the model."""
    return Inconclusive(
        f"{error.message}. This is inconclusive, no fault of the model: this machine is too busy to measure ({load})",
        f"Run `{command}` again once the load is below {load.most}; it continues from what is live.",
        (*error.details, *(f"what else runs: {each}" for each in busiest_programs())),
    )


async def _finish(asked: set[asyncio.Task[None]]) -> None:
    if asked:
        _, late = await asyncio.wait(asked, timeout=_FINISH_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
