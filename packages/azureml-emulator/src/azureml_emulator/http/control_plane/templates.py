"""Template deployments of Azure Resource Manager, as far as clients send them to make a workspace.

The SDK creates a workspace by a template with everything around it: storage, a key vault, a place for metrics. Of
these the emulator makes the workspace, which has storage of its own here; the rest is accepted by its type. Any other
type, a workspace of another kind and a private endpoint are a 501. Knows `[parameters('x')]` and no other function.
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
# What stands around a workspace in the SDK's template, mostly under conditions.
_AROUND = frozenset(
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
_KIND = "default"
_TAKEN = ("friendlyName", "description", "publicNetworkAccess")
_PARAMETER = re.compile(r"^\[\s*parameters\('([^']+)'\)\s*\]$", re.IGNORECASE)
# Clients parse a duration; what is done at once took none.
_DURATION = "PT0S"


@dataclass(frozen=True)
class WantedWorkspace:
    """The workspace that a template makes."""

    name: str
    body: dict[str, Any]


class Templates:
    """Serves deployments of templates to a resource group, and says that the group exists."""

    def __init__(self, store: Store, clock: Clock, scopes: Scopes, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._scopes = scopes
        self._settings = settings

    def routes(self) -> list[Route]:
        """The routes, in both spellings that clients have."""
        listed: list[Route] = []
        for spelling in ("resourcegroups", "resourceGroups"):
            group = f"/subscriptions/{{subscription}}/{spelling}/{{group}}"
            one = f"{group}/providers/Microsoft.Resources/deployments/{{name}}"
            listed += [
                Route(group, self.group, methods=["GET", "HEAD"]),
                Route(one, self.deployment, methods=["GET", "HEAD", "PUT", "DELETE", "PATCH"]),
                # Without the provider, as its interface has it.
                Route(f"{group}/deployments/{{name}}/operations", self.operations),
            ]
        return listed

    async def group(self, request: Request) -> Response:
        """A resource group: each exists, since the emulator has none of its own."""
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
        """Make what a template asks for, at once; or show what one made."""
        if request.method == "PUT":
            return await self._deploy(request)
        if request.method not in {"GET", "HEAD"}:
            raise unknown_route(request)
        return JSONResponse(self._find(request)["deployment"])

    async def operations(self, request: Request) -> Response:
        """What a deployment did: one operation, the workspace's."""
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
        wanted = read_template((await json_body(request)).get("properties"))
        kind = kind_of("workspaces")
        kind.check_name(wanted.name)
        scope = Scope(given["subscription"], given["group"], "workspaces", wanted.name)
        stored = await self._scopes.put(kind, ResourcePath(scope, ()), wanted.body)
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


def read_template(properties: Any) -> WantedWorkspace:
    """The workspace that a deployment's properties ask for. Raises BadRequest or NotModelled."""
    template = _object(properties, "properties").get("template")
    parameters = _values(_object(template, "template"), _object(properties, "properties").get("parameters"))
    found = [resource for resource in _resources(template) if _checked_type(resource) == _WORKSPACES]
    if len(found) != 1:
        raise NotModelled(f"The emulator deploys templates with one {PROVIDER}/workspaces, not {len(found)}.")
    kind = str(_resolved(found[0].get("kind"), parameters) or _KIND)
    if kind.lower() != _KIND:
        raise NotModelled(f"The emulator does not model {PROVIDER}/workspaces of the kind '{kind}'.")
    if str(parameters.get(_PRIVATE_ENDPOINT) or _NONE).lower() != _NONE:
        raise NotModelled("The emulator does not model Microsoft.Network/privateEndpoints.")
    return _workspace(found[0], parameters)


def _workspace(resource: dict[str, Any], parameters: dict[str, Any]) -> WantedWorkspace:
    name = _resolved(resource.get("name"), parameters)
    if not isinstance(name, str):
        raise BadRequest("The template's workspace has no name that is a text.", code="InvalidTemplate")
    body = {part: _resolved(resource.get(part), parameters) for part in ("location", "tags")}
    sent = _object(resource.get("properties", {}), "properties of the workspace")
    properties = {part: _resolved(sent.get(part), parameters) for part in _TAKEN}
    return WantedWorkspace(name, {**_present(body), "kind": "Default", "properties": _present(properties)})


def _resources(template: Any) -> list[dict[str, Any]]:
    listed = _object(template, "template").get("resources")
    if not isinstance(listed, list) or not listed:
        raise BadRequest("The template has no resources.", code="InvalidTemplate", target="resources")
    return [_object(resource, "a resource of the template") for resource in listed]


def _checked_type(resource: dict[str, Any]) -> str:
    """A resource's type in lower case. Raises NotModelled, which names it."""
    kind = str(resource.get("type"))
    lower = kind.lower()
    if lower == _NESTED:
        for nested in _resources(_object(resource.get("properties"), "a nested deployment").get("template")):
            _checked_type(nested)
    elif lower != _WORKSPACES and lower not in _AROUND:
        raise NotModelled(f"The emulator does not deploy resources of the type {kind}.")
    return lower


def _values(template: dict[str, Any], sent: Any) -> dict[str, Any]:
    """The parameters' values, defaults included."""
    declared = _object(template.get("parameters") or {}, "parameters of the template")
    given = _object(sent or {}, "parameters")
    defaults = {name: _object(value, name).get("defaultValue") for name, value in declared.items()}
    return defaults | {name: _object(value, name).get("value") for name, value in given.items()}


def _resolved(value: Any, parameters: dict[str, Any]) -> Any:
    """A value of the template, a parameter put in. Raises NotModelled for any other expression."""
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
