"""Online deployments as resources: a PUT starts a new server beside the running one, and swaps when it is ready.

A resource's `internal` fields: `request`, the last requested body; `active`, the revision that serves and what it was
made from; `latest`, the revision that was tried last; `failure`, why that one failed.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored, with_state
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, Conflict, EmulatorError, NotModelled
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.resource_id import ResourcePath, parse_resource_path, short_name
from azureml_emulator.kernel.service_fields import ONLINE_DEPLOYMENT, capitalised, filled
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.processes.log_file import last_lines
from azureml_emulator.resources.kubernetes import MANAGED
from azureml_emulator.resources.service_catalog import DEPLOYMENTS_PER_ENDPOINT
from azureml_emulator.serving.data_collection.collector_config import read_collector_config
from azureml_emulator.serving.data_collection.collector_registry import CollectorRegistry
from azureml_emulator.serving.deployment_plan import DeploymentPlan, read_plan, with_defaults
from azureml_emulator.serving.deployments.containers import Containers, ContainerSource
from azureml_emulator.serving.deployments.endpoints import BUSY, DEPLOYMENT_KIND, Endpoints
from azureml_emulator.serving.deployments.server_state import STATE_PROPERTIES, with_server_state
from azureml_emulator.serving.servers.fleet import Fleet
from azureml_emulator.serving.servers.instance import ServerSpec
from azureml_emulator.serving.servers.revision import (
    ModelSource,
    Revision,
    check_script,
    make_revision,
    server_command,
    server_environment,
)
from azureml_emulator.storage.locator import Locator

_DEFAULT_TAIL = 5000
_STORAGE_CONTAINER = "storageinitializer"
_INTERRUPTED = "The emulator stopped during an operation on this deployment. Send the request again."
_FILES_GONE = "The state folder no longer has the files of this deployment. Create or update the deployment again."
_MLFLOW_MODEL = "mlflow_model"


@dataclass(frozen=True)
class _Parts:
    """The assets that a plan refers to."""

    model: Resource | None
    code: Resource | None
    environment: Resource | None
    container: ContainerSource | None


class Deployments(Behaviour):
    """The behaviour of onlineEndpoints/deployments."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        operations: Operations,
        locator: Locator,
        fleet: Fleet,
        endpoints: Endpoints,
        collectors: CollectorRegistry,
        containers: Containers,
        folder: Path,
    ) -> None:
        super().__init__(store, clock)
        self._containers = containers
        self._collectors = collectors
        self._operations = operations
        self._locator = locator
        self._fleet = fleet
        self._endpoints = endpoints
        self._folder = folder

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or update a deployment. Raises Conflict while another operation on it runs."""
        existing = self.store.get(path.key)
        _refuse_busy(existing)
        self._endpoints.refuse_busy(path.parent)
        request = _request(body)
        if existing is not None and _unchanged(existing, request):
            return Stored(existing)
        plan = read_plan(request)
        read_collector_config(request["properties"])
        self._endpoints.check_fit(path, request)
        if existing is None:
            others = self.store.children(path.parent.key, DEPLOYMENT_KIND)
            DEPLOYMENTS_PER_ENDPOINT.check(len(others) + 1, "name")
        parts = self._find_parts(plan, path, request["properties"])
        draft = self.draft(kind, path, _shown(request), existing, request=request, failure=None)
        state = "Updating" if existing else "Creating"
        revision = self._revision(path.key, self.clock.identifier())
        draft = with_state(draft, state).with_internal(latest=revision.folder.name)
        resource = self.store.put(draft)
        work = self._roll_out(path, plan, parts, revision, request)
        return Stored(resource, created=existing is None, operation=self._operations.start(path.key, work))

    async def delete(self, resource: Resource) -> Stored:
        """Stop a deployment after its current requests, and delete it. Raises BadRequest while it has traffic."""
        _refuse_busy(resource)
        self._endpoints.refuse_busy(parse_resource_path(resource.id).parent)
        self._refuse_traffic(resource)
        self.store.put(with_state(resource, "Deleting"))
        return Stored(None, operation=self._operations.start(resource.key, self._remove(resource)))

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document; when the deployment failed or is down, its properties say why."""
        managed = resource.properties.get("endpointComputeType", MANAGED) == MANAGED
        document = {**({"kind": MANAGED} if managed else {}), **resource.document}
        return with_server_state(document, resource.internal.get("failure"), self._fleet.get(resource.key))

    def actions(self) -> dict[str, Action]:
        """getLogs."""
        return {"getlogs": self._get_logs}

    def resume(self) -> None:
        """At start: restore the servers that ran, and fail interrupted operations."""
        for resource in self.store.of_kind(DEPLOYMENT_KIND):
            if resource.properties["provisioningState"] in BUSY:
                self._mark_failed(parse_resource_path(resource.id), _INTERRUPTED)
            active = resource.internal.get("active")
            if active is not None:
                self._restore(parse_resource_path(resource.id), active)

    def _restore(self, path: ResourcePath, active: dict[str, Any]) -> None:
        """Start a server again, wherever the state folder is now; a deployment that cannot be served is failed."""
        revision = self._revision(path.key, str(active.get("revision")))
        if not revision.code.is_dir():
            self._mark_failed(path, _FILES_GONE)
            return
        try:
            start = self._start(revision, read_plan(active["request"]), path, active)
        except EmulatorError as error:
            self._mark_failed(path, error.message)
            return
        self._fleet.ensure(path.key, path.name).resume(start)

    def _revision(self, key: str, identifier: str) -> Revision:
        """A revision of a deployment. Only its name is stored, so that the state folder can be moved and copied."""
        return Revision(self._folder / short_name(key) / identifier)

    async def _roll_out(
        self, path: ResourcePath, plan: DeploymentPlan, parts: _Parts, revision: Revision, request: dict[str, Any]
    ) -> None:
        try:
            active = await self._prepare(plan, parts, revision, request)
            instance = await self._fleet.launch(self._start(revision, plan, path, active))
        except EmulatorError as error:
            self._mark_failed(path, error.message.partition("\n")[0])
            raise
        except BaseException:
            self._mark_failed(path, _INTERRUPTED)
            raise
        await self._fleet.ensure(path.key, path.name).replace(instance)
        self._change(path, "Succeeded", active=active, failure=None)
        self._endpoints.refresh_parent(path)
        await asyncio.to_thread(self._sweep, path, revision)

    async def _prepare(
        self, plan: DeploymentPlan, parts: _Parts, revision: Revision, request: dict[str, Any]
    ) -> dict[str, Any]:
        model = None
        if parts.model is not None:
            name = parse_resource_path(parts.model.id).parent.name
            model = ModelSource(name, parts.model.name, self._locator.content(parts.model))
        code = self._locator.content(parts.code) if parts.code is not None else None
        source = parts.container
        await asyncio.to_thread(make_revision, revision, code, model, generated=source is None)
        no_script = source is not None and plan.script is None
        return {
            "revision": revision.folder.name,
            "request": request,
            "script": None if no_script else check_script(revision, plan.script),
            "container": None if source is None else await asyncio.to_thread(self._containers.make, revision, source),
            "model": None if model is None else [model.name, model.version],
            "environment": parts.environment.id if parts.environment is not None else plan.environment,
        }

    def _start(
        self, revision: Revision, plan: DeploymentPlan, path: ResourcePath, active: dict[str, Any]
    ) -> ServerSpec:
        identifier = f"deployment {path.key} {revision.folder.name}"
        names = {
            "SERVICE_NAME": path.parent.name,
            "WORKSPACE_NAME": path.scope.name,
            "AZUREML_DEPLOYMENT_NAME": path.name,
        }
        # The port of the collector changes with each start of the emulator, so these are not stored.
        collector, variables = self._collectors.make(path, active["request"]["properties"], revision.folder)
        if active.get("container") is not None:
            launch = self._containers.launch(revision, plan, active, names)
            environment = {**launch.variables, **variables}
            return ServerSpec(
                identifier, launch.command, environment, revision, plan, collector, launch.container, launch.folder
            )
        command = server_command(active["script"])
        own = server_environment(revision, plan, active["model"], names)
        return ServerSpec(identifier, command, {**own, **variables}, revision, plan, collector)

    def _find_parts(self, plan: DeploymentPlan, path: ResourcePath, properties: dict[str, Any]) -> _Parts:
        model = self._locator.asset(plan.model, "models", path.scope) if plan.model else None
        code = self._locator.asset(plan.code, "codes", path.scope) if plan.code else None
        if code is not None and not plan.script:
            raise BadRequest("codeConfiguration has no scoringScript.", target="scoringScript")
        environment = None
        if plan.environment and plan.environment.lower().startswith(("/subscriptions", "azureml:/subscriptions")):
            environment = self._locator.asset(plan.environment, "environments", path.scope)
        container = self._containers.find(environment, properties)
        is_mlflow = model is not None and model.properties.get("modelType") == _MLFLOW_MODEL
        if code is None and container is None and not is_mlflow:
            raise NotModelled(
                "The deployment has no code_configuration, its model is not an mlflow_model, and its environment is "
                "no custom container: it has no inference_config, or its image starts Microsoft's inference server. "
                "Add what it serves: a code_configuration, or a model of type mlflow_model."
            )
        return _Parts(model, code, environment, container)

    def _refuse_traffic(self, resource: Resource) -> None:
        endpoint = self.store.get(resource.parent)
        properties = endpoint.properties if endpoint is not None else {}
        for what, words in (("traffic", "live traffic"), ("mirrorTraffic", "mirrored traffic")):
            percent = (properties.get(what) or {}).get(resource.name)
            if percent:
                raise BadRequest(
                    f"The deployment '{resource.name}' has {percent} % {words}. Set it to 0 before deleting it.",
                    code="DeploymentHasTraffic",
                    target=what,
                )

    async def _remove(self, resource: Resource) -> None:
        await self._fleet.remove(resource.key)
        path = parse_resource_path(resource.id)
        self._collectors.forget(path)
        self.store.delete(resource.key)
        self._drop_zero_traffic(path)
        self._endpoints.refresh_parent(path)
        await asyncio.to_thread(shutil.rmtree, self._folder / short_name(resource.key), ignore_errors=True)

    def _drop_zero_traffic(self, path: ResourcePath) -> None:
        """Remove a deleted deployment with 0 % from the endpoint's traffic, which must name existing deployments."""
        endpoint = self.store.get(path.parent.key)
        if endpoint is None:
            return
        kept = {
            what: {name: percent for name, percent in endpoint.properties[what].items() if name != path.name}
            for what in ("traffic", "mirrorTraffic")
        }
        self.store.put(endpoint.with_properties(**kept))

    def _mark_failed(self, path: ResourcePath, reason: str) -> None:
        self._change(path, "Failed", failure=reason)

    def _change(self, path: ResourcePath, state: str, **internal: Any) -> None:
        resource = self.store.get(path.key)
        if resource is not None:
            self.store.put(with_state(resource, state).with_internal(**internal))

    def _sweep(self, path: ResourcePath, current: Revision) -> None:
        """Delete the folders of revisions that no longer serve."""
        for folder in (self._folder / short_name(path.key)).iterdir():
            if folder != current.folder:
                shutil.rmtree(folder, ignore_errors=True)

    async def _get_logs(self, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
        latest = resource.internal.get("latest")
        if str(body.get("containerType") or "").lower() == _STORAGE_CONTAINER:
            return {"content": _storage_log(resource)}
        tail = body.get("tail") or _DEFAULT_TAIL
        if not isinstance(tail, int) or tail < 1:
            raise BadRequest(f"tail is {tail!r}; it must be a positive integer.", target="tail")
        lines = await asyncio.to_thread(last_lines, self._revision(resource.key, latest).log, tail) if latest else []
        failure = resource.internal.get("failure")
        return {"content": "\n".join([*lines, *([failure] if failure else [])])}


def _request(body: dict[str, Any]) -> dict[str, Any]:
    """What a body asks for, without what the service adds; equal for equal requests."""
    properties = {name: value for name, value in body.get("properties", {}).items() if name != "provisioningState"}
    named = {
        name: value for name, value in (properties.get("properties") or {}).items() if name not in STATE_PROPERTIES
    }
    properties["properties"] = named
    wanted = {name: body[name] for name in ("location", "tags", "sku", "kind", "identity") if name in body}
    return {**wanted, "properties": with_defaults(properties)}


def _shown(request: dict[str, Any]) -> dict[str, Any]:
    """The document as Azure shows it: with an instance count, and its choices capitalised."""
    properties = capitalised(request["properties"], "egressPublicNetworkAccess")
    collector = properties.get("dataCollector")
    if collector:
        collections = {
            name: {
                **value,
                "dataCollectionMode": str(value.get("dataCollectionMode", "disabled")).capitalize(),
            }
            for name, value in (collector.get("collections") or {}).items()
        }
        properties["dataCollector"] = {**capitalised(collector, "rollingRate"), "collections": collections}
    return {
        **request,
        "sku": {"name": "Default", "capacity": 1, **(request.get("sku") or {})},
        "properties": properties,
    }


def _unchanged(existing: Resource, request: dict[str, Any]) -> bool:
    """Whether nothing new is asked for; what the service fills in may come back from a client."""
    if existing.properties["provisioningState"] != "Succeeded":
        return False
    fields = {"kind": MANAGED, **ONLINE_DEPLOYMENT}
    return filled(existing.internal.get("request") or {}, fields) == filled(request, fields)


def _refuse_busy(resource: Resource | None) -> None:
    if resource is not None and resource.properties["provisioningState"] in BUSY:
        state = resource.properties["provisioningState"]
        raise Conflict(
            f"Another operation on the deployment '{resource.name}' is in progress (its state is {state}). "
            "Wait until it has ended."
        )


def _storage_log(resource: Resource) -> str:
    properties = resource.properties
    code = (properties.get("codeConfiguration") or {}).get("codeId")
    return f"Copied the model {properties.get('model')} and the code {code} into the deployment's folder."
