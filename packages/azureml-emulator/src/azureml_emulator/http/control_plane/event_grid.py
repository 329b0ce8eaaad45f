"""Event Grid's routes: topics, subscriptions to topics and workspaces, and the addresses that accept events."""

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
    """Serves the routes of Event Grid."""

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
        """The routes; they must precede the generic route of the control plane."""
        below = f"/subscriptions/{{source:path}}/providers/{PROVIDER}/eventSubscriptions"
        topic = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/topics/{{name}}"
        changing = ["GET", "PUT", "DELETE"]
        return [
            Route("/_emulator/control/events", self.pending),
            Route(below, self.list_subscriptions),
            Route(f"{below}/{{name}}", self.subscription, methods=changing),
            Route(f"{below}/{{name}}/getFullUrl", self.full_url, methods=["POST"]),
            Route(topic, self.topic, methods=changing),
            Route(f"{PUBLISHING_PREFIX}{{guid}}/api/events", self.publish, methods=["POST"]),
        ]

    async def pending(self, _: Request) -> Response:
        """Pending deliveries, for tests."""
        return JSONResponse({"value": list(self._deliveries.pending().values())})

    async def list_subscriptions(self, request: Request) -> Response:
        """All subscriptions to a workspace or topic."""
        found = self._topics.subscriptions(self._source(request))
        return JSONResponse({"value": [resource.document for resource in found]})

    async def subscription(self, request: Request) -> Response:
        """Read, create or delete a subscription."""
        source, name = self._source(request), request.path_params["name"]
        if request.method == "PUT":
            resource = await self._topics.put_subscription(source, name, await json_body(request))
            return JSONResponse(resource.document, _CREATED)
        if request.method == "DELETE":
            self._topics.delete(f"{source}/providers/{PROVIDER}/eventSubscriptions/{name}")
            return Response(status_code=200)
        return JSONResponse(self._topics.subscription(source, name).document)

    async def full_url(self, request: Request) -> Response:
        """The address of a subscription including its query string."""
        resource = self._topics.subscription(self._source(request), request.path_params["name"])
        return JSONResponse({"endpointUrl": resource.internal[REQUEST]["destination"]["properties"]["endpointUrl"]})

    async def topic(self, request: Request) -> Response:
        """Read, create or delete a topic. Unless strict, reading creates it."""
        identifier = request.url.path
        if request.method == "DELETE":
            self._topics.delete(identifier)
            return Response(status_code=204)
        if request.method == "PUT":
            made = self._topics.put_topic(identifier, await json_body(request))
            return JSONResponse(self._topics.present_topic(made), _CREATED)
        return JSONResponse(self._topics.present_topic(self._find_topic(identifier)))

    async def publish(self, request: Request) -> Response:
        """Accept events from a publisher: all events of the request, or none."""
        claims = check_bearer(request.headers.get("authorization", ""), self._tokens)
        if not str(claims["aud"]).startswith(_AUDIENCE):
            raise Unauthorized(f"The token is for '{claims['aud']}'; a topic requires tokens for {_AUDIENCE}.")
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

    def _source(self, request: Request) -> str:
        """The id of the workspace or topic in a path. Raises NotFound when it does not exist."""
        identifier = f"/subscriptions/{request.path_params['source']}"
        if f"/providers/{PROVIDER}/topics/".lower() in identifier.lower():
            return str(self._find_topic(identifier).id)
        path = parse_resource_path(identifier)
        if path.pairs or path.tail or path.scope.kind != "workspaces":
            raise unknown_route(request)
        self._scopes.require(path.scope)
        return path.scope.id
