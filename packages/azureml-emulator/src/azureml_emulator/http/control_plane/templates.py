"""Template deployments of Azure Resource Manager, as far as clients use them to create a workspace.

The SDK creates a workspace by a template that also has storage, a key vault and Application Insights. The emulator
creates the workspace, which has storage of its own here, and accepts the other resources by their type. Hubs, projects
and feature stores are workspaces. Any other type and private endpoints answer 501. The only template function is
`[parameters('x')]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.http.requests import json_body, unknown_route
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, NotFound, NotModelled
from azureml_emulator.kernel.kinds import kind_of
from azureml_emulator.kernel.resource_id import PROVIDER, ResourcePath, Scope
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.scopes import Scopes

_TOPIC = "template deployment"
_WORKSPACES = f"{PROVIDER}/workspaces".lower()
_NESTED = "microsoft.resources/deployments"
# The other resources of the SDK's template, most of them conditional.
_ACCEPTED_TYPES = frozenset(
    {
        "microsoft.authorization/roleassignments",
        "microsoft.insights/components",
        "microsoft.keyvault/vaults",
        "microsoft.managedidentity/userassignedidentities",
        "microsoft.network/privateendpoints",
        "microsoft.network/virtualnetworks",
        "microsoft.network/virtualnetworks/subnets",
        "microsoft.operationalinsights/workspaces",
        "microsoft.storage/storageaccounts",
        "microsoft.storage/storageaccounts/blobservices/containers",
    }
)
_PRIVATE_ENDPOINT = "privateEndpointType"
_NONE = "none"
_NETWORK = "managedNetwork"
_OPEN = "disabled"
_KIND = "default"
# Hubs, projects and feature stores are workspaces whose documents say so.
_KINDS = frozenset({_KIND, "hub", "project", "featurestore"})
_USED_PROPERTIES = ("friendlyName", "description", "publicNetworkAccess", "hubResourceId")
_PARAMETER = re.compile(r"^\[\s*parameters\('([^']+)'\)\s*\]$", re.IGNORECASE)
# Clients parse it.
_DURATION = "PT0S"


@dataclass(frozen=True)
class RequestedWorkspace:
    """The workspace that a template asks for."""

    name: str
    body: dict[str, Any]


class Templates:
    """Serves template deployments to resource groups, and the resource groups themselves."""

    def __init__(self, store: Store, clock: Clock, scopes: Scopes, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._scopes = scopes
        self._settings = settings

    def routes(self) -> list[Route]:
        """The routes, in both spellings that clients use."""
        listed: list[Route] = []
        for spelling in ("resourcegroups", "resourceGroups"):
            group = f"/subscriptions/{{subscription}}/{spelling}/{{group}}"
            one = f"{group}/providers/Microsoft.Resources/deployments/{{name}}"
            listed += [
                Route(group, self.group, methods=["GET", "HEAD"]),
                Route(one, self.deployment, methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"]),
                # Without the provider, as in Azure's API.
                Route(f"{group}/deployments/{{name}}/operations", self.operations),
            ]
        return listed

    async def group(self, request: Request) -> Response:
        """A resource group. Every name exists, since the emulator keeps no groups."""
        if request.method == "HEAD":
            return Response(status_code=204)
        given = request.path_params
        return JSONResponse(
            {
                "id": f"/subscriptions/{given['subscription']}/resourceGroups/{given['group']}",
                "name": given["group"],
                "type": "Microsoft.Resources/resourceGroups",
                "location": self._settings.location,
                "tags": {},
                "properties": {"provisioningState": "Succeeded"},
            }
        )

    async def deployment(self, request: Request) -> Response:
        """Deploy a template, synchronously; or show a deployment."""
        if request.method == "PUT":
            return await self._deploy(request)
        if request.method not in {"GET", "HEAD"}:
            raise unknown_route(request)
        return JSONResponse(self._find(request)["deployment"])

    async def operations(self, request: Request) -> Response:
        """The operations of a deployment: one, for the workspace."""
        record = self._find(request)
        workspace = record["deployment"]["properties"]["outputResources"][0]["id"]
        operation = {
            "id": f"{record['deployment']['id']}/operations/{record['operation']}",
            "operationId": record["operation"],
            "properties": {
                "provisioningOperation": "Create",
                "provisioningState": "Succeeded",
                "timestamp": record["deployment"]["properties"]["timestamp"],
                "duration": _DURATION,
                "statusCode": "OK",
                "targetResource": {
                    "id": workspace,
                    "resourceType": f"{PROVIDER}/workspaces",
                    "resourceName": workspace.rpartition("/")[2],
                },
            },
        }
        return JSONResponse({"value": [operation]})

    async def _deploy(self, request: Request) -> Response:
        given = request.path_params
        workspace = read_template((await json_body(request)).get("properties"))
        kind = kind_of("workspaces")
        kind.check_name(workspace.name)
        scope = Scope(given["subscription"], given["group"], "workspaces", workspace.name)
        stored = await self._scopes.put(kind, ResourcePath(scope, ()), workspace.body)
        deployment = {
            "id": _identifier(request),
            "name": given["name"],
            "type": "Microsoft.Resources/deployments",
            "properties": {
                "provisioningState": "Succeeded",
                "correlationId": self._clock.identifier(),
                "timestamp": self._clock.timestamp(),
                "duration": _DURATION,
                "mode": "Incremental",
                "outputResources": [{"id": scope.id}],
            },
        }
        record = {"deployment": deployment, "operation": self._clock.identifier()}
        self._store.put_record(_TOPIC, deployment["id"].lower(), record)
        return JSONResponse(deployment, 201 if stored.created else 200)

    def _find(self, request: Request) -> dict[str, Any]:
        record = self._store.record(_TOPIC, _identifier(request).lower())
        if record is None:
            name = request.path_params["name"]
            raise NotFound(f"Deployment '{name}' could not be found.", code="DeploymentNotFound")
        return record


def read_template(properties: Any) -> RequestedWorkspace:
    """The workspace that a deployment's properties ask for. Raises BadRequest or NotModelled."""
    template = _object(properties, "properties").get("template")
    parameters = _values(_object(template, "template"), _object(properties, "properties").get("parameters"))
    found = [resource for resource in _resources(template) if _checked_type(resource) == _WORKSPACES]
    if len(found) != 1:
        raise NotModelled(f"The emulator deploys templates with exactly one {PROVIDER}/workspaces, not {len(found)}.")
    kind = str(_resolved(found[0].get("kind"), parameters) or _KIND)
    if kind.lower() not in _KINDS:
        raise NotModelled(f"The emulator does not model {PROVIDER}/workspaces of the kind '{kind}'.")
    if str(parameters.get(_PRIVATE_ENDPOINT) or _NONE).lower() != _NONE:
        raise NotModelled("The emulator does not model Microsoft.Network/privateEndpoints.")
    isolation = _object(parameters.get(_NETWORK) or {}, _NETWORK).get("isolationMode")
    if str(isolation or _OPEN).lower() != _OPEN:
        raise NotModelled(
            f"The emulator does not model managed networks: leave out managed_network, which asks for {isolation}."
        )
    return _workspace(found[0], kind, parameters)


def _workspace(resource: dict[str, Any], kind: str, parameters: dict[str, Any]) -> RequestedWorkspace:
    name = _resolved(resource.get("name"), parameters)
    if not isinstance(name, str):
        raise BadRequest("The name of the template's workspace is not a string.", code="InvalidTemplate")
    body = {part: _resolved(resource.get(part), parameters) for part in ("location", "tags")}
    sent = _object(resource.get("properties", {}), "properties of the workspace")
    properties = {part: _resolved(sent.get(part), parameters) for part in _USED_PROPERTIES}
    return RequestedWorkspace(
        name, {**_present(body), "kind": kind[:1].upper() + kind[1:], "properties": _present(properties)}
    )


def _resources(template: Any) -> list[dict[str, Any]]:
    listed = _object(template, "template").get("resources")
    if not isinstance(listed, list) or not listed:
        raise BadRequest("The template has no resources.", code="InvalidTemplate", target="resources")
    return [_object(resource, "a resource of the template") for resource in listed]


def _checked_type(resource: dict[str, Any]) -> str:
    """The type of a resource in lower case. Raises NotModelled for a type that the emulator does not accept."""
    kind = str(resource.get("type"))
    lower = kind.lower()
    if lower == _NESTED:
        for nested in _resources(_object(resource.get("properties"), "a nested deployment").get("template")):
            _checked_type(nested)
    elif lower != _WORKSPACES and lower not in _ACCEPTED_TYPES:
        raise NotModelled(f"The emulator does not deploy resources of the type {kind}.")
    return lower


def _values(template: dict[str, Any], sent: Any) -> dict[str, Any]:
    """The values of the parameters, including defaults."""
    declared = _object(template.get("parameters") or {}, "parameters of the template")
    given = _object(sent or {}, "parameters")
    defaults = {name: _object(value, name).get("defaultValue") for name, value in declared.items()}
    return defaults | {name: _object(value, name).get("value") for name, value in given.items()}


def _resolved(value: Any, parameters: dict[str, Any]) -> Any:
    """A value of the template with its parameter resolved. Raises NotModelled for any other expression."""
    if not isinstance(value, str) or not value.startswith("["):
        return value
    match = _PARAMETER.match(value)
    if match is None:
        raise NotModelled(f"The emulator does not evaluate the template's expression {value}.")
    return parameters.get(match[1])


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"'{what}' must be an object.", code="InvalidTemplate", target=what)
    return value


def _identifier(request: Request) -> str:
    given = request.path_params
    group = f"/subscriptions/{given['subscription']}/resourceGroups/{given['group']}"
    return f"{group}/providers/Microsoft.Resources/deployments/{given['name']}"
