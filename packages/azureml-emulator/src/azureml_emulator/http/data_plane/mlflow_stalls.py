"""Closes connections to MLflow's addresses whose peer stalls; aiohttp has a limit between requests only."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from aiohttp import web

from azureml_emulator.kernel.settings import ConnectionLimits

_State = tuple[str, int]


class StallGuard:
    """Looks now and then at what each connection waits for."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._served = 0
        self._requests: dict[web.RequestHandler, tuple[int, web.BaseRequest]] = {}
        self._since: dict[web.RequestHandler, tuple[_State, float]] = {}

    @contextmanager
    def serving(self, request: web.BaseRequest) -> Generator[None]:
        """Note that a request is answered meanwhile."""
        self._served += 1
        self._requests[request.protocol] = (self._served, request)
        try:
            yield
        finally:
            del self._requests[request.protocol]
            # A further wait for headers is a new one.
            self._since.pop(request.protocol, None)

    async def run(self, server: web.Server) -> None:
        """Close stalled connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.check_seconds)
            for handler in server.connections:
                self._check(handler, loop.time())
            self._since = {handler: since for handler, since in self._since.items() if handler in server.connections}

    def _check(self, handler: web.RequestHandler, now: float) -> None:
        state, limit = self._awaited(handler)
        if limit is None or handler not in self._since or self._since[handler][0] != state:
            self._since[handler] = (state, now)
        elif now - self._since[handler][1] > limit and handler.transport is not None:
            handler.transport.abort()

    def _awaited(self, handler: web.RequestHandler) -> tuple[_State, float | None]:
        """What the peer is waited for, which changes with its progress, and for how long that may be the same."""
        number, request = self._requests.get(handler, (0, None))
        if handler.writing_paused:
            return ("reading", number), self._limits.transfer_seconds
        if request is None:
            return ("headers", 0), self._limits.idle_seconds
        if not request.content.is_eof():
            return ("body", request.content.total_bytes), self._limits.transfer_seconds
        return ("working", number), None
