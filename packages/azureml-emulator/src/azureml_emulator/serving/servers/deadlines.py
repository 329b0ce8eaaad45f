"""Timeouts for many futures with one limit and a single timer.

A timer per request would cost several times as much as the rest of a request's bookkeeping.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Deadlines:
    """Futures that must be done within `limit` seconds after they were added."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        # Ordered by deadline, since the limit is the same for all.
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are watched; some of them may be done."""
        return len(self._watched)

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Set TimeoutError on the future when it is not done in time."""
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
