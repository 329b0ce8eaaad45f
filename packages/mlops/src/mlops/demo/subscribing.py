"""A stage's Event Grid topic and who subscribes to it, made as infrastructure would: by Azure's management API."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from mlops.audit.announcement import DRIFT_FOUND, topic_id
from mlops.azure.workspace import connect_management
from mlops.settings.project import Stage

_API_VERSION: Final = "2022-06-15"
_SUBSCRIPTION: Final = "retraining"
_SCHEMA: Final = "CloudEventSchemaV1_0"


@contextmanager
def subscribed(stage: Stage, address: str) -> Generator[None]:
    """Have the drift that the stage's topic is told of sent to an address, for a while."""
    client, topic = connect_management(), topic_id(stage)
    subscription = f"{topic}/providers/Microsoft.EventGrid/eventSubscriptions/{_SUBSCRIPTION}"
    _send(client, "PUT", topic, {"location": stage.location, "properties": {"inputSchema": _SCHEMA}})
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": address}}
    wanted = {
        "destination": webhook,
        "eventDeliverySchema": _SCHEMA,
        "filter": {"includedEventTypes": [DRIFT_FOUND]},
    }
    _send(client, "PUT", subscription, {"properties": wanted})
    try:
        yield
    finally:
        # Nobody listens there any more: what comes later must not wait for somebody.
        _send(client, "DELETE", subscription)


def _send(client: ARMPipelineClient, verb: str, place: str, body: dict[str, Any] | None = None) -> None:
    request = HttpRequest(verb, client.format_url(place), params={"api-version": _API_VERSION}, json=body)
    client.send_request(request).raise_for_status()
