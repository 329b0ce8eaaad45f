"""The way to MLflow's server: passes requests on, and lets the workspace hear of what they changed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from azureml_emulator.jobs.tracking.artifact_locations import check_locations
from azureml_emulator.jobs.tracking.external_runs import ExternalRuns
from azureml_emulator.jobs.tracking.http_client import HttpClient
from azureml_emulator.jobs.tracking.mlflow_server import MlflowServer
from azureml_emulator.jobs.tracking.mlflow_versions import has_logged_models
from azureml_emulator.kernel.errors import EmulatorError, Unavailable
from azureml_emulator.kernel.resource_id import Scope

_API = re.compile(r"^/?(?:ajax-)?api/[23]\.0/(?:preview/)?mlflow/(?P<route>.+)$")
_LOGGED_MODELS = "logged-models"
_TIMEOUT = aiohttp.ClientTimeout(total=120)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """A reply of MLflow's server."""

    status: int
    content_type: str
    body: bytes


class Gateway:
    """Passes requests to MLflow's server."""

    def __init__(self, server: MlflowServer, http_client: HttpClient, runs: ExternalRuns) -> None:
        self._server = server
        self._outgoing = http_client
        self._runs = runs

    async def exchange(
        self, scope: Scope, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes
    ) -> Reply:
        """Pass one request on and return the reply.

        Raises BadRequest for an artifact location that is not MLflow's own, Unavailable when MLflow does not answer.
        """
        check_locations(body)
        if self.answers_itself(path):
            return _without_logged_models(method, api_route(path))
        url = URL(await self._server.ready()).joinpath(*path.strip("/").split("/")).with_query(query)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._outgoing.session.request(
                method, url, data=body, headers=headers, timeout=_TIMEOUT
            ) as answer:
                reply = Reply(answer.status, answer.content_type, await answer.read())
        except aiohttp.ClientError as error:
            raise Unavailable(f"MLflow does not answer: {error}") from error
        route = api_route(path)
        if route and reply.status < 300 and self._runs.is_interested(method, route):
            await self._hear(scope, route, body, reply.body)
        return reply

    def is_interested(self, method: str, path: str) -> bool:
        """Whether a request changes what the workspace shows, so that it must go through `exchange`."""
        return self._runs.is_interested(method, api_route(path))

    def answers_itself(self, path: str) -> bool:
        """Whether a request is for what this MLflow does not have, so that `exchange` answers it."""
        return api_route(path).startswith(_LOGGED_MODELS) and not has_logged_models()

    def with_run(self, scope: Scope, route: str, body: bytes, run: str) -> bytes:
        """The body of a new logged model with the run of the step that sends it, unless it names a run itself."""
        if route != _LOGGED_MODELS or not run or not self._runs.is_of_job(scope, run):
            return body
        try:
            model = json.loads(body)
        except ValueError:
            return body
        if not isinstance(model, dict) or model.get("source_run_id"):
            return body
        return json.dumps({**model, "source_run_id": run}).encode()

    async def _hear(self, scope: Scope, route: str, body: bytes, reply: bytes) -> None:
        try:
            sent = json.loads(body) if body else {}
            await self._runs.hear(scope, route, sent, json.loads(reply))
        except (EmulatorError, ValueError, OSError) as error:
            # MLflow has made the change: the client must hear of that in any case.
            _log.warning("the workspace %s does not show %s: %s", scope.name, route, error)


def _without_logged_models(method: str, route: str) -> Reply:
    """As Azure answers MLflow 3: there are none, and none can be created."""
    if (method, route) == ("POST", f"{_LOGGED_MODELS}/search"):
        return Reply(200, "application/json", b"{}")
    message = (
        "This tracking server has no logged models: the emulator's interpreter has MLflow 2, the client MLflow 3. "
        "Use the same major version in both, or save the model and log it with log_artifacts."
    )
    error = {"error_code": "ENDPOINT_NOT_FOUND", "message": message}
    return Reply(404, "application/json", json.dumps(error).encode())


def api_route(path: str) -> str:
    """The route of MLflow's REST API below its prefix, such as "runs/create"; empty for any other path."""
    match = _API.match(path)
    return match["route"] if match else ""


def parameters(query: Sequence[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The parameters of a request to MLflow's API, from the query or from a JSON body. Raises ValueError."""
    given: dict[str, Any] = json.loads(body) if body.strip() else {}
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object")
    for name, text in query:
        given[name] = [*given[name], text] if isinstance(given.get(name), list) else _added(given.get(name), text)
    return given


def _added(before: Any, text: str) -> Any:
    return text if before is None else [before, text]
