"""Renders what routes raise: errors of the emulator, a full disk, what no route has, and bugs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.kernel.errors import BadRequest, EmulatorError, disk_full, error_body, error_document

Handler = Callable[[Request, Exception], Awaitable[Response]]
_NOT_FOUND = 404


def error_handlers(state: Path) -> Mapping[Any, Handler]:
    """A handler for each type of error; `state` is the folder that a full disk is told of."""

    async def refuse_write(request: Request, error: Exception) -> Response:
        """Render a write for which there is no room as such, and any other failure as a bug."""
        return await refuse(request, disk_full(error, state) or error)

    return {EmulatorError: refuse, OSError: refuse_write, HTTPException: unroutable, Exception: defect}


async def refuse(_: Request, error: Exception) -> Response:
    """Render an error of the emulator in Azure's error shape."""
    if not isinstance(error, EmulatorError):
        raise error
    return JSONResponse(error_document(error), status_code=error.status)


async def unroutable(request: Request, error: Exception) -> Response:
    """Render what the framework refuses: a method, or a path with a line break, which no route has."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == _NOT_FOUND:
        path = BadRequest(f"{request.url.path!r} is not a path that a resource can have.", code="InvalidUri")
        return JSONResponse(error_document(path), status_code=path.status)
    message = f"{request.url.path} does not accept {request.method}."
    return JSONResponse(error_body("MethodNotAllowed", message), status_code=status)


async def defect(request: Request, error: Exception) -> Response:
    """Render a bug of the emulator in Azure's error shape; the server logs the traceback."""
    message = f"The emulator failed on {request.method} {request.url.path}: {type(error).__name__}: {error}"
    return JSONResponse(error_body("InternalServerError", message), status_code=500)
