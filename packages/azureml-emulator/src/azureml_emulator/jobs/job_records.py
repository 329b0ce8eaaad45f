"""The records of jobs and of their steps: created, changed in state, and looked up. Runs nothing.

A step of a pipeline, or a nested pipeline, is a job whose parent is the pipeline, so that lists of jobs do not show
it. The first terminal state of a job is final; later changes of the state have no effect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from azureml_emulator.jobs.definitions.states import CANCEL_REQUESTED, NOT_STARTED, RUNNING, TERMINAL, State
from azureml_emulator.jobs.definitions.steps import Nested, Step
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import NotFound
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, Scope
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.storage.run_artifacts import job_of_run, remember_run

KIND = "jobs"
PIPELINE = "Pipeline"
# The internal field that marks a run which a program started itself.
EXTERNAL = "external"
# Shown as the command where MLflow does not name the program.
_UNKNOWN_PROGRAM = "python"
# And as the environment, which is whatever the program runs in.
_LOCAL = "local"
_RUN_TYPES = {PIPELINE: "azureml.PipelineRun", "Sweep": "azureml.HyperDriveRun", "AutoML": "automl"}
# What a job that starts again forgets of its last run.
_OF_A_RUN = frozenset({"started", "ended", "error", "run", "page", "reused", "environment"})


class JobRecords:
    """The jobs in the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, scope: Scope, name: str) -> Resource:
        """The job or step with this name. Raises NotFound."""
        job = self._store.get(job_path(scope, name).key)
        if job is None:
            raise NotFound(f"The workspace '{scope.name}' has no job '{name}'.", code="UserError")
        return job

    def get(self, key: str) -> Resource:
        """A job by its key. Raises NotFound when it was deleted."""
        job = self._store.get(key)
        if job is None:
            raise NotFound(f"The job {key} was deleted.", code="UserError")
        return job

    def children(self, job: Resource) -> list[Resource]:
        """The steps and nested pipelines of a pipeline, or the trials of a sweep, oldest first."""
        return self._store.children(job.key, KIND)

    def descendants(self, job: Resource) -> list[Resource]:
        """The same with everything inside the nested pipelines and sweeps, outer ones first."""
        found = self.children(job)
        return found + [inner for child in found for inner in self.descendants(child)]

    def unfinished(self) -> list[Resource]:
        """All jobs and steps that have not ended, steps after their pipelines; not those that others run."""
        jobs = self._store.of_kind(KIND)
        return [job for job in jobs if job.properties["status"] not in TERMINAL and EXTERNAL not in job.internal]

    def create_step(self, parent: Resource, scope: Scope, name: str, step: Step | Nested) -> Resource:
        """The record of one step or nested pipeline of a pipeline, not started."""
        now = self._clock.timestamp()
        path = job_path(scope, name)
        node = step.name.rpartition(".")[2]
        properties = {
            "jobType": _job_type(step),
            "displayName": step.display_name,
            "experimentName": parent.properties.get("experimentName"),
            "status": NOT_STARTED,
            "componentId": step.component,
            "computeId": step.compute if isinstance(step, Step) else None,
            "tags": step.tags,
            "properties": {"azureml.pipelinerunid": parent.name, "azureml.moduleName": node},
        }
        document = {
            "id": path.id,
            "name": name,
            "type": f"{PROVIDER}/workspaces/jobs",
            "properties": properties,
            "systemData": {**parent.document["systemData"], "createdAt": now, "lastModifiedAt": now},
        }
        facts = {"parent": parent.name, "root": root_of(parent), "step": step.name}
        internal = {**facts, "created": now, "outputs": {}, "output_types": {}}
        return self._store.put(Resource(path.key, KIND, parent.key, document, internal))

    def create_external(
        self, scope: Scope, name: str, program: str | None, properties: dict[str, Any], parent: Resource | None
    ) -> Resource:
        """The record of a run that a program started itself; `parent` is the job in or below which it runs."""
        now = self._clock.timestamp()
        path = job_path(scope, name)
        kept = {
            "jobType": "Command",
            "command": program or _UNKNOWN_PROGRAM,
            "environmentId": _LOCAL,
            "inputs": {},
            "outputs": {},
        }
        document = {
            "id": path.id,
            "name": name,
            "type": f"{PROVIDER}/workspaces/jobs",
            "properties": {**kept, "isArchived": False, "properties": {}, **properties},
            "systemData": {
                "createdAt": now,
                "createdBy": "emulator",
                "createdByType": "User",
                "lastModifiedAt": now,
                "lastModifiedBy": "emulator",
                "lastModifiedByType": "User",
            },
        }
        internal = {EXTERNAL: True, "created": now, "started": now, "outputs": {}, "output_types": {}}
        if parent is not None:
            internal |= {"parent": parent.name, "root": root_of(parent)}
        return self._store.put(Resource(path.key, KIND, parent.key if parent else scope.key, document, internal))

    def set_external(self, key: str, state: State | None, display_name: str | None) -> Resource:
        """Follow a change of a run that a program started itself, which may also be resumed after its end."""
        job = self.get(key)
        fields = {"status": state or job.properties["status"]}
        if display_name:
            fields["displayName"] = display_name
        ended = self._clock.timestamp() if fields["status"] in TERMINAL else None
        return self._store.put(job.with_properties(**fields).with_internal(ended=ended))

    def set_fields(self, key: str, **fields: Any) -> Resource:
        """Set properties of a job that clients see."""
        return self._store.put(self.get(key).with_properties(**fields))

    def create_trial(
        self, sweep: Resource, scope: Scope, name: str, step: Step, parameters: dict[str, Any], shown: dict[str, Any]
    ) -> Resource:
        """The record of one trial of a sweep, not started. `shown` are the properties of its document."""
        trial = self.create_step(sweep, scope, name, step)
        # Of a step it would be canceled with: a trial may be canceled alone.
        internal = {name: value for name, value in trial.internal.items() if name != "step"}
        shown_trial = replace(trial.with_properties(**shown), internal={**internal, "parameters": parameters})
        return self._store.put(shown_trial)

    def restart_trial(self, key: str) -> Resource:
        """Set an interrupted trial back to its beginning; only of a sweep that goes on."""
        job = self.get(key)
        fresh = {name: value for name, value in job.internal.items() if name not in _OF_A_RUN}
        fresh |= {"outputs": {}, "output_types": {}}
        return self._store.put(replace(job.with_properties(status=NOT_STARTED), internal=fresh))

    def set_state(self, key: str, state: State, error: dict[str, Any] | None = None) -> Resource:
        """Set the state of a job, unless it has ended. `error` is the reason of a failure."""
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

    def set_internal(self, key: str, **fields: Any) -> Resource:
        """Set internal fields of a job, which clients do not see."""
        return self._store.put(self.get(key).with_internal(**fields))

    def add_properties(self, key: str, **fields: str) -> Resource:
        """Add to the user-visible properties of a job; `_` in a name stands for `.`."""
        job = self.get(key)
        bag = {
            **(job.properties.get("properties") or {}),
            **{name.replace("_", "."): text for name, text in fields.items()},
        }
        return self._store.put(job.with_properties(properties=bag))

    def merge(self, key: str, *, properties: dict[str, str], tags: dict[str, str]) -> Resource:
        """Add to the user-visible properties and tags of a job."""
        job = self.get(key)
        bag = {**(job.properties.get("properties") or {}), **properties}
        return self._store.put(job.with_properties(properties=bag, tags={**(job.properties.get("tags") or {}), **tags}))

    def record_run(self, key: str, run: str, page: str) -> None:
        """Record the MLflow run of a job, and its page below MLflow's address."""
        job = self.set_internal(key, run=run, page=page)
        remember_run(self._store, run, job.name)

    def run_of_job(self, scope: Scope, name: str) -> str:
        """The id of the MLflow run of a job; an unknown name is returned unchanged."""
        job = self._store.get(job_path(scope, name).key)
        return job.internal.get("run", name) if job else name

    def of_run(self, scope: Scope, run: str) -> Resource | None:
        """The job of an MLflow run, or None."""
        return self._store.get(job_path(scope, self.job_of_run(run)).key) if run else None

    def job_of_run(self, run: str) -> str:
        """The name of the job of an MLflow run; an unknown id is returned unchanged."""
        return job_of_run(self._store, run)

    def delete(self, job: Resource) -> None:
        """Delete a job and everything inside it."""
        with self._store.transaction():
            for child in self.descendants(job):
                self._store.delete(child.key)
            self._store.delete(job.key)


def root_of(job: Resource) -> str:
    """The name of the outermost job of a step; that of the job itself when it is no step."""
    return job.internal.get("root", job.name)


def job_path(scope: Scope, name: str) -> ResourcePath:
    """The resource path of a job."""
    return ResourcePath(scope, ((KIND, name),))


def _job_type(step: Step | Nested) -> str:
    if not isinstance(step, Step):
        return PIPELINE
    if step.sweep is None:
        return "Command"
    return "Sweep" if step.sweep.automl is None else "AutoML"


def run_type(job: Resource) -> str:
    """The type of a job's run in run history."""
    return _RUN_TYPES.get(job.properties.get("jobType", ""), "azureml.StepRun")


def failure(message: str, code: str = "UserError") -> dict[str, Any]:
    """An error of a job in the format of run history."""
    return {"error": {"code": code, "message": message, "messageParameters": {}, "details": []}}


def failure_message(job: Resource) -> str:
    """The error message of a job; empty when it has not failed."""
    return job.internal.get("error", {}).get("error", {}).get("message", "")
