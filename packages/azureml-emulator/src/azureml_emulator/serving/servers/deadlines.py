"""Ends waits that last longer than one limit, with one timer for all of them. Knows nothing of what is waited for.

A timer of its own for each request costs several times what the rest of a request's bookkeeping does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Deadlines:
    """Futures that must be done within `limit` seconds from when each is watched."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        # In the order in which they end, since the limit is the same for all.
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are watched, among them perhaps some that are done."""
        return len(self._watched)

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Let the future raise TimeoutError when it is not done in time."""
        self._drop_done()
        loop = asyncio.get_running_loop()
        self._watched.append((loop.time() + self.limit, future))
        if self._timer is None:
            self._timer = loop.call_later(self.limit, self._expire)

    def _expire(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._watched and self._watched[0][0] <= now:
            _, future = self._watched.popleft()
            if not future.done():
                future.set_exception(TimeoutError())
        self._drop_done()
        if self._watched:
            self._timer = loop.call_later(self._watched[0][0] - now, self._expire)

    def _drop_done(self) -> None:
        while self._watched and self._watched[0][1].done():
            self._watched.popleft()
