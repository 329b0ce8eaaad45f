"""The HTTP client for MLflow, created in the event loop on first use."""

from __future__ import annotations

import aiohttp


class HttpClient:
    """Owns the HTTP session."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, which does not decompress bodies."""
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
