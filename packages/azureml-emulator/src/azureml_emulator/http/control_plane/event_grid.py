"""Event Grid's routes: subscriptions to workspaces and topics, topics, and the addresses where topics take events."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.events.cloud_event import read_events
from azureml_emulator.events.delivery import REQUEST, Deliveries
from azureml_emulator.events.topics import PROVIDER, PUBLISHING_PREFIX, Topics
from azureml_emulator.http.auth import check_bearer
from azureml_emulator.http.requests import json_body, json_value, unknown_route
from azureml_emulator.kernel.errors import Unauthorized
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Store
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.security.tokens import Tokens

_AUDIENCE = "https://eventgrid.azure.net"
_CREATED = 201


class EventGrid:
    """Serves what is Event Grid's."""

    def __init__(
        self, store: Store, topics: Topics, deliveries: Deliveries, scopes: Scopes, tokens: Tokens, *, strict: bool
    ) -> None:
        self._store = store
        self._topics = topics
        self._deliveries = deliveries
        self._scopes = scopes
        self._tokens = tokens
        self._strict = strict

    def routes(self) -> list[Route]:
        """The routes, which must come before the generic one of the control plane."""
        below = f"/subscriptions/{{above:path}}/providers/{PROVIDER}/eventSubscriptions"
        topic = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/topics/{{name}}"
        changing = ["GET", "PUT", "DELETE"]
        return [
            Route("/_emulator/control/events", self.waiting),
            Route(below, self.list_subscriptions),
            Route(f"{below}/{{name}}", self.subscription, methods=changing),
            Route(f"{below}/{{name}}/getFullUrl", self.full_url, methods=["POST"]),
            Route(topic, self.topic, methods=changing),
            Route(f"{PUBLISHING_PREFIX}{{guid}}/api/events", self.publish, methods=["POST"]),
        ]

    async def waiting(self, _: Request) -> Response:
        """What is on its way, for tests."""
        return JSONResponse({"value": list(self._deliveries.waiting().values())})

    async def list_subscriptions(self, request: Request) -> Response:
        """All subscriptions to a workspace or topic."""
        found = self._topics.subscriptions(self._above(request))
        return JSONResponse({"value": [resource.document for resource in found]})

    async def subscription(self, request: Request) -> Response:
        """Read, make or delete one."""
        above, name = self._above(request), request.path_params["name"]
        if request.method == "PUT":
            resource = await self._topics.put_subscription(above, name, await json_body(request))
            return JSONResponse(resource.document, _CREATED)
        if request.method == "DELETE":
            self._topics.delete(f"{above}/providers/{PROVIDER}/eventSubscriptions/{name}")
            return Response(status_code=200)
        return JSONResponse(self._topics.subscription(above, name).document)

    async def full_url(self, request: Request) -> Response:
        """A subscription's address with its query."""
        resource = self._topics.subscription(self._above(request), request.path_params["name"])
        return JSONResponse({"endpointUrl": resource.internal[REQUEST]["destination"]["properties"]["endpointUrl"]})

    async def topic(self, request: Request) -> Response:
        """Read, make or delete a topic; one that is read comes into being, unless strict."""
        identifier = request.url.path
        if request.method == "DELETE":
            self._topics.delete(identifier)
            return Response(status_code=204)
        if request.method == "PUT":
            made = self._topics.put_topic(identifier, await json_body(request))
            return JSONResponse(self._topics.present_topic(made), _CREATED)
        return JSONResponse(self._topics.present_topic(self._find_topic(identifier)))

    async def publish(self, request: Request) -> Response:
        """Take events of others: all of a request, or none."""
        claims = check_bearer(request.headers.get("authorization", ""), self._tokens)
        if not str(claims["aud"]).startswith(_AUDIENCE):
            raise Unauthorized(f"The token is for '{claims['aud']}': a topic takes tokens for {_AUDIENCE}.")
        topic = self._topics.topic_at(request.path_params["guid"])
        events = read_events(await json_value(request))
        with self._store.transaction():
            for event in events:
                self._deliveries.publish(topic.key, event)
        return Response(status_code=200)

    def _find_topic(self, identifier: str) -> Any:
        if not self._strict and self._store.get(identifier) is None:
            return self._topics.put_topic(identifier, {})
        return self._topics.topic(identifier)

    def _above(self, request: Request) -> str:
        """The id of the workspace or topic that a path is below, which must be there."""
        identifier = f"/subscriptions/{request.path_params['above']}"
        if f"/providers/{PROVIDER}/topics/".lower() in identifier.lower():
            return str(self._find_topic(identifier).id)
        path = parse_resource_path(identifier)
        if path.pairs or path.tail or path.scope.kind != "workspaces":
            raise unknown_route(request)
        self._scopes.require(path.scope)
        return path.scope.id
