"""The composition root: makes every part once, in one order, and lists every route and middleware.

No logic of its own; a new surface is a line here and a file in `http/`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.behaviours import Behaviour, VersionBehaviour
from azureml_emulator.blobs import Blobs
from azureml_emulator.clock import Clock
from azureml_emulator.errors import EmulatorError, error_document
from azureml_emulator.http.arm import Arm, unknown_route
from azureml_emulator.locator import Locator
from azureml_emulator.operations import Operations
from azureml_emulator.scopes import Scopes
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store

_ALL_METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]


class Emulator:
    """Every part of one emulator, wired together."""

    def __init__(self, settings: Settings, base_url: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.base_url = base_url
        self.clock = clock or Clock()
        self.store = Store(settings.state / "emulator.sqlite")
        self.blobs = Blobs(settings.state / "blobs", self.store)
        self.locator = Locator(self.store, self.blobs)
        self.operations = Operations(self.store, self.clock)
        self.scopes = Scopes(self.store, self.clock, self.blobs, settings)
        self.scopes.base_url = base_url
        self.arm = Arm(self.store, self.operations, self.scopes, self._behaviours())
        self.arm.base_url = base_url

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=self._routes(),
            exception_handlers={EmulatorError: refuse},
            lifespan=self._lifespan,
        )

    def _behaviours(self) -> dict[str, Behaviour]:
        version = VersionBehaviour(self.store, self.clock)
        return {
            "codes/versions": version,
            "components/versions": version,
            "data/versions": version,
            "environments/versions": version,
            "models/versions": version,
        }

    def _routes(self) -> list[Route]:
        status = "/subscriptions/{s}/providers/{p}/locations/{l}/mfeOperationsStatus/{operation}"
        return [
            Route("/_emulator/health", health),
            Route(status, self.arm.poll),
            Route("/subscriptions/{rest:path}", self.arm.serve, methods=_ALL_METHODS),
            Route("/{rest:path}", not_modelled, methods=_ALL_METHODS),
        ]

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        self.operations.fail_interrupted()
        yield
        await self.operations.stop()
        self.store.close()


async def health(_: Request) -> Response:
    """Answers once the emulator serves."""
    return JSONResponse({"status": "ready"})


async def not_modelled(request: Request) -> Response:
    """Every route that nothing else answers."""
    raise unknown_route(request)


async def refuse(_: Request, error: Exception) -> Response:
    """Turn a refusal into Azure's error reply."""
    if not isinstance(error, EmulatorError):
        raise error
    return JSONResponse(error_document(error), status_code=error.status)
