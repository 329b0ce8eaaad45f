"""A whole stack as one ARM template, for tools that read templates."""

from __future__ import annotations

from typing import Any

from rehearsal.records import Rehearsal
from tests.arm.export import arm_resource

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template_of(rehearsal: Rehearsal) -> dict[str, Any]:
    """The template; names of children are whole paths, as templates have them."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_named(arm_resource(record)) for record in rehearsal.resources if record.azure],
    }


def _named(resource: dict[str, Any]) -> dict[str, Any]:
    path = resource.pop("id").rsplit("/providers/", maxsplit=1)[-1].split("/")
    return resource | {"name": "/".join(path[2::2]) or resource["name"]}
