"""Custom topics, to which programs publish their own events, and subscriptions to topics and workspaces."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final
from urllib.parse import urlsplit

from azureml_emulator.events.delivery import REQUEST, SUBSCRIPTION_KIND
from azureml_emulator.events.subscription import read_subscription
from azureml_emulator.events.webhook import Webhooks
from azureml_emulator.kernel.errors import BadRequest, NotFound
from azureml_emulator.kernel.store import Resource, Store

PROVIDER: Final = "Microsoft.EventGrid"
TOPIC_KIND: Final = "eventgrid topics"
PUBLISHING_PREFIX: Final = "/eventgrid/"
_NAME: Final = re.compile(r"[a-zA-Z0-9-]{3,64}")
_TOPIC_NAME: Final = re.compile(r"[a-zA-Z0-9-]{3,50}")
_NAMESPACE: Final = uuid.UUID("b0c9a1e4-59f3-4a0a-8a42-6f7d7a3f1c55")


class Topics:
    """The stored topics and subscriptions."""

    def __init__(self, store: Store, webhooks: Webhooks, location: str, base_url: str) -> None:
        self._store = store
        self._webhooks = webhooks
        self._location = location
        self._base_url = base_url

    def put_topic(self, identifier: str, body: dict[str, Any]) -> Resource:
        """Create a topic, or change its tags. Raises BadRequest for a bad name."""
        name = identifier.rpartition("/")[2]
        if not _TOPIC_NAME.fullmatch(name):
            raise BadRequest(f"'{name}' is not a valid topic name: 3 to 50 letters, digits and '-'.", target="name")
        document = {
            "id": identifier,
            "name": name,
            "type": f"{PROVIDER}/topics",
            "location": body.get("location") or self._location,
            "tags": body.get("tags") or {},
            "properties": {"provisioningState": "Succeeded", "inputSchema": "CloudEventSchemaV1_0"},
        }
        guid = str(uuid.uuid5(_NAMESPACE, identifier.lower()))
        return self._store.put(Resource(identifier.lower(), TOPIC_KIND, "", document, {"guid": guid}))

    def topic(self, identifier: str) -> Resource:
        """A topic. Raises NotFound."""
        found = self._store.get(identifier)
        if found is None:
            raise NotFound(f"The topic {identifier} does not exist.", code="ResourceNotFound")
        return found

    def topic_at(self, guid: str) -> Resource:
        """The topic with this publishing address. Raises NotFound."""
        for resource in self._store.of_kind(TOPIC_KIND):
            if resource.internal["guid"] == guid:
                return resource
        raise NotFound("No topic has this address.", code="ResourceNotFound")

    def present_topic(self, topic: Resource) -> dict[str, Any]:
        """The document, with the current address for publishing."""
        endpoint = f"{self._base_url}{PUBLISHING_PREFIX}{topic.internal['guid']}/api/events"
        return {**topic.document, "properties": {**topic.properties, "endpoint": endpoint}}

    async def put_subscription(self, source: str, name: str, body: dict[str, Any]) -> Resource:
        """Subscribe an address to a topic or workspace after its validation. Raises BadRequest or NotModelled."""
        if not _NAME.fullmatch(name):
            raise BadRequest(
                f"'{name}' is not a valid subscription name: 3 to 64 letters, digits and '-'.", target="name"
            )
        request = body.get("properties") or {}
        await self._webhooks.validate(read_subscription(name, request).url)
        document = {
            "id": f"{source}/providers/{PROVIDER}/eventSubscriptions/{name}",
            "name": name,
            "type": f"{PROVIDER}/eventSubscriptions",
            "properties": _shown(source, request),
        }
        key = str(document["id"]).lower()
        return self._store.put(Resource(key, SUBSCRIPTION_KIND, source.lower(), document, {REQUEST: request}))

    def subscription(self, source: str, name: str) -> Resource:
        """A subscription. Raises NotFound."""
        found = self._store.get(f"{source}/providers/{PROVIDER}/eventSubscriptions/{name}")
        if found is None:
            raise NotFound(f"{source} has no event subscription '{name}'.", code="ResourceNotFound")
        return found

    def subscriptions(self, source: str) -> list[Resource]:
        """All subscriptions to a topic or workspace, oldest first."""
        return self._store.children(source, SUBSCRIPTION_KIND)

    def delete(self, identifier: str) -> None:
        """Delete a topic with its subscriptions, or a subscription; no error when it does not exist."""
        self._store.delete(identifier)


def _shown(source: str, request: dict[str, Any]) -> dict[str, Any]:
    """The properties that a GET shows: the address without its query string, which may contain a secret."""
    url = request["destination"]["properties"]["endpointUrl"]
    base = urlsplit(url)._replace(query="", fragment="").geturl()
    destination = {"endpointType": "WebHook", "properties": {"endpointBaseUrl": base, "endpointUrl": None}}
    retries = {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440, **(request.get("retryPolicy") or {})}
    return {
        **request,
        "topic": source,
        "provisioningState": "Succeeded",
        "destination": destination,
        "retryPolicy": retries,
    }
