"""The state of a deployment's server as properties of its document: why it failed, or why it is down. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from azureml_emulator.serving.servers.fleet import Deployment

# A failed deployment's document has no field for the error, so this property has it.
FAILURE_PROPERTY = "azureml.failureReason"
# The same for a server that is down: provisioning succeeded, so the provisioning state cannot tell.
HEALTH_PROPERTY = "azureml.health"
HEALTH_REASON_PROPERTY = "azureml.healthReason"
STATE_PROPERTIES = frozenset({FAILURE_PROPERTY, HEALTH_PROPERTY, HEALTH_REASON_PROPERTY})


def with_server_state(document: dict[str, Any], failure: str | None, serving: Deployment | None) -> dict[str, Any]:
    """The document of a deployment with the state of its server; unchanged when the server is healthy."""
    state = {FAILURE_PROPERTY: failure} if failure else {}
    if serving is not None and serving.unhealthy_reason is not None:
        state |= {HEALTH_PROPERTY: serving.health, HEALTH_REASON_PROPERTY: serving.unhealthy_reason}
    if not state:
        return document
    properties = document["properties"]
    return {**document, "properties": {**properties, "properties": {**(properties.get("properties") or {}), **state}}}
