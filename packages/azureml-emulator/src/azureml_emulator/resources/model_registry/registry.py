"""MLflow's REST API of its model registry, answered from the models of a scope: there is no second registry.

A registered model is the container of a model's versions, and a model version is a version. Knows no HTTP: `answer`
takes the parameters of a request, and `http/data_plane/` serves it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from azureml_emulator.kernel.behaviours import ContainerBehaviour
from azureml_emulator.kernel.errors import BadRequest, Conflict, NotFound, NotModelled
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.model_registry import documents
from azureml_emulator.resources.model_registry.search import MODEL_FIELDS, VERSION_FIELDS, matching, ordered, page
from azureml_emulator.resources.model_registry.versions import VersionWriter

Parameters = dict[str, Any]
Handler = Callable[[Scope, Parameters], Awaitable[dict[str, Any]]]
PREFIXES = ("registered-models/", "model-versions/")
_MAX_RESULTS = 200
_RESERVED_ALIAS = "latest"


class Runs(Protocol):
    """What the registry asks of the runs of jobs."""

    def run_of_job(self, scope: Scope, name: str) -> str:
        """The id of the MLflow run of a job."""
        ...


class ModelRegistry:
    """Registered models and model versions."""

    def __init__(self, store: Store, containers: ContainerBehaviour, writer: VersionWriter, runs: Runs) -> None:
        self._store = store
        self._containers = containers
        self._writer = writer
        self._runs = runs
        self._handlers: dict[tuple[str, str], Handler] = {
            ("POST", "registered-models/create"): self._create_model,
            ("GET", "registered-models/get"): self._get_model,
            ("PATCH", "registered-models/update"): self._update_model,
            ("DELETE", "registered-models/delete"): self._delete_model,
            ("GET", "registered-models/search"): self._search_models,
            ("GET", "registered-models/get-latest-versions"): self._latest_versions,
            ("POST", "registered-models/get-latest-versions"): self._latest_versions,
            ("POST", "registered-models/set-tag"): self._tag_model,
            ("DELETE", "registered-models/delete-tag"): self._untag_model,
            ("POST", "registered-models/alias"): self._set_alias,
            ("GET", "registered-models/alias"): self._get_by_alias,
            ("DELETE", "registered-models/alias"): self._delete_alias,
            ("POST", "model-versions/create"): self._create_version,
            ("GET", "model-versions/get"): self._get_version,
            ("PATCH", "model-versions/update"): self._update_version,
            ("DELETE", "model-versions/delete"): self._delete_version,
            ("GET", "model-versions/search"): self._search_versions,
            ("GET", "model-versions/get-download-uri"): self._download_uri,
            ("POST", "model-versions/transition-stage"): self._set_stage,
            ("POST", "model-versions/set-tag"): self._tag_version,
            ("DELETE", "model-versions/delete-tag"): self._untag_version,
        }

    async def answer(self, scope: Scope, method: str, route: str, given: Parameters) -> dict[str, Any]:
        """The reply to a request, such as POST registered-models/create. Raises an EmulatorError."""
        handler = self._handlers.get((method, route))
        if handler is None:
            raise NotModelled(f"The model registry of a workspace has no {method} {route}, on Azure neither.")
        return await handler(scope, given)

    async def _create_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        path = _model_path(scope, _text(given, "name"))
        kind = kind_of(path.kind)
        kind.check_name(path.name)
        if self._store.get(path.key) is not None:
            raise Conflict(f"Registered Model (name={path.name}) already exists.")
        properties = {"description": given.get("description"), "tags": _tags(given), "properties": {}}
        stored = await self._containers.put(kind, path, {"properties": properties})
        return self._model_answer(scope, stored.resource or self._model(scope, given))

    async def _get_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        return self._model_answer(scope, self._model(scope, given))

    async def _update_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        changed = self._writer.change(self._model(scope, given), description=given.get("description"))
        return self._model_answer(scope, changed)

    async def _delete_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        await self._containers.delete(self._model(scope, given))
        return {}

    async def _search_models(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        models = [self._model_document(scope, each) for each in self._store.children(scope.key, "models")]
        found = matching(models, str(given.get("filter") or ""), MODEL_FIELDS)
        return self._page(
            "registered_models", ordered(found, _texts(given, "order_by") or ["name"], MODEL_FIELDS), given
        )

    async def _latest_versions(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        stages = [_stage(stage) for stage in _texts(given, "stages")]
        found = self._model_document(scope, self._model(scope, given))["latest_versions"]
        return {"model_versions": [each for each in found if not stages or each["current_stage"] in stages]}

    async def _tag_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        self._writer.tag(self._model(scope, given), _text(given, "key"), str(given.get("value", "")))
        return {}

    async def _untag_model(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        self._writer.tag(self._model(scope, given), _text(given, "key"), None)
        return {}

    async def _set_alias(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        alias, (model, version) = _text(given, "alias"), self._version(scope, given)
        if alias.lower() == _RESERVED_ALIAS:
            raise BadRequest(f"'{alias}' is a reserved name and cannot be an alias.")
        aliases = {**model.internal.get(documents.ALIASES, {}), alias: version.name}
        self._store.put(model.with_internal(**{documents.ALIASES: aliases}))
        return {}

    async def _get_by_alias(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        alias, model = _text(given, "alias"), self._model(scope, given)
        version = model.internal.get(documents.ALIASES, {}).get(alias)
        if version is None:
            raise NotFound(f"Registered model alias {alias} not found.")
        return self._version_answer(scope, *self._version(scope, {**given, "version": version}))

    async def _delete_alias(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        alias, model = _text(given, "alias"), self._model(scope, given)
        kept = {name: version for name, version in model.internal.get(documents.ALIASES, {}).items() if name != alias}
        self._store.put(model.with_internal(**{documents.ALIASES: kept}))
        return {}

    async def _create_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        model = self._model(scope, given)
        facts = {name: str(given.get(name) or "") for name in ("source", "run_id", "run_link", "model_id")}
        properties = {"description": given.get("description"), "tags": _tags(given), "properties": {}}
        created = await self._writer.create(scope, model.name, facts, properties)
        return self._version_answer(scope, self._model(scope, given), created)

    async def _get_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        return self._version_answer(scope, *self._version(scope, given))

    async def _update_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        model, version = self._version(scope, given)
        changed = self._writer.change(version, description=given.get("description"))
        return self._version_answer(scope, model, changed)

    async def _delete_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        self._store.delete(self._version(scope, given)[1].key)
        return {}

    async def _search_versions(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        models = self._store.children(scope.key, "models")
        versions = [version for model in models for version in self._version_documents(scope, model)]
        found = matching(versions, str(given.get("filter") or ""), VERSION_FIELDS)
        orders = _texts(given, "order_by") or ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
        return self._page("model_versions", ordered(found, orders, VERSION_FIELDS), given)

    async def _download_uri(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        return {"artifact_uri": self._writer.download_uri(self._version(scope, given)[1])}

    async def _set_stage(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        model, version = self._version(scope, given)
        stage = _stage(_text(given, "stage"))
        if str(given.get("archive_existing_versions", "")).lower() == "true":
            for other in self._versions(model):
                if documents.stage_of(other) == stage and other.key != version.key:
                    self._writer.change(other, stage="Archived")
        return self._version_answer(scope, model, self._writer.change(version, stage=stage))

    async def _tag_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        self._writer.tag(self._version(scope, given)[1], _text(given, "key"), str(given.get("value", "")))
        return {}

    async def _untag_version(self, scope: Scope, given: Parameters) -> dict[str, Any]:
        self._writer.tag(self._version(scope, given)[1], _text(given, "key"), None)
        return {}

    def _model(self, scope: Scope, given: Parameters) -> Resource:
        name = _text(given, "name")
        model = self._store.get(_model_path(scope, name).key)
        if model is None:
            raise NotFound(f"Registered Model with name={name} not found")
        return model

    def _version(self, scope: Scope, given: Parameters) -> tuple[Resource, Resource]:
        """A model and one of its versions."""
        name, version = _text(given, "name"), _text(given, "version")
        found = self._store.get(_model_path(scope, name).child("versions", version).key)
        if found is None:
            raise NotFound(f"Model Version (name={name}, version={version}) not found")
        return self._model(scope, given), found

    def _versions(self, model: Resource) -> list[Resource]:
        """The versions of a model, oldest first; as in lists of the workspace, without the archived ones."""
        versions = self._store.children(model.key, "models/versions")
        return [version for version in versions if not version.properties.get("isArchived")]

    def _version_documents(self, scope: Scope, model: Resource) -> list[dict[str, Any]]:
        return [self._version_document(scope, model, version) for version in self._versions(model)]

    def _version_document(self, scope: Scope, model: Resource, version: Resource) -> dict[str, Any]:
        return documents.model_version(model, version, lambda job: self._runs.run_of_job(scope, job))

    def _model_document(self, scope: Scope, model: Resource) -> dict[str, Any]:
        return documents.registered_model(model, self._version_documents(scope, model))

    def _model_answer(self, scope: Scope, model: Resource) -> dict[str, Any]:
        return {"registered_model": self._model_document(scope, model)}

    def _version_answer(self, scope: Scope, model: Resource, version: Resource) -> dict[str, Any]:
        return {"model_version": self._version_document(scope, model, version)}

    def _page(self, name: str, found: list[dict[str, Any]], given: Parameters) -> dict[str, Any]:
        limit = str(given.get("max_results") or _MAX_RESULTS)
        if not limit.isdigit():
            raise BadRequest(f"max_results must be a positive integer, not '{limit}'.")
        shown, token = page(found, int(limit), str(given.get("page_token") or ""))
        return {name: shown, **({"next_page_token": token} if token else {})}


def _model_path(scope: Scope, name: str) -> ResourcePath:
    return ResourcePath(scope, (("models", name),))


def _text(given: Parameters, name: str) -> str:
    value = given.get(name)
    if value is None or not str(value):
        raise BadRequest(f"Missing value for required parameter '{name}'.")
    return str(value)


def _texts(given: Parameters, name: str) -> list[str]:
    value = given.get(name) or []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _tags(given: Parameters) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in given.get("tags") or []}


def _stage(text: str) -> str:
    for stage in documents.STAGES:
        if stage.lower() == text.lower():
            return stage
    raise BadRequest(f"Invalid Model Version stage: {text}. Value must be one of {', '.join(documents.STAGES)}.")
