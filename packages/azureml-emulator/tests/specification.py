"""Checks recorded exchanges with the control plane against Microsoft's schemas of their api-version.

The schemas describe requests (Azure Resource Manager's templates); replies have the same properties and
read-only ones in addition, which are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

PROVIDER = "Microsoft.MachineLearningServices"
COMMON = "https://schema.management.azure.com/schemas/common/definitions.json"
BEGINNING = 400


@dataclass(frozen=True)
class Known:
    """A deviation that is correct: the resource, a part of the message, and the reason."""

    resource: str
    message: str
    reason: str


KNOWN = (
    Known(
        "models_versions",
        "flavors",
        "The schema drops the level `data` of a flavor; the service answers it and the SDK reads it.",
    ),
    Known(
        "codes_versions",
        "hash_version: 202208 is not of type 'string'",
        "The SDK sends its own number here, and the service answers what was sent.",
    ),
    Known(
        "workspaces_jobs",
        "body: 'properties' is a required property",
        "The service answers a step of a pipeline without properties: the SDK then asks for its run.",
    ),
    Known(
        "workspaces_jobs",
        "exitScore: ",
        "The schema has a whole number for the score of AutoML to stop at; every metric is a fraction.",
    ),
    Known(
        "datastores",
        "'secrets' is a required property",
        "A reply never shows secrets; a template has to give them.",
    ),
    Known(
        "onlineEndpoints_deployments",
        "dataCollectionMode: 'enabled' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "onlineEndpoints",
        "etworkAccess: 'enabled' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "onlineEndpoints_deployments",
        "rollingRate: 'hour' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "batchEndpoints",
        "authMode: 'aadToken' is not one of",
        "The SDK sends it with a small letter; the service answers AADToken.",
    ),
    Known(
        "batchEndpoints_deployments",
        "loggingLevel: 'info' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "workspaces_jobs",
        "objective/goal: 'm",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "workspaces_jobs",
        "samplingAlgorithm/rule: 's",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "workspaces_jobs",
        "earlyTermination/slack",
        "The schema has a whole number for a slack; the SDK sends and reads a fraction.",
    ),
    Known(
        "schedules",
        "frequency: 'day' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "schedules",
        "frequency: 'week' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "schedules",
        "weekDays/0: 'monday' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "schedules",
        "weekDays/1: 'friday' is not one of",
        "The SDK sends it in lower case; the service answers it with a capital.",
    ),
    Known(
        "onlineEndpoints_deployments",
        "samplingRate: 1.0 is not of type 'integer'",
        "The schema has a whole number for a rate from 0 to 1; the SDK sends and reads a fraction.",
    ),
)


def deviations(exchanges: list[dict[str, Any]], folder: Path) -> tuple[int, list[str]]:
    """The number of checked bodies, and one line per violation of a schema."""
    checked = 0
    found: dict[str, None] = {}
    for exchange in exchanges:
        for side, resource, body in bodies(exchange):
            schema = resource_schema(folder, exchange["api_version"], resource)
            if schema is None:
                continue
            checked += 1
            for problem in problems(schema, folder, exchange["api_version"], side, body):
                if not any(known.resource in resource and known.message in problem for known in KNOWN):
                    where = f"{exchange['method']} {resource} {exchange['api_version']} {side}"
                    found[f"{where}: {problem}"] = None
    return checked, list(found)


def bodies(exchange: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(which side, the resource's name in the schema, the body) of an exchange that succeeded."""
    parts = resource_parts(exchange["path"])
    if parts is None or not 200 <= exchange["status"] < 300:
        return
    single = len(parts) % 2 == 0
    name = "_".join(parts[::2])
    answer = exchange["response"]
    if single and exchange["method"] in {"GET", "PUT"}:
        if exchange["method"] == "PUT":
            yield "request", name, exchange["request"]
        if isinstance(answer, dict):
            yield "response", name, answer
    elif not single and exchange["method"] == "GET":
        for entry in answer["value"]:
            yield "response", name, entry


def resource_parts(path: str) -> list[str] | None:
    """The types and names below the provider: ["workspaces", "w", "models", "m"]; None for other paths."""
    _, found, rest = path.partition(f"/providers/{PROVIDER}/")
    parts = rest.strip("/").split("/")
    return parts if found and parts[0] in {"workspaces", "registries"} else None


def problems(schema: dict[str, Any], folder: Path, api_version: str, side: str, body: dict[str, Any]) -> list[str]:
    """One line per violation of the schema of a body's resource."""
    properties = {name: part for name, part in schema["properties"].items() if name not in {"apiVersion", "name"}}
    # A template has its api-version and full name in the body, a request has them in its address; the
    # type is read-only there, but must be correct where it is present.
    required = [name for name in schema.get("required", []) if name not in {"apiVersion", "name", "type"}]
    wanted = {"properties": properties, "required": required, "type": "object"}
    root = document(folder, api_version)
    validator = Draft4Validator({**wanted, "definitions": root["definitions"]}, registry=registry(folder))
    return [
        f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:BEGINNING]}"
        for error in _leaves(validator.iter_errors(without_nulls(body)))
        if not _is_template_only(error, side)
    ]


def _leaves(errors: Iterable[Any]) -> Iterator[Any]:
    """The innermost errors: of alternatives, those of the closest one."""
    for error in errors:
        if not error.context:
            yield error
            continue
        alternatives: dict[int, list[Any]] = {}
        for inner in error.context:
            alternatives.setdefault(inner.relative_schema_path[0], []).append(inner)
        yield from _leaves(min(alternatives.values(), key=_distance))


def _distance(errors: list[Any]) -> tuple[bool, int]:
    """How far a body is from an alternative: one of another kind, or a template's expression, is furthest.

    The property with the kind of a body ends in "Type" everywhere in these schemas.
    """
    other = any(error.relative_path and str(error.relative_path[-1]).endswith("Type") for error in errors)
    expression = any(error.validator in {"pattern", "type"} and not error.relative_path for error in errors)
    return other or expression, len(errors)


def _is_template_only(error: Any, side: str) -> bool:
    """Whether an error is one only because the schema describes a template.

    Replies also have read-only properties. And the schema of a base with kinds allows only the properties
    of the base, which would refuse every kind.
    """
    base = "allOf" in list(error.absolute_schema_path)[-3:]
    return error.validator == "additionalProperties" and (side == "response" or base)


def without_nulls(value: Any) -> Any:
    """The service replies with null for unset properties; the schemas do not allow null."""
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_nulls(part) for part in value]
    return value


def resource_schema(folder: Path, api_version: str, name: str) -> dict[str, Any] | None:
    """The schema of a resource, or None for an api-version or resource that has none."""
    root = document(folder, api_version)
    found = {key.lower(): part for key, part in root.get("resourceDefinitions", {}).items()}
    return found.get(name.lower())


@cache
def document(folder: Path, api_version: str) -> dict[str, Any]:
    """The schema file of an api-version; empty when there is none."""
    file = folder / f"{PROVIDER}.{api_version}.json"
    return json.loads(file.read_text()) if file.exists() else {}


@cache
def registry(folder: Path) -> Registry:
    """The definitions outside the schemas that they refer to."""
    common = json.loads((folder / "common.definitions.json").read_text())
    return Registry().with_resource(COMMON, Resource.from_contents(common, default_specification=DRAFT4))
