"""Helpers for routes: JSON bodies, the ARM part of a path, and the error for a route that is not modelled."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from azureml_emulator.kernel.errors import BadRequest, NotModelled

Body = TypeVar("Body", bound=BaseModel)

_README = "Its README lists what it answers."
# By a segment of the path in lower case: what runs on Azure only, and what to do on this machine instead.
_INSTEAD = {
    "package": "Packages are container images: deploy the model itself to an online or batch endpoint.",
    "backfill": "Features are materialised by Spark on Azure: run the transformation as a job.",
    "serverlessendpoints": "Azure hosts the models of serverless endpoints: deploy a model to an online endpoint.",
    "marketplacesubscriptions": "Models of the marketplace are on Azure only: register a model of your own.",
    "inferencegroups": "Inference pools are on Azure only: deploy to an online endpoint.",
    "outboundrules": "There is no managed network here: everything listens on loopback.",
    "privateendpointconnections": "There is no private network here: everything listens on loopback.",
    "labelingjobs": "Labels are made by people in Azure's studio: register labelled data.",
    "indexes": "Indexes are built on Azure: keep the files of an index as a data asset.",
    "capabilityhosts": "Agents are on Azure only.",
}
# Documents of pipelines with nested pipelines have some twenty levels.
_MAX_DEPTH = 100
_FRONT_DOOR = "/mferp/managementfrontend"


def resource_part(path: str) -> str:
    """The ARM path of a request path, without the prefix that registries' clients use."""
    return path.removeprefix(_FRONT_DOOR)


async def json_body(request: Request) -> dict[str, Any]:
    """The request body as a JSON object; an empty body is an empty object. Raises BadRequest."""
    if not await request.body():
        return {}
    body = await json_value(request)
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.", code="InvalidRequestContent")
    return body


async def body_as(request: Request, model: type[Body]) -> Body:
    """The request body as `model`. Raises BadRequest with the field that has another type."""
    try:
        return model.model_validate(await json_body(request))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"'{field}' in the request body: {first['msg']}.", target=field) from error


async def json_value(request: Request) -> Any:
    """The request body as any JSON value. Raises BadRequest."""
    try:
        return read_json(await request.body())
    except ValueError as error:
        raise BadRequest(f"The request body is not valid JSON: {error}", code="InvalidRequestContent") from error


def read_json(raw: bytes) -> Any:
    """Any JSON value that can be stored and sent again.

    Raises ValueError for anything else: infinite numbers, half characters, and nesting that no document has.
    """
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if b"\\u" in raw:
        # Raises UnicodeEncodeError, a ValueError, for one half of a pair of surrogates.
        json.dumps(value, ensure_ascii=False).encode()
    _check_depth(value, _MAX_DEPTH)
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _check_depth(value: Any, left: int) -> None:
    if not left:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)


def unknown_route(request: Request) -> NotModelled:
    """The error for a route that the emulator does not have; it names the route, and what to do instead if known."""
    version = request.query_params.get("api-version", "none")
    segments = request.url.path.lower().split("/")
    advice = next((text for segment, text in _INSTEAD.items() if segment in segments), _README)
    return NotModelled(
        f"The emulator does not model {request.method} {request.url.path} (api-version {version}). {advice}"
    )
