"""A whole stack as one ARM template, for tools that read templates."""

from __future__ import annotations

from typing import Any

from dry_run.result import DryRun
from tests.arm.export import arm_resource

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template_of(run: DryRun) -> dict[str, Any]:
    """The template; names of child resources are whole paths, as ARM requires."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_named(arm_resource(record)) for record in run.resources if record.azure],
    }


def _named(resource: dict[str, Any]) -> dict[str, Any]:
    path = resource.pop("id").rsplit("/providers/", maxsplit=1)[-1].split("/")
    return resource | {"name": "/".join(path[2::2]) or resource["name"]}
