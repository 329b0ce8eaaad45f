"""Refuses requests under another name than this machine's own: what a browser sends whose DNS was pointed at it."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.kernel.errors import error_body
from azureml_emulator.kernel.settings import LOOPBACK

LOCAL_HOSTS = (LOOPBACK, "localhost")
_NAMES = frozenset(name.encode() for name in LOCAL_HOSTS)


class RequireLocalHost:
    """Middleware: answers 403 where the header Host is missing or names another host."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Every one: of two, a server behind might read the other.
        hosts = [text for name, text in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and hosts[0].partition(b":")[0] in _NAMES:
            await self._app(scope, receive, send)
            return
        message = f"The emulator is served as {' and '.join(LOCAL_HOSTS)} only."
        await JSONResponse(error_body("HostNotAllowed", message), 403)(scope, receive, send)
