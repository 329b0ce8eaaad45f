"""Invocations of batch endpoints: a POST starts a job, and lists show the jobs that were started."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.batch.endpoints import BATCH_PREFIX, BatchEndpoints
from azureml_emulator.batch.jobs import BatchJobs, batch_document
from azureml_emulator.http.auth import check_bearer
from azureml_emulator.http.listing import page
from azureml_emulator.http.requests import json_body, resource_part
from azureml_emulator.kernel.errors import NotFound, Unauthorized
from azureml_emulator.kernel.resource_id import parse_request_path
from azureml_emulator.kernel.store import Resource
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.serving.deployments.endpoints import AAD_AUDIENCE
from azureml_emulator.serving.routing.traffic import DEPLOYMENT_HEADER

_CREATED = 201


class BatchScoring:
    """Serves the scoring addresses of batch endpoints, and their lists of jobs."""

    def __init__(self, endpoints: BatchEndpoints, jobs: BatchJobs, tokens: Tokens, base_url: str) -> None:
        self._endpoints = endpoints
        self._jobs = jobs
        self._tokens = tokens
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """The routes; those of lists exist below the registry front door only."""
        listed = "/mferp/managementfrontend/subscriptions/{rest:path}/batchEndpoints/{endpoint}"
        return [
            Route(f"{BATCH_PREFIX}{{guid}}/{{endpoint}}/jobs", self.invoke, methods=["POST"]),
            Route(f"{listed}/jobs", self.list_jobs),
            Route(f"{listed}/deployments/{{deployment}}/jobs", self.list_jobs),
        ]

    async def invoke(self, request: Request) -> Response:
        """Start a job of the deployment that the header names, or of the default one."""
        self._authorize(request)
        endpoint = self._endpoints.find(request.path_params["guid"], request.path_params["endpoint"])
        if endpoint is None:
            raise NotFound(f"No batch endpoint has the address {request.url.path}.")
        named = request.headers.get(DEPLOYMENT_HEADER)
        job = await self._jobs.invoke(endpoint, named, await json_body(request))
        return JSONResponse(batch_document(endpoint, job), _CREATED)

    async def list_jobs(self, request: Request) -> Response:
        """The jobs of an endpoint or of one of its deployments, newest first."""
        path = parse_request_path(resource_part(request.scope["raw_path"].decode("ascii")))
        endpoint_path = path.parent if "deployment" in request.path_params else path
        endpoint = self._endpoints.store.get(endpoint_path.key)
        if endpoint is None:
            raise NotFound(f"The batch endpoint '{endpoint_path.name}' does not exist.", code="UserError")
        found = self._jobs.of(endpoint, request.path_params.get("deployment"))

        def present(job: Resource) -> dict[str, object]:
            return batch_document(endpoint, job)

        return JSONResponse(page(request, found, present, self._base_url))

    def _authorize(self, request: Request) -> None:
        """Raise Unauthorized unless the request has a token for Azure Machine Learning."""
        claims = check_bearer(request.headers.get("authorization", ""), self._tokens)
        if not str(claims["aud"]).startswith(AAD_AUDIENCE):
            raise Unauthorized(
                f"The token is for '{claims['aud']}'; a batch endpoint requires tokens for {AAD_AUDIENCE}.",
                code="InvalidAuthenticationToken",
            )
