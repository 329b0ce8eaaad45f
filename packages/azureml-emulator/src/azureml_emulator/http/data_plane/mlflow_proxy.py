"""A proxy to the MLflow server for azureml-mlflow (`azureml://` tracking addresses), behind the token check.

On Azure the name of a job is the id of its run. Here MLflow creates its own ids, so requests have job names replaced by
run ids, and replies the reverse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from yarl import URL

from azureml_emulator.http.requests import unknown_route
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.errors import Unavailable
from azureml_emulator.kernel.resource_id import PROVIDER, Scope

_API = "api/2.0/mlflow"
_RUN_KEYS = frozenset({"run_id", "run_uuid", "run_ids"})
_PARENT_TAG = "mlflow.parentRunId"
_ARTIFACTS = "mlflow-artifacts:/"
_TIMEOUT = aiohttp.ClientTimeout(total=120)
Translate = Callable[[str], str]


class MlflowProxy:
    """Forwards MLflow's REST API."""

    def __init__(self, server: MlflowServer, http_client: HttpClient, records: JobRecords) -> None:
        self._server = server
        self._outgoing = http_client
        self._records = records

    def routes(self) -> list[Route]:
        """The routes of this class."""
        workspace = f"/subscriptions/{{s}}/resourceGroups/{{g}}/providers/{PROVIDER}/workspaces/{{w}}"
        methods = ["GET", "POST", "PATCH", "DELETE", "PUT"]
        return [
            Route(f"/mlflow/{version}{workspace}/{{rest:path}}", self.serve, methods=methods)
            for version in ("v1.0", "v2.0")
        ]

    async def serve(self, request: Request) -> Response:
        """Forward one request with run ids instead of job names, and the reply with job names instead of run ids."""
        rest = request.path_params["rest"]
        if not rest.startswith(_API) or ".." in rest:
            raise unknown_route(request)
        address = await self._server.ready()
        scope = Scope(request.path_params["s"], request.path_params["g"], "workspaces", request.path_params["w"])
        inward = self._inward(scope)
        query = [
            (key, inward(value) if key in _RUN_KEYS else value) for key, value in request.query_params.multi_items()
        ]
        body = _translated(await request.body(), inward)
        url = URL(address).joinpath(*rest.split("/")).with_query(query)
        try:
            async with self._outgoing.session.request(
                request.method, url, data=body, headers={"Content-Type": "application/json"}, timeout=_TIMEOUT
            ) as reply:
                answer = await reply.read()
                status, kind = reply.status, reply.content_type
        except aiohttp.ClientError as error:
            raise Unavailable(f"MLflow does not answer: {error}") from error
        artifacts = f"{address}/api/2.0/mlflow-artifacts/artifacts/".encode()
        shown = _translated(answer, self._records.job_of_run).replace(_ARTIFACTS.encode(), artifacts)
        return Response(shown, status, media_type=kind)

    def _inward(self, scope: Scope) -> Translate:
        return lambda name: self._records.run_of_job(scope, name)


def _translated(raw: bytes, translate: Translate) -> bytes:
    """JSON with every run id translated; anything else unchanged."""
    if not raw:
        return raw
    try:
        document = json.loads(raw)
    except ValueError:
        return raw
    return json.dumps(_walk(document, translate)).encode()


def _walk(value: Any, translate: Translate) -> Any:
    if isinstance(value, list):
        return [_walk(item, translate) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("key") == _PARENT_TAG and isinstance(value.get("value"), str):
        return {**value, "value": translate(value["value"])}
    return {key: _ids(item, translate) if key in _RUN_KEYS else _walk(item, translate) for key, item in value.items()}


def _ids(value: Any, translate: Translate) -> Any:
    if isinstance(value, str):
        return translate(value)
    return [_ids(item, translate) for item in value] if isinstance(value, list) else value
