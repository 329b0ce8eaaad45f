"""The jobs of batch endpoints: invocations start them, and lists find them by endpoint and deployment."""

from __future__ import annotations

from typing import Any

from azureml_emulator.batch.component import is_pipeline
from azureml_emulator.batch.deployments import deployment_of
from azureml_emulator.batch.invocation import model_job, pipeline_job, read_request
from azureml_emulator.jobs.behaviour import Jobs
from azureml_emulator.jobs.job_records import JobRecords, job_path
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import Conflict
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import PROVIDER, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.normalized_versions import author_specification
from azureml_emulator.storage.locator import Locator

_JOB_KIND = "jobs"
_SHOWN = ("status", "displayName", "experimentName", "inputs", "outputs")
_TYPE = f"{PROVIDER}/workspaces/batchEndpoints/jobs"


class BatchJobs:
    """Starts and finds jobs of batch endpoints."""

    def __init__(self, store: Store, clock: Clock, locator: Locator, jobs: Jobs, records: JobRecords) -> None:
        self._store = store
        self._clock = clock
        self._locator = locator
        self._jobs = jobs
        self._records = records

    async def invoke(self, endpoint: Resource, deployment_name: str | None, body: dict[str, Any]) -> Resource:
        """Start a job. Raises BadRequest for an invocation that no deployment can run."""
        deployment = deployment_of(self._store, endpoint, deployment_name)
        request = read_request(body)
        path = job_path(parse_resource_path(endpoint.id).scope, request.name or f"batchjob-{self._clock.identifier()}")
        kind = kind_of(_JOB_KIND)
        kind.check_name(path.name)
        if self._store.get(path.key) is not None:
            raise Conflict(
                f"The job '{path.name}' already exists: choose another name.", code="UserError", target="name"
            )
        if is_pipeline(deployment.properties):
            component = self._locator.asset(deployment.internal["component"], "components", path.scope)
            settings = deployment.properties["deploymentConfiguration"].get("settings") or {}
            made = pipeline_job(request, author_specification(component), settings)
        else:
            made = model_job(request, deployment.internal["component"])
        properties = {
            "jobType": "Pipeline",
            "displayName": f"{endpoint.name}-{deployment.name}",
            "experimentName": request.experiment or endpoint.name,
            **made,
        }
        await self._jobs.put(kind, path, {"properties": properties})
        return self._records.set_internal(path.key, batch_endpoint=endpoint.key, batch_deployment=deployment.key)

    def of(self, endpoint: Resource, deployment: str | None) -> list[Resource]:
        """The jobs of an endpoint, or of one of its deployments, oldest first."""
        fact, key = ("batch_endpoint", endpoint.key)
        if deployment is not None:
            fact, key = ("batch_deployment", f"{endpoint.key}/deployments/{deployment.lower()}")
        scope = parse_resource_path(endpoint.id).scope
        return [job for job in self._store.children(scope.key, _JOB_KIND) if job.internal.get(fact) == key]


def batch_document(endpoint: Resource, job: Resource) -> dict[str, Any]:
    """A job in the format of batch endpoints."""
    shown = {name: job.properties.get(name) for name in _SHOWN}
    return {"id": f"{endpoint.id}/jobs/{job.name}", "name": job.name, "type": _TYPE, "properties": shown}
