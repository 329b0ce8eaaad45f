"""The HTTP client for MLflow's server on its Unix socket, created in the event loop on first use."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from azureml_emulator.kernel.errors import Unavailable


class HttpClient:
    """Owns the HTTP session."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, which does not decompress bodies. Raises Unavailable after `close`."""
        if self._closed:
            raise Unavailable("The emulator is stopping, and MLflow with it.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(self.socket), limit=0), auto_decompress=False
            )
        return self._session

    async def close(self) -> None:
        """Close the connections, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
