"""The kind `jobs`: a PUT checks and starts a job, a GET shows it. Running it is the task of `execution/runner.py`."""

from __future__ import annotations

import asyncio
from typing import Any

from azureml_emulator.jobs.automl.documents import automl_properties, noted_differences
from azureml_emulator.jobs.automl.search import TRIAL_CODE
from azureml_emulator.jobs.definitions.changes import refuse_changed_job
from azureml_emulator.jobs.definitions.job_answers import answered_job
from azureml_emulator.jobs.definitions.states import FAILED, NOT_STARTED, TERMINAL
from azureml_emulator.jobs.definitions.steps import Graph
from azureml_emulator.jobs.definitions.wire import refuse
from azureml_emulator.jobs.execution.inputs.resolver import Resolver
from azureml_emulator.jobs.execution.runner import Runner
from azureml_emulator.jobs.graph.automl_job import read_automl_job
from azureml_emulator.jobs.graph.reader import read_command, read_pipeline
from azureml_emulator.jobs.graph.sweep_job import read_sweep
from azureml_emulator.jobs.job_paths import JobPaths
from azureml_emulator.jobs.job_records import PIPELINE, JobRecords, failure
from azureml_emulator.jobs.launching.preloading import Preloader
from azureml_emulator.jobs.sweeps.documents import sweep_properties
from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import Conflict, EmulatorError, NotModelled
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.operations import Operation, Operations
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.normalized_versions import author_specification
from azureml_emulator.resources.service_catalog import PIPELINE_STEPS
from azureml_emulator.storage.locator import Locator

# The properties of an existing job that may change.
_CHANGEABLE = ("displayName", "description", "tags", "isArchived")
_SERVERLESS = frozenset({"serverless", "instance_type", "local"})


class Jobs(Behaviour):
    """The behaviour of jobs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        operations: Operations,
        locator: Locator,
        resolver: Resolver,
        records: JobRecords,
        runner: Runner,
        job_paths: JobPaths,
        preloader: Preloader,
        base_url: str,
    ) -> None:
        super().__init__(store, clock)
        self._operations = operations
        self._locator = locator
        self._resolver = resolver
        self._records = records
        self._runner = runner
        self._job_paths = job_paths
        self._preloader = preloader
        self._base_url = base_url

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Check and start a new job; of an existing one change the display name, description, tags or archived flag.

        Raises BadRequest for an existing one that would run something else.
        """
        existing = self.store.get(path.key)
        if existing is not None:
            refuse_changed_job(existing.properties, body.get("properties", {}))
            return Stored(self.change(existing, body.get("properties", {})))
        graph = self.check(path, body.get("properties", {}))
        drafted = self.draft(kind, path, body, None, created=self.clock.timestamp(), outputs={}, output_types={})
        properties = {name: value for name, value in drafted.properties.items() if name != "provisioningState"}
        given = {
            "status": NOT_STARTED,
            "tags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
        }
        if properties.get("jobType") == "Sweep":
            given = {**sweep_properties(properties), **given}
        if properties.get("jobType") == "AutoML":
            given = {**automl_properties(properties), **given}
            given["properties"] = {**given["properties"], **noted_differences(graph)}
        drafted = Resource(
            drafted.key,
            drafted.kind,
            drafted.parent,
            {**drafted.document, "properties": {**properties, **given}},
            drafted.internal,
        )
        job = self.store.put(drafted)
        for step in graph.known_steps:
            # A driver of Spark is a fresh process: its imports need not be learned.
            if step.spark is not None:
                continue
            chooses = step.sweep is not None and step.sweep.automl is not None
            self._preloader.learn_snapshot(TRIAL_CODE if chooses else self._resolver.code(step, path.scope))
        self._runner.start(job, graph)
        return Stored(job, created=True)

    def resume(self) -> None:
        """At start: go on with the sweeps that the end of the last process interrupted."""
        for job in self._records.unfinished():
            try:
                graph = self.check(parse_resource_path(job.id), job.properties)
            except EmulatorError as error:
                self._records.set_state(job.key, FAILED, failure(f"The sweep could not go on: {error.message}"))
            else:
                self._runner.start(job, graph)

    def check(self, path: ResourcePath, properties: dict[str, Any]) -> Graph:
        """The graph of a job. Raises BadRequest or NotModelled when it could not run."""
        graph = self._graph(path, properties)
        self._check(graph, path.scope)
        return graph

    async def delete(self, resource: Resource) -> Stored:
        """Delete a job that has ended, with its steps and logs. Outputs stay, since models may refer to them."""
        if resource.properties["status"] not in TERMINAL:
            raise Conflict(f"The job '{resource.name}' has not ended: cancel it first.", code="UserError")
        scope = parse_resource_path(resource.id).scope
        names = [resource.name, *(child.name for child in self._records.descendants(resource))]
        self._records.delete(resource)
        for name in names:
            await asyncio.to_thread(self._job_paths.delete, scope, name)
        return Stored(None)

    def actions(self) -> dict[str, Action]:
        """POST cancel."""
        return {"cancel": self._cancel}

    def change(self, job: Resource, sent: dict[str, Any]) -> Resource:
        """Change the mutable properties of a job; sent tags replace, sent properties are added."""
        changes = {name: sent[name] for name in _CHANGEABLE if sent.get(name) is not None}
        if "properties" in sent:
            changes["properties"] = {**(job.properties.get("properties") or {}), **(sent["properties"] or {})}
        return self.store.put(job.with_properties(**changes))

    def present(self, resource: Resource) -> dict[str, Any]:
        """The job with its addresses and outputs. As on Azure, the properties of a step are in run history only.

        A trial of a sweep has them, as any command job.
        """
        if "parent" in resource.internal and "parameters" not in resource.internal:
            return {**resource.document, "properties": None}
        outputs = {
            name: self._present_output(resource, name, value or {})
            for name, value in (resource.properties.get("outputs") or {}).items()
        }
        properties = {**resource.properties, "outputs": outputs, "services": self.services(resource)}
        return {**resource.document, "properties": answered_job(properties)}

    def services(self, job: Resource) -> dict[str, Any]:
        """The web page of the job's MLflow run, and the tracking address for MLflow clients."""
        scope = parse_resource_path(job.id).scope
        host = self._base_url.removeprefix("https://")
        mlflow = (self.store.record("address", "mlflow") or {}).get("pages", self._base_url)
        # The query is needed because the SDK appends "&tid=…" to this address.
        page = f"{mlflow}/{job.internal.get('page', '')}?job={job.name}"
        tracking = f"azureml://{host}/mlflow/v1.0{scope.id}"
        return {
            "Studio": {"jobServiceType": "Studio", "endpoint": page},
            "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking},
        }

    def _present_output(self, job: Resource, name: str, value: dict[str, Any]) -> dict[str, Any]:
        relative = job.internal.get("outputs", {}).get(name)
        if relative is None:
            return value
        scope = parse_resource_path(job.id).scope
        version = job.internal.get("registered", {}).get(name, {}).get(value.get("assetName"))
        registered = {"assetVersion": version} if version else {}
        return {**value, **registered, "uri": self._job_paths.address(scope, self._job_paths.absolute(relative))}

    def _graph(self, path: ResourcePath, properties: dict[str, Any]) -> Graph:
        kind = properties.get("jobType")
        if kind == PIPELINE:
            return read_pipeline(properties, lambda identifier: self._component(identifier, path.scope))
        if kind in {"Command", "Spark"}:
            return read_command(path.name, properties)
        if kind == "Sweep":
            return read_sweep(path.name, properties)
        if kind == "AutoML":
            return read_automl_job(path.name, properties)
        raise NotModelled(
            f"The emulator runs jobs of the types Pipeline, Command, Sweep, AutoML and Spark, not '{kind}'."
        )

    def _component(self, identifier: str, scope: Scope) -> dict[str, Any]:
        try:
            return author_specification(self._locator.asset(identifier, "components", scope))
        except NotModelled:
            raise
        except EmulatorError as error:
            raise refuse(f"A step refers to a component that does not exist: {error.message}", "jobs") from error

    def _check(self, graph: Graph, scope: Scope) -> None:
        """Refuse too many steps, and those whose code, environment, model or compute does not exist."""
        PIPELINE_STEPS.check(len(graph.steps), "jobs")
        for step in graph.known_steps:
            try:
                self._resolver.code(step, scope)
                self._resolver.environment(step, scope)
                self._resolver.model(step, scope)
                self._resolver.registry_assets(step, scope)
            except NotModelled:
                raise
            except EmulatorError as error:
                raise refuse(f"The step '{step.name}' cannot run: {error.message}", f"jobs.{step.name}") from error
            name = (step.compute or "").rsplit("/", 1)[-1]
            known = not name or name.lower() in _SERVERLESS or self._has_compute(scope, name)
            if not known:
                raise refuse(f"The step '{step.name}' refers to the compute '{name}', which does not exist.", "compute")

    def _has_compute(self, scope: Scope, name: str) -> bool:
        return self.store.get(ResourcePath(scope, (("computes", name),)).key) is not None

    async def _cancel(self, resource: Resource, _: dict[str, Any]) -> Operation | None:
        """Cancel a job. As on Azure, one that has ended is refused if it is a pipeline, else left as it is."""
        if resource.properties["status"] in TERMINAL:
            if resource.properties["jobType"] == PIPELINE:
                raise refuse(f"The pipeline run {resource.name} is in terminal status, it can't be canceled.")
            return None
        await self._runner.cancel(resource)
        return self._operations.start(resource.id, self._runner.ended(resource))
