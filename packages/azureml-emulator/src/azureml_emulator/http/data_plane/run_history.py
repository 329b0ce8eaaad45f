"""Run history: the routes by which clients follow a job, list its steps, fetch its logs and find its outputs.

Shows what `jobs/job_records.py` keeps; changes only a job's display name, description, tags and archived flag.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.http.data_plane.run_answers import answered_details, answered_run
from azureml_emulator.http.requests import body_as
from azureml_emulator.jobs.behaviour import Jobs
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import JobRecords, root_of, run_type
from azureml_emulator.kernel.errors import NotFound
from azureml_emulator.kernel.resource_id import PROVIDER, Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource
from azureml_emulator.storage.run_artifacts import ARTIFACT_CONTAINER, artifact_name
from azureml_emulator.storage.storage_access import StorageAccess

_WORKSPACE = f"/subscriptions/{{s}}/resourceGroups/{{g}}/providers/{PROVIDER}/workspaces/{{w}}"
_MODEL_TYPES = {"mlflow_model": "MLFlowModel", "custom_model": "CustomModel", "triton_model": "TritonModel"}
_OUTPUT_ID = "azureml://jobs/{job}/outputs/{output}"


class _NamedRun(BaseModel):
    """The body that names one run."""

    run: str = Field(alias="runId")


class _Outputs(BaseModel):
    """The body that names outputs of jobs by their asset ids."""

    values: list[str] | None = None


class _Change(BaseModel):
    """The body that changes a job."""

    display_name: str | None = Field(default=None, alias="displayName")
    description: str | None = None
    hidden: bool | None = None
    tags: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class History:
    """Serves run history, and the locations of outputs."""

    def __init__(self, records: JobRecords, jobs: Jobs, job_paths: JobPaths, access: StorageAccess) -> None:
        self._records = records
        self._jobs = jobs
        self._job_paths = job_paths
        self._access = access

    def routes(self) -> list[Route]:
        """The routes of this class."""
        history = f"/history/v1.0{_WORKSPACE}"
        by_experiment = f"{history}/experiments/{{experiment}}/runs/{{run}}"
        resolved = "batchGetResolvedUris"
        return [
            Route(f"{history}/rundata", self.run_data, methods=["POST"]),
            Route(f"{history}/runs/{{run}}", self.run, methods=["GET"]),
            Route(f"{history}/runs/{{run}}", self.change, methods=["PATCH"]),
            Route(f"{history}/runs/{{run}}/details", self.details),
            Route(f"{history}/runs/{{run}}/children", self.children),
            Route(f"{history}/runs/{{run}}/serviceinstances/{{node}}", self.services),
            Route(by_experiment, self.run, methods=["GET"]),
            Route(by_experiment, self.change, methods=["PATCH"]),
            Route(f"{by_experiment}/details", self.details),
            Route(f"{by_experiment}/children", self.children),
            Route(f"/data/v1.0{_WORKSPACE}/dataversion/{resolved}", self.data_locations, methods=["POST"]),
            Route(f"/modelregistry/v1.0{_WORKSPACE}/models/{resolved}", self.model_locations, methods=["POST"]),
        ]

    async def run(self, request: Request) -> Response:
        """One run."""
        return JSONResponse(self._run(self._find(request)))

    async def details(self, request: Request) -> Response:
        """One run with the addresses of its logs and its error."""
        job = self._find(request)
        return JSONResponse(answered_details(self._known(job), self._logs(job)))

    async def children(self, request: Request) -> Response:
        """The steps and nested pipelines of a pipeline, or the trials of a sweep."""
        children = self._records.children(self._find(request))
        limit = request.query_params.get("$top", request.query_params.get("top", ""))
        shown = children[: int(limit)] if limit.isdigit() else children
        return JSONResponse({"value": [self._run(child) for child in shown]})

    async def run_data(self, request: Request) -> Response:
        """One run, named in the body."""
        name = (await body_as(request, _NamedRun)).run
        run = self._run(self._records.find(_scope(request), name))
        nothing = dict.fromkeys(("jobSpecification", "runDefinition", "systemSettings"))
        return JSONResponse({**nothing, "runMetadata": run})

    async def change(self, request: Request) -> Response:
        """Change the display name, description, tags, properties or archived flag of a job."""
        job = self._find(request)
        sent = await body_as(request, _Change)
        wanted = {
            "displayName": sent.display_name,
            "description": sent.description,
            "isArchived": sent.hidden,
            "tags": None if sent.tags is None else {**(job.properties.get("tags") or {}), **sent.tags},
            "properties": sent.properties,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        return JSONResponse(self._run(self._jobs.change(job, changes)))

    async def services(self, request: Request) -> Response:
        """The web pages of a job."""
        job = self._find(request)
        instances = {
            name: {
                "type": name,
                "port": 0,
                "status": "Running",
                "error": None,
                "endpoint": service["endpoint"],
                "properties": {},
            }
            for name, service in self._jobs.services(job).items()
        }
        return JSONResponse({"instances": instances})

    async def data_locations(self, request: Request) -> Response:
        """The locations of data outputs, by the asset ids of a run's outputs."""
        found = await self._output_locations(request)
        return JSONResponse(
            {
                "values": {
                    key: {"uri": uri, "type": "uri_folder", "legacyDatasetType": None} for key, uri in found.items()
                }
            }
        )

    async def model_locations(self, request: Request) -> Response:
        """The locations of model outputs."""
        found = await self._output_locations(request)
        return JSONResponse({"values": {key: {"path": uri} for key, uri in found.items()}})

    async def _output_locations(self, request: Request) -> dict[str, str]:
        scope = _scope(request)
        identifiers = (await body_as(request, _Outputs)).values or []
        return {identifier: self._output_location(scope, identifier) for identifier in identifiers}

    def _output_location(self, scope: Scope, identifier: str) -> str:
        name, _, output = identifier.removeprefix("azureml://jobs/").partition("/outputs/")
        outputs = self._records.find(scope, name).internal.get("outputs", {})
        if output not in outputs:
            raise NotFound(f"The job '{name}' has no output '{output}'.")
        return self._job_paths.address(scope, self._job_paths.absolute(outputs[output]))

    def _find(self, request: Request) -> Resource:
        return self._records.find(_scope(request), request.path_params["run"])

    def _run(self, job: Resource) -> dict[str, Any]:
        return answered_run(self._known(job))

    def _known(self, job: Resource) -> dict[str, Any]:
        """What the emulator knows of a run."""
        properties, internal = job.properties, job.internal
        parent = internal.get("parent")
        compute = (properties.get("computeId") or "").rsplit("/", 1)[-1]
        return {
            "runId": job.name,
            "parentRunId": parent,
            "rootRunId": root_of(job),
            "experimentId": properties.get("experimentName"),
            "displayName": properties.get("displayName"),
            "description": properties.get("description"),
            "status": properties["status"],
            "createdUtc": _created(internal),
            "lastModifiedUtc": internal.get("ended") or internal.get("started") or internal.get("created"),
            "startTimeUtc": internal.get("started"),
            "endTimeUtc": internal.get("ended"),
            "createdBy": {"userName": job.document["systemData"]["createdBy"]},
            "runType": run_type(job),
            "tags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            "hidden": bool(properties.get("isArchived")),
            "error": internal.get("error"),
            "compute": {"target": compute} if compute else None,
            "outputs": self._outputs(job),
        }

    def _outputs(self, job: Resource) -> dict[str, Any]:
        types = job.internal.get("output_types", {})
        return {
            name: {
                "assetId": _OUTPUT_ID.format(job=job.name, output=name),
                "type": _MODEL_TYPES.get(types.get(name, ""), types.get(name)),
            }
            for name in job.internal.get("outputs", {})
        }

    def _logs(self, job: Resource) -> dict[str, str]:
        scope = parse_resource_path(job.id).scope
        owner = job.internal.get("reused", job.name)
        return {
            name: self._access.readable_url(scope.storage_account, ARTIFACT_CONTAINER, artifact_name(owner, name))
            for name in self._job_paths.logs(scope, owner)
        }


def _created(internal: dict[str, Any]) -> str | None:
    """When a run was created; the service creates the run of a step when the step starts."""
    begun = internal.get("started") if "parent" in internal else None
    return begun or internal.get("created")


def _scope(request: Request) -> Scope:
    parts = request.path_params
    return Scope(parts["s"], parts["g"], "workspaces", parts["w"])
