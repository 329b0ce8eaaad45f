"""Callers of an endpoint who count what they were answered: at a steady rate for a while, or each question once."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import aiohttp

from mlops.endpoint.client import REQUEST_ID_HEADER, Address, trust

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
        async with _session(self._address) as session, asyncio.TaskGroup() as asked:
            due = time.monotonic()
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += self._interval
                asked.create_task(self._ask(session))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        self._answers[await _answer(session, self._address, next(self._bodies), {})] += 1


def ask_each(address: Address, bodies: Mapping[str, bytes]) -> Counter[str]:
    """Ask every question once, under its own request id, as fast as answers come; how often each answer was given."""
    return asyncio.run(_ask_each(address, bodies))


async def _ask_each(address: Address, bodies: Mapping[str, bytes]) -> Counter[str]:
    answers: Counter[str] = Counter()
    waiting = iter(bodies.items())
    async with _session(address) as session, asyncio.TaskGroup() as asked:
        for _ in range(_CONNECTIONS):
            asked.create_task(_ask_in_turn(session, address, waiting, answers))
    return answers


async def _ask_in_turn(
    session: aiohttp.ClientSession, address: Address, waiting: Iterator[tuple[str, bytes]], answers: Counter[str]
) -> None:
    for identifier, body in waiting:
        answers[await _answer(session, address, body, {REQUEST_ID_HEADER: identifier})] += 1


def _session(address: Address) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {address.key}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trust())
    return aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector)


async def _answer(session: aiohttp.ClientSession, address: Address, body: bytes, headers: Mapping[str, str]) -> str:
    """What the endpoint answered: its status, or what went wrong on the way."""
    try:
        async with session.post(address.scoring_uri, data=body, headers=headers) as reply:
            await reply.read()
            return str(reply.status)
    except (TimeoutError, aiohttp.ClientError) as error:
        return type(error).__name__
