"""A proxy to the MLflow server for azureml-mlflow (`azureml://` tracking addresses), behind the token check.

On Azure the name of a job is the id of its run. Here MLflow creates its own ids, so requests have job names replaced by
run ids, and replies the reverse.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.http.data_plane.mlflow_registry import RegistryApi
from azureml_emulator.http.requests import unknown_route
from azureml_emulator.jobs.job_records import JobRecords
from azureml_emulator.jobs.tracking.gateway import Gateway, api_route
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.kernel.resource_id import PROVIDER, Scope, ScopeKind
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.storage.run_artifacts import MLFLOW_ARTIFACTS

_API = "api/2.0/mlflow"
_RUN_KEYS = frozenset({"run_id", "run_uuid", "run_ids"})
_PARENT_TAG = "mlflow.parentRunId"
Translate = Callable[[str], str]


class MlflowProxy:
    """Serves MLflow's REST API below the id of a workspace, and the model registry below that of a registry too."""

    def __init__(
        self, server: MlflowServer, gateway: Gateway, registry: RegistryApi, records: JobRecords, scopes: Scopes
    ) -> None:
        self._server = server
        self._gateway = gateway
        self._registry = registry
        self._records = records
        self._scopes = scopes

    def routes(self) -> list[Route]:
        """The routes of this class."""
        group = f"/subscriptions/{{s}}/resourceGroups/{{g}}/providers/{PROVIDER}"
        methods = ["GET", "POST", "PATCH", "DELETE", "PUT"]
        served = {"workspaces": self.workspace, "registries": self.registry}
        return [
            Route(f"/mlflow/{version}{group}/{kind}/{{w}}/{{rest:path}}", serve, methods=methods)
            for version in ("v1.0", "v2.0")
            for kind, serve in served.items()
        ]

    async def workspace(self, request: Request) -> Response:
        """Answer a request with run ids instead of job names, and show job names instead of run ids."""
        scope, rest = self._scope(request, "workspaces"), request.path_params["rest"]
        inward = self._inward(scope)
        query = [
            (key, inward(value) if key in _RUN_KEYS else value) for key, value in request.query_params.multi_items()
        ]
        body = self._without_addresses(_translated(await request.body(), inward))
        route = api_route(rest)
        if self._registry.answers(route):
            answer = await self._registry.answer(scope, request.method, route, query, body)
            status, kind, raw = answer.status, "application/json", json.dumps(answer.document).encode()
        else:
            reply = await self._gateway.exchange(scope, request.method, rest, query, body)
            status, kind, raw = reply.status, reply.content_type, reply.body
        return Response(self._with_addresses(_translated(raw, self._records.job_of_run)), status, media_type=kind)

    async def registry(self, request: Request) -> Response:
        """Answer a request to the model registry of a registry, which has nothing else of MLflow."""
        scope, route = self._scope(request, "registries"), api_route(request.path_params["rest"])
        if not self._registry.answers(route):
            raise unknown_route(request)
        query = request.query_params.multi_items()
        answer = await self._registry.answer(scope, request.method, route, query, await request.body())
        raw = self._with_addresses(json.dumps(answer.document).encode())
        return Response(raw, answer.status, media_type="application/json")

    def _with_addresses(self, raw: bytes) -> bytes:
        """A reply with the addresses of artifacts, which clients by `azureml://` do not know how to find."""
        return raw.replace(MLFLOW_ARTIFACTS.encode(), self._artifacts)

    def _without_addresses(self, raw: bytes) -> bytes:
        """The reverse, for what clients send back."""
        return raw.replace(self._artifacts, MLFLOW_ARTIFACTS.encode())

    @property
    def _artifacts(self) -> bytes:
        return f"{self._server.public}/api/2.0/mlflow-artifacts/artifacts/".encode()

    def _scope(self, request: Request, kind: ScopeKind) -> Scope:
        rest = request.path_params["rest"]
        if not rest.startswith(_API) or ".." in rest:
            raise unknown_route(request)
        scope = Scope(request.path_params["s"], request.path_params["g"], kind, request.path_params["w"])
        self._scopes.require(scope)
        return scope

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
