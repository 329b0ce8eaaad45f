"""The one HTTP client for what the emulator itself asks of MLflow; made in the event loop on first use."""

from __future__ import annotations

import aiohttp


class Outgoing:
    """Holds the session."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; bodies pass through it as they are."""
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
