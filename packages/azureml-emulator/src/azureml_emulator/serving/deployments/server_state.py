"""How a deployment is, as properties of its document: what failed, and what is down although it was made. Pure."""

from __future__ import annotations

from typing import Any

from azureml_emulator.serving.servers.fleet import Deployment

# A failed deployment's document cannot carry its error; this property names it to whoever reads the resource.
FAILURE_PROPERTY = "azureml.failureReason"
# The same of one whose server is down at the moment: its provisioning succeeded, so no state can say it.
HEALTH_PROPERTY = "azureml.health"
TROUBLE_PROPERTY = "azureml.trouble"
CONDITION_PROPERTIES = frozenset({FAILURE_PROPERTY, HEALTH_PROPERTY, TROUBLE_PROPERTY})


def with_condition(document: dict[str, Any], failure: str | None, serving: Deployment | None) -> dict[str, Any]:
    """A deployment's document with its condition among its properties; as it is when nothing is wrong."""
    told = {FAILURE_PROPERTY: failure} if failure else {}
    if serving is not None and serving.trouble is not None:
        told |= {HEALTH_PROPERTY: serving.health, TROUBLE_PROPERTY: serving.trouble}
    if not told:
        return document
    properties = document["properties"]
    return {**document, "properties": {**properties, "properties": {**(properties.get("properties") or {}), **told}}}
