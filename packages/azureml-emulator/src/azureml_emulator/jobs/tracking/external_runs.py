"""Runs that a program starts itself, outside of a job: as on Azure, each is a job of the workspace.

Hears of every change that passes through the emulator to MLflow, and follows it: states, names, tags, descriptions, and
models that MLflow keeps outside of the run's artifacts.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from azureml_emulator.jobs.definitions.states import CANCELED, COMPLETED, FAILED, NOT_STARTED, RUNNING, State
from azureml_emulator.jobs.job_records import EXTERNAL, JobRecords
from azureml_emulator.jobs.tracking.mlflow_runs import Tracking
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.store import Resource
from azureml_emulator.storage.run_artifacts import RunArtifacts

_STATES: dict[str, State] = {
    "RUNNING": RUNNING,
    "SCHEDULED": NOT_STARTED,
    "FINISHED": COMPLETED,
    "FAILED": FAILED,
    "KILLED": CANCELED,
}
_PARENT_TAG = "mlflow.parentRunId"
_DESCRIPTION_TAG = "mlflow.note.content"
_SOURCE_TAG = "mlflow.source.name"
# Tags of MLflow itself are not tags of the job.
_OWN_TAGS = ("mlflow.", "azureml.")
_MODEL_READY = "LOGGED_MODEL_READY"
_CHANGES = re.compile(
    r"^(?:POST (?:runs/(?:create|update|delete|restore|set-tag|delete-tag|log-batch)|logged-models)"
    r"|PATCH logged-models/[^/]+)$"
)
_log = logging.getLogger(__name__)


class ExternalRuns:
    """Keeps the records of such runs, and of what users add to the runs of jobs."""

    def __init__(self, records: JobRecords, tracking: Tracking, artifacts: RunArtifacts) -> None:
        self._records = records
        self._tracking = tracking
        self._artifacts = artifacts

    @staticmethod
    def is_interested(method: str, route: str) -> bool:
        """Whether `hear` needs the request and the reply, such as those of POST runs/create."""
        return _CHANGES.match(f"{method} {route}") is not None

    def is_of_job(self, scope: Scope, run: str) -> bool:
        """Whether a job of the workspace has this run."""
        return self._records.of_run(scope, run) is not None

    async def hear(self, scope: Scope, route: str, sent: dict[str, Any], reply: dict[str, Any]) -> None:
        """Follow a change that MLflow has accepted."""
        if route == "runs/create":
            await self._created(scope, reply["run"])
        elif route.startswith("logged-models"):
            await self._model_changed(scope, reply.get("model", {}).get("info", {}))
        else:
            job = self._records.of_run(scope, str(sent.get("run_id") or sent.get("run_uuid") or ""))
            if job is not None:
                self._changed(job, route, sent)

    async def _created(self, scope: Scope, run: dict[str, Any]) -> None:
        info, tags = run["info"], {tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])}
        parent = self._records.of_run(scope, tags.get(_PARENT_TAG, ""))
        identifier = info["run_id"]
        properties = {
            "displayName": info.get("run_name") or identifier,
            "description": tags.get(_DESCRIPTION_TAG),
            "experimentName": await self._tracking.experiment_name(str(info["experiment_id"])),
            "status": _STATES.get(info.get("status", ""), RUNNING),
            "tags": _of_user(tags),
        }
        job = self._records.create_external(scope, identifier, tags.get(_SOURCE_TAG), properties, parent)
        self._records.record_run(job.key, identifier, f"#/experiments/{info['experiment_id']}/runs/{identifier}")
        self._artifacts.link(info["artifact_uri"], scope, identifier)

    def _changed(self, job: Resource, route: str, sent: dict[str, Any]) -> None:
        match route:
            case "runs/update" if EXTERNAL in job.internal:
                state = _STATES.get(sent.get("status", ""))
                self._records.set_external(job.key, state, sent.get("run_name"))
            case "runs/delete" | "runs/restore" if EXTERNAL in job.internal:
                self._records.set_fields(job.key, isArchived=route == "runs/delete")
            case "runs/set-tag":
                self._tag(job, {sent["key"]: str(sent.get("value", ""))})
            case "runs/log-batch" if sent.get("tags"):
                self._tag(job, {tag["key"]: str(tag.get("value", "")) for tag in sent["tags"]})
            case "runs/delete-tag":
                tags = {name: text for name, text in (job.properties.get("tags") or {}).items() if name != sent["key"]}
                self._records.set_fields(job.key, tags=tags)

    def _tag(self, job: Resource, tags: dict[str, str]) -> None:
        fields: dict[str, Any] = {}
        if _of_user(tags):
            fields["tags"] = {**(job.properties.get("tags") or {}), **_of_user(tags)}
        if _DESCRIPTION_TAG in tags:
            fields["description"] = tags[_DESCRIPTION_TAG]
        if fields:
            self._records.set_fields(job.key, **fields)

    async def _model_changed(self, scope: Scope, model: dict[str, Any]) -> None:
        job = self._records.of_run(scope, model.get("source_run_id") or "")
        if job is None or model.get("status") != _MODEL_READY:
            return
        try:
            await asyncio.to_thread(self._artifacts.keep_model, model["artifact_uri"], scope, job.name, model["name"])
        except OSError as error:
            _log.warning("the model %s is not among the artifacts of %s: %s", model["name"], job.name, error)


def _of_user(tags: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in tags.items() if not name.startswith(_OWN_TAGS)}
