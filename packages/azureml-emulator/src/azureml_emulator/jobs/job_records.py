"""The resources of jobs and of the steps inside them: made, moved from state to state, and found. Runs nothing.

A step of a pipeline is a job of its own whose parent is the pipeline, so that lists of jobs do not show it.
A job's end is final: the first terminal state wins, and later moves change nothing.
"""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.definitions.states import CANCEL_REQUESTED, NOT_STARTED, RUNNING, TERMINAL, State
from azureml_emulator.jobs.definitions.steps import Step
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import NotFound
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, Scope
from azureml_emulator.kernel.store import Resource, Store

KIND = "jobs"
_RUNS = "mlflow run"


class JobRecords:
    """Everything the store knows of jobs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, scope: Scope, name: str) -> Resource:
        """The job or step with this name. Raises NotFound."""
        job = self._store.get(job_path(scope, name).key)
        if job is None:
            raise NotFound(f"There is no job '{name}' in the workspace '{scope.name}'.", code="UserError")
        return job

    def get(self, key: str) -> Resource:
        """A job that is known to exist."""
        job = self._store.get(key)
        if job is None:
            raise NotFound(f"The job {key} was deleted.", code="UserError")
        return job

    def children(self, job: Resource) -> list[Resource]:
        """The steps of a pipeline, in the order they were made."""
        return self._store.children(job.key, KIND)

    def unfinished(self) -> list[Resource]:
        """All jobs and steps that have not ended, steps after their pipelines."""
        return [job for job in self._store.of_kind(KIND) if job.properties["status"] not in TERMINAL]

    def create_step(self, job: Resource, scope: Scope, name: str, step: Step) -> Resource:
        """The record of one step of a pipeline, not started."""
        now = self._clock.timestamp()
        path = job_path(scope, name)
        properties = {
            "jobType": "Command",
            "displayName": step.display_name,
            "experimentName": job.properties.get("experimentName"),
            "status": NOT_STARTED,
            "componentId": step.component,
            "computeId": step.compute,
            "tags": step.tags,
            "properties": {"azureml.pipelinerunid": job.name, "azureml.moduleName": step.name},
        }
        document = {
            "id": path.id,
            "name": name,
            "type": f"{PROVIDER}/workspaces/jobs",
            "properties": properties,
            "systemData": {**job.document["systemData"], "createdAt": now, "lastModifiedAt": now},
        }
        internal = {"parent": job.name, "step": step.name, "created": now, "outputs": {}, "output_types": {}}
        return self._store.put(Resource(path.key, KIND, job.key, document, internal))

    def move(self, key: str, state: State, error: dict[str, Any] | None = None) -> Resource:
        """Put a job into a state, unless it has ended; `error` is the reason of a failure."""
        job = self.get(key)
        now = job.properties["status"]
        if now in TERMINAL or (now == CANCEL_REQUESTED and state not in TERMINAL):
            return job
        changes: dict[str, Any] = {"error": error} if error else {}
        if state == RUNNING and "started" not in job.internal:
            changes["started"] = self._clock.timestamp()
        if state in TERMINAL:
            changes["ended"] = self._clock.timestamp()
        return self._store.put(job.with_properties(status=state).with_internal(**changes))

    def note(self, key: str, **facts: Any) -> Resource:
        """Keep facts of a job that only the emulator needs."""
        return self._store.put(self.get(key).with_internal(**facts))

    def note_properties(self, key: str, **facts: str) -> Resource:
        """Add to a job's user-visible property bag; names are written with `_` for `.`."""
        job = self.get(key)
        bag = {
            **(job.properties.get("properties") or {}),
            **{name.replace("_", "."): text for name, text in facts.items()},
        }
        return self._store.put(job.with_properties(properties=bag))

    def note_run(self, key: str, run: str, page: str) -> None:
        """Keep which MLflow run is a job's, and the run's page below MLflow's address."""
        job = self.note(key, run=run, page=page)
        self._store.put_record(_RUNS, run, {"job": job.name})

    def run_of_job(self, scope: Scope, name: str) -> str:
        """The id of the MLflow run of a job; a name that is no job's stays as it is."""
        job = self._store.get(job_path(scope, name).key)
        return job.internal.get("run", name) if job else name

    def job_of_run(self, run: str) -> str:
        """The name of the job whose MLflow run this is; an id that is no job's stays as it is."""
        return (self._store.record(_RUNS, run) or {}).get("job", run)

    def delete(self, job: Resource) -> None:
        """Delete a job and its steps."""
        with self._store.transaction():
            for child in self.children(job):
                self._store.delete(child.key)
            self._store.delete(job.key)


def job_path(scope: Scope, name: str) -> ResourcePath:
    """Where a job is."""
    return ResourcePath(scope, ((KIND, name),))


def failure(message: str, code: str = "UserError") -> dict[str, Any]:
    """A job's error as run history answers it."""
    return {"error": {"code": code, "message": message, "messageParameters": {}, "details": []}}


def failure_message(job: Resource) -> str:
    """Why a job failed; empty when it did not."""
    return job.internal.get("error", {}).get("error", {}).get("message", "")
