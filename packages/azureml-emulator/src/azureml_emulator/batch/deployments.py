"""Batch deployments as resources: a model with its entry script, or a pipeline component. They run when invoked.

Like the service, a model deployment is kept as an anonymous component with one parallel step.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from azureml_emulator.batch.component import is_pipeline, model_component, with_defaults, with_string_settings
from azureml_emulator.batch.endpoints import default_deployment
from azureml_emulator.kernel.behaviours import Behaviour, Stored
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.kinds import Kind, kind_of
from azureml_emulator.kernel.references import CURATED_PREFIX
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.normalized_versions import author_specification
from azureml_emulator.storage.locator import Locator

_ANONYMOUS = "azureml_anonymous"
_SERVERLESS = "serverless"
_PIPELINE_TYPE = "pipeline"
_MLFLOW_TYPE = "mlflow_model"
_PYFUNC = "python_function"


class BatchDeployments(Behaviour):
    """The behaviour of batchEndpoints/deployments. The internal field `component` has the id of the component."""

    def __init__(self, store: Store, clock: Clock, locator: Locator, components: Behaviour) -> None:
        super().__init__(store, clock)
        self._locator = locator
        self._components = components

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or change a deployment. Raises BadRequest or NotFound when something it refers to does not exist."""
        existing = self.store.get(path.key)
        properties = body.get("properties", {})
        if is_pipeline(properties):
            properties = with_string_settings(properties)
            component = self._pipeline(properties, path.scope)
        else:
            properties = with_defaults(properties)
            component = await self._model(properties, path)
        draft = self.draft(kind, path, {**body, "properties": properties}, existing, component=component)
        return Stored(self.store.put(draft), created=existing is None)

    async def delete(self, resource: Resource) -> Stored:
        """Delete a deployment. Raises BadRequest for the default one."""
        endpoint = self.store.get(resource.parent)
        if endpoint is not None and default_deployment(endpoint) == resource.name:
            raise BadRequest(
                f"The deployment '{resource.name}' is the default of the endpoint '{endpoint.name}'. "
                "Make another one the default before deleting it.",
                code="DefaultDeployment",
            )
        return await super().delete(resource)

    def _pipeline(self, properties: dict[str, Any], scope: Scope) -> str:
        reference = (properties["deploymentConfiguration"].get("componentId") or {}).get("assetId")
        if not reference:
            raise BadRequest("The deployment names no component.", target="deploymentConfiguration.componentId")
        found = self._locator.asset(reference, "components", scope)
        if author_specification(found).get("type") != _PIPELINE_TYPE:
            raise BadRequest(
                f"'{reference}' is not a pipeline component.", target="deploymentConfiguration.componentId"
            )
        compute = (properties["deploymentConfiguration"].get("settings") or {}).get("default_compute")
        if compute:
            self._check_compute(compute, scope)
        return found.id

    async def _model(self, properties: dict[str, Any], path: ResourcePath) -> str:
        self._check_parts(properties, path.scope)
        specification = model_component(properties)
        content = json.dumps(specification, sort_keys=True).encode()
        version = str(uuid.UUID(hashlib.sha256(content).hexdigest()[:32]))
        component = ResourcePath(path.scope, (("components", _ANONYMOUS), ("versions", version)))
        body = {"properties": {"componentSpec": specification, "isAnonymous": True}}
        await self._components.put(kind_of("components/versions"), component, body)
        return component.id

    def _check_parts(self, properties: dict[str, Any], scope: Scope) -> None:
        """Refuse a deployment whose model, code, environment or compute does not exist."""
        model = properties.get("model") or {}
        reference = model.get("assetId") if isinstance(model, dict) else None
        if not isinstance(reference, str) or not reference:
            raise BadRequest("The deployment names no model.", target="model")
        model = self._locator.asset(reference, "models", scope)
        code = properties.get("codeConfiguration")
        if code:
            self._check_code(code, scope)
        else:
            _refuse_without_script(model)
        environment = properties.get("environmentId")
        if code and not environment:
            raise BadRequest("The deployment names no environment.", target="environmentId")
        if environment and not environment.lower().startswith(CURATED_PREFIX):
            self._locator.asset(environment, "environments", scope)
        self._check_compute(properties.get("compute"), scope)

    def _check_code(self, code: dict[str, Any], scope: Scope) -> None:
        for name in ("codeId", "scoringScript"):
            if not code.get(name):
                raise BadRequest(f"The code configuration has no {name}.", target=f"codeConfiguration.{name}")
        self._locator.asset(code["codeId"], "codes", scope)

    def _check_compute(self, compute: str | None, scope: Scope) -> None:
        name = str(compute or "").rsplit("/", 1)[-1].removeprefix("azureml:")
        if not name:
            raise BadRequest("The deployment names no compute.", target="compute")
        known = self.store.get(ResourcePath(scope, (("computes", name),)).key) is not None
        if name.lower() != _SERVERLESS and not known:
            raise BadRequest(f"The compute '{name}' does not exist.", code="ComputeNotFound", target="compute")


def _refuse_without_script(model: Resource) -> None:
    """Raise BadRequest unless a deployment of this model needs no scoring script."""
    if model.properties.get("modelType") != _MLFLOW_TYPE:
        raise BadRequest(
            f"The deployment has no code configuration, which only an MLflow model may do without: the model "
            f"'{model.id}' is a {model.properties.get('modelType')}. Give it a scoring script.",
            target="codeConfiguration",
        )
    if _PYFUNC not in (model.properties.get("flavors") or {}):
        raise BadRequest(
            f"The MLflow model '{model.id}' has no flavor {_PYFUNC}, which a deployment without a scoring script "
            "needs. Give it a scoring script.",
            target="codeConfiguration",
        )


def deployment_of(store: Store, endpoint: Resource, named: str | None) -> Resource:
    """The deployment for an invocation. Raises BadRequest when it names none and there is no default."""
    name = named or default_deployment(endpoint)
    if not name:
        raise BadRequest(
            f"The endpoint '{endpoint.name}' has no default deployment: name one in the header "
            "azureml-model-deployment, or set defaults.deploymentName of the endpoint.",
            code="DeploymentNotFound",
        )
    found = store.get(parse_resource_path(endpoint.id).child("deployments", name).key)
    if found is None:
        raise BadRequest(
            f"The endpoint '{endpoint.name}' has no deployment '{name}'.",
            code="DeploymentNotFound",
            target="deployment",
        )
    return found
