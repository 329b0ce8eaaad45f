"""Writes models for MLflow: new versions with the files that MLflow names, and what of a version may change."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, Conflict, EmulatorError
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.model_registry.documents import NO_STAGE, REGISTERED
from azureml_emulator.resources.models import MLFLOW_FILE, MLFLOW_TYPE, Models
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.run_artifacts import MLFLOW_ARTIFACTS, RunArtifacts, job_of_run

# Below this path of MLflow's artifacts are the registered models: the rest is a path in blob storage.
REGISTERED_ARTIFACTS = "registered"
# The properties of a logged model that MLflow's server has; None when it has no such model.
LoggedModels = Callable[[str], Awaitable[dict[str, Any] | None]]
_PROXIED = re.compile(r"^https?://[^/]+(?:/.*)?/api/2\.0/mlflow-artifacts/artifacts/(?P<path>.+)$")
_OF_REGISTRY = re.compile(r"^models:/+(?P<name>[^/]+)/(?P<version>[^/]+)$")
_LOGGED = re.compile(r"^models:/+(?P<id>[^/]+)$")


class VersionWriter:
    """Creates model versions, and changes models and versions."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        models: Models,
        blobs: Blobs,
        locator: Locator,
        artifacts: RunArtifacts,
        logged_models: LoggedModels,
    ) -> None:
        self._store = store
        self._clock = clock
        self._models = models
        self._blobs = blobs
        self._locator = locator
        self._artifacts = artifacts
        self._logged_models = logged_models

    async def create(self, scope: Scope, name: str, facts: dict[str, str], properties: dict[str, Any]) -> Resource:
        """Register a copy of what MLflow names as the source, under the next number.

        `facts` are the source, run_id, run_link and model_id as MLflow gave them. Raises BadRequest when the files do
        not exist, or are not where a workspace keeps artifacts.
        """
        uri, run = await self._content(scope, facts)
        job = job_of_run(self._store, run) if run else await asyncio.to_thread(self._locator.job_of, uri, scope)
        has_description = (self._locator.path(uri, scope) / MLFLOW_FILE).is_file()
        sent = {
            **properties,
            "modelUri": uri,
            "modelType": MLFLOW_TYPE if has_description else "custom_model",
            "jobName": job,
        }
        model = ResourcePath(scope, (("models", name),))
        kind = kind_of("models/versions")
        while True:
            path = model.child("versions", self._next_version(model))
            try:
                stored = await self._models.put(kind, path, {"properties": sent})
            except Conflict:
                # Somebody else took the number meanwhile.
                continue
            if stored.created and stored.resource is not None:
                return self._store.put(stored.resource.with_internal(**{REGISTERED: {**facts, "run_id": run}}))

    def change(self, resource: Resource, **properties: Any) -> Resource:
        """Change properties of a model or of a version."""
        now = self._clock.timestamp()
        document = {**resource.document, "systemData": {**resource.document["systemData"], "lastModifiedAt": now}}
        if properties.get("stage") == NO_STAGE:
            properties["stage"] = None
        return self._store.put(replace(resource, document=document).with_properties(**properties))

    def tag(self, resource: Resource, key: str, value: str | None) -> Resource:
        """Set a tag; None removes it."""
        tags = {name: text for name, text in (resource.properties.get("tags") or {}).items() if name != key}
        return self.change(resource, tags=tags if value is None else {**tags, key: value})

    def download_uri(self, version: Resource) -> str:
        """The address of a version's files below MLflow's artifacts; of a single file, that of its folder."""
        content = self._locator.content(version)
        folder = content if content.is_dir() else content.parent
        return f"{MLFLOW_ARTIFACTS}{REGISTERED_ARTIFACTS}/{folder.relative_to(self._blobs.root).as_posix()}"

    def _next_version(self, model: ResourcePath) -> str:
        container = self._store.get(model.key)
        return (container.properties.get("nextVersion") if container else None) or "1"

    async def _content(self, scope: Scope, facts: dict[str, str]) -> tuple[str, str]:
        """A reference to the files of a new version, and the id of their run; empty when it is not known."""
        source, run = facts["source"], facts["run_id"]
        logged = _LOGGED.match(source)
        if logged is not None or facts["model_id"]:
            model = await self._logged_models(logged["id"] if logged else facts["model_id"])
            if model is not None:
                run = run or model.get("source_run_id") or ""
                return self._artifacts.named(model["artifact_uri"], scope, run, model["name"]), run
        registered = _OF_REGISTRY.match(source)
        if registered is not None:
            path = ResourcePath(scope, (("models", registered["name"]), ("versions", registered["version"])))
            return path.id, run
        proxied = _PROXIED.match(source)
        if proxied is not None:
            return f"{MLFLOW_ARTIFACTS}{proxied['path']}", run
        try:
            self._locator.path(source, scope)
        except EmulatorError as error:
            raise BadRequest(
                f"The source '{source}' is not in the workspace '{scope.name}': {error.message} "
                "Log the model to a run first, and register runs:/<run>/<path>."
            ) from error
        return source, run
