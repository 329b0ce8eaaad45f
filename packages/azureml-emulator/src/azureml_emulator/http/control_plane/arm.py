"""Azure Resource Manager: one generic create, read, list and delete over the KINDS table.

What differs by kind is in the kind's Behaviour. A route that is not modelled answers 501.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.http.control_plane.answers import shown
from azureml_emulator.http.control_plane.shapes import check_shapes
from azureml_emulator.http.listing import page
from azureml_emulator.http.requests import json_body, resource_part, unknown_route
from azureml_emulator.kernel.behaviours import Behaviours, Stored
from azureml_emulator.kernel.errors import BadRequest, NotFound
from azureml_emulator.kernel.kinds import Kind, find_kind, kind_of
from azureml_emulator.kernel.operations import Operation, Operations
from azureml_emulator.kernel.resource_id import (
    PROVIDER,
    ResourcePath,
    is_in_scope,
    parse_request_path,
)
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.resources.service_catalog import check_tags
from azureml_emulator.storage.curated_environments import LATEST, curated_environment
from azureml_emulator.storage.foreign_assets import explanation

# Seconds. Without the header, Azure's clients wait 5 to 30 s between polls.
RETRY_AFTER = "0.2"
# The reply that starts an operation needs an integer. Clients poll once before they wait.
_FIRST_RETRY_AFTER = "1"
# An operation that ends within this many seconds is answered as done, which saves the client a poll.
SETTLE_SECONDS = 0.05
_STATUS_SEGMENT = "mfeOperationsStatus"
_RESULT_SEGMENT = "mfeOperationResults"
# The version that clients ask for when none is named.
_NEWEST_NAMES = ("azureml_default",)
_SCOPE_KINDS = ("workspaces", "registries")


class Arm:
    """Serves every path below a workspace or registry."""

    def __init__(
        self, store: Store, operations: Operations, scopes: Scopes, behaviours: Behaviours, base_url: str
    ) -> None:
        self._store = store
        self._operations = operations
        self._scopes = scopes
        self._behaviours = behaviours
        self._base_url = base_url

    def listing_routes(self) -> list[Route]:
        """The routes of operations, and of lists of workspaces and registries."""
        location = "/subscriptions/{s}/providers/{p}/locations/{l}"
        scopes = f"providers/{PROVIDER}/{{scopes}}"
        return [
            Route(f"{location}/{_STATUS_SEGMENT}/{{operation}}", self.poll),
            Route(f"{location}/{_RESULT_SEGMENT}/{{operation}}", self.result),
            Route(f"/subscriptions/{{s}}/{scopes}", self.workspaces),
            Route(f"/subscriptions/{{s}}/resourceGroups/{{g}}/{scopes}", self.workspaces),
        ]

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        encoded = resource_part(request.scope["raw_path"].decode("ascii"))
        if not is_in_scope(encoded):
            raise unknown_route(request)
        path = parse_request_path(encoded)
        if path.pairs or request.method not in {"PUT", "DELETE"}:
            self._scopes.require(path.scope)
        if path.tail is None:
            return await self._resource(request, path)
        if request.method == "GET":
            return self._collection(request, path)
        if request.method == "POST":
            return await self._action(request, path)
        raise unknown_route(request)

    async def poll(self, request: Request) -> Response:
        """Answer the status of an operation."""
        operation = self._operations.get(request.path_params["operation"])
        if operation is None:
            raise NotFound(f"The operation '{request.path_params['operation']}' does not exist.")
        body: dict[str, Any] = {"id": request.url.path, "name": operation.id, "status": operation.status}
        body |= {"startTime": operation.started, "percentComplete": 0.0}
        if operation.ended is not None:
            body |= {"endTime": operation.ended, "percentComplete": 100.0}
        if operation.status == "Failed":
            body["error"] = {"code": operation.code, "message": operation.message}
        return JSONResponse(body, headers={"Retry-After": RETRY_AFTER})

    async def result(self, request: Request) -> Response:
        """Answer 202 while an action runs, and then 204 without a body, since clients would parse one."""
        operation = self._operations.get(request.path_params["operation"])
        if operation is None:
            raise NotFound(f"The operation '{request.path_params['operation']}' does not exist.")
        if operation.status == "InProgress":
            return Response(status_code=202, headers={"Retry-After": RETRY_AFTER})
        return Response(status_code=204)

    async def workspaces(self, request: Request) -> Response:
        """List the workspaces or registries of a subscription, or of one of its resource groups."""
        parameters = request.path_params
        above = f"/subscriptions/{parameters['s']}/"
        if "g" in parameters:
            above += f"resourceGroups/{parameters['g']}/"
        if parameters["scopes"].lower() not in _SCOPE_KINDS:
            raise unknown_route(request)
        found = [
            resource for resource in self._store.of_kind(parameters["scopes"]) if resource.key.startswith(above.lower())
        ]
        return JSONResponse(page(request, found, self._present, self._base_url))

    async def _resource(self, request: Request, path: ResourcePath) -> Response:
        kind = self._kind(request, path)
        match request.method:
            case "GET":
                return JSONResponse(self._present(self._find(path)))
            case "PUT":
                return await self._put(request, kind, path)
            case "PATCH":
                resource = self._find(path)
                stored = await self._behaviours.of(kind).patch(kind, resource, path, await _document(request))
                return await self._stored(path, stored)
            case "DELETE":
                resource = self._store.get(path.key)
                if resource is None:
                    return Response(status_code=204)
                return await self._stored(path, await self._behaviours.of(kind).delete(resource))
        raise unknown_route(request)

    async def _put(self, request: Request, kind: Kind, path: ResourcePath) -> Response:
        _check_names(kind, path)
        if path.pairs and not kind_of(path.parent.kind).is_container:
            self._find(path.parent)
        return await self._stored(path, await self._behaviours.of(kind).put(kind, path, await _document(request)))

    async def _stored(self, path: ResourcePath, stored: Stored) -> Response:
        headers = {}
        if stored.operation is not None:
            operation = await self._operations.settle(stored.operation, SETTLE_SECONDS)
            # Also for a failed one, whose error only a poll can return.
            if operation.status != "Succeeded":
                headers = self._operation_headers(path, operation)
        resource = self._store.get(path.key)
        if resource is None:
            return Response(status_code=202 if headers else 204, headers=headers)
        if stored.resource is None:
            return Response(status_code=202, headers=headers)
        status = 201 if stored.created else 200
        return JSONResponse(self._present(resource), status, headers=headers)

    def _operation_headers(self, path: ResourcePath, operation: Operation) -> dict[str, str]:
        location = f"/subscriptions/{path.scope.subscription}/providers/{PROVIDER}/locations/emulator"
        url = f"{self._base_url}{location}/{_STATUS_SEGMENT}/{operation.id}"
        return {"Azure-AsyncOperation": url, "Location": url, "Retry-After": _FIRST_RETRY_AFTER}

    def _collection(self, request: Request, path: ResourcePath) -> Response:
        kind = f"{path.kind}/{path.tail}" if path.pairs else str(path.tail)
        if find_kind(kind) is None or kind.lower() in _SCOPE_KINDS:
            raise unknown_route(request)
        if "hash" in request.query_params:
            # Clients search by content hash under a new random name; the service answers with assets of any name
            # that have this content.
            within = f"{path.scope.key}/"
            resources = [each for each in self._store.of_kind(kind) if each.key.startswith(within)]
            return JSONResponse(page(request, resources, self._present, self._base_url))
        if path.pairs and self._store.get(path.key) is None:
            if kind.lower().endswith("/versions"):
                curated = curated_environment(path.child("versions", LATEST))
                return JSONResponse(page(request, [curated] if curated else [], self._present, self._base_url))
            self._find(path)
        resources = self._store.children(path.key, kind)
        return JSONResponse(page(request, resources, self._present, self._base_url))

    async def _action(self, request: Request, path: ResourcePath) -> Response:
        kind = find_kind(path.kind)
        action = self._behaviours.of(kind).actions().get(str(path.tail).lower()) if kind is not None else None
        if action is None:
            raise unknown_route(request)
        answer = await action(self._action_target(path), await json_body(request))
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, Operation):
            headers = self._operation_headers(path, answer)
            headers["Location"] = headers["Location"].replace(_STATUS_SEGMENT, _RESULT_SEGMENT)
            return Response(status_code=202, headers=headers)
        if isinstance(answer, Stored):
            return await self._stored(path, answer)
        return JSONResponse(answer)

    def _action_target(self, path: ResourcePath) -> Resource:
        """The resource of an action; uploads start before their version exists."""
        existing = self._store.get(path.key)
        if existing is not None or str(path.tail).lower() != "startpendingupload":
            return existing or self._find(path)
        kind = kind_of(path.kind)
        _check_names(kind, path)
        return self._behaviours.of(kind).draft(kind, path, {}, None)

    def _find(self, path: ResourcePath) -> Resource:
        resource = self._store.get(path.key) or self._default_version(path) or curated_environment(path)
        if resource is None:
            code = kind_of(path.kind).missing_code
            if path.scope.kind == "registries" and path.pairs:
                raise NotFound(explanation(path), code=code)
            raise NotFound(f"{path.kind} '{path.name}' was not found: {path.id} does not exist.", code=code)
        return resource

    def _default_version(self, path: ResourcePath) -> Resource | None:
        """The latest version, when the path has the name that stands for it."""
        if path.name not in _NEWEST_NAMES or not path.kind.lower().endswith("/versions"):
            return None
        versions = self._store.children(path.parent.key, path.kind)
        current = [version for version in versions if not version.properties.get("isArchived")]
        if not current:
            return None
        # Those who use the answer follow the label, not the version that it has today.
        container = current[-1].id.rpartition("/versions/")[0]
        return replace(current[-1], document={**current[-1].document, "id": f"{container}/labels/default"})

    def _kind(self, request: Request, path: ResourcePath) -> Kind:
        kind = find_kind(path.kind)
        if kind is None or (path.pairs and path.scope.kind not in kind.scopes):
            raise unknown_route(request)
        return kind

    def _present(self, resource: Resource) -> dict[str, Any]:
        """The document to answer."""
        return shown(self._behaviours, resource)


def _check_names(kind: Kind, path: ResourcePath) -> None:
    """Raise BadRequest when the name of the resource or of its parent breaks its pattern."""
    kind.check_name(path.name)
    if len(path.pairs) > 1:
        kind_of(path.parent.kind).check_name(path.parent.name)


async def _document(request: Request) -> dict[str, Any]:
    """The body of a PUT or PATCH. Raises BadRequest when a property that must be an object is not one."""
    body = await json_body(request)
    if body.get("properties", {}) is None:
        raise BadRequest("'properties' must be an object.", code="UserError", target="properties")
    check_shapes(body)
    check_tags(body.get("tags") or {})
    return body
