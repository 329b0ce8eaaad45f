"""Callers of an endpoint at a steady rate, who count what they were answered: proof that nobody noticed."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from mlops.serving.scoring_call import Address

_CONNECTIONS: Final = 8
_TIMEOUT_SECONDS: Final = 30.0
_JOIN_SECONDS: Final = 40.0


class Callers:
    """Ask an endpoint some questions again and again, wherever its traffic goes; a context manager."""

    def __init__(self, address: Address, bodies: Sequence[bytes], requests_per_second: float) -> None:
        self._address = address
        self._bodies = itertools.cycle(bodies)
        self._interval = 1.0 / requests_per_second
        self._answers: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def __enter__(self) -> Callers:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the answers under way, and end."""
        self._stopping.set()
        self._thread.join(_JOIN_SECONDS)

    @property
    def requests(self) -> int:
        """How many were answered, or failed."""
        return self._answers.total()

    @property
    def failures(self) -> dict[str, int]:
        """What went wrong, and how often; empty when every answer was 200."""
        return {answer: count for answer, count in self._answers.items() if answer != str(HTTPStatus.OK.value)}

    async def _work(self) -> None:
        headers = {"Authorization": f"Bearer {self._address.key}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        # Made here: the library makes its own when it is imported, before the variables of a workspace are known.
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=ssl.create_default_context())
        session = aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector)
        async with session, asyncio.TaskGroup() as asked:
            due = time.monotonic()
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += self._interval
                asked.create_task(self._ask(session))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.post(self._address.scoring_uri, data=next(self._bodies)) as reply:
                await reply.read()
                self._answers[str(reply.status)] += 1
        except (TimeoutError, aiohttp.ClientError) as error:
            self._answers[type(error).__name__] += 1
