"""From a stack's configuration to settings: reads all keys, refuses unknown ones, names every problem at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from settings.ci import CiSettings
from settings.repository import RepositorySettings
from settings.shared import SharedSettings
from settings.stage import StageSettings

NAMESPACE = "infra"
PROVIDER = "azure-native"
PROVIDER_KEYS = {"subscriptionId": "subscription_id", "tenantId": "tenant_id", "location": "location"}
KINDS: dict[str, type[BaseModel]] = {
    "stage": StageSettings,
    "shared": SharedSettings,
    "ci": CiSettings,
    "repository": RepositorySettings,
}
Settings = StageSettings | SharedSettings | CiSettings | RepositorySettings


class SettingsError(Exception):
    """The configuration of a stack is wrong; the message names every key and what to do."""


def read_settings(stack: str, config: Mapping[str, str]) -> Settings:
    """The settings of a stack from its flat configuration (`namespace:key` → text, objects as JSON).

    Raises SettingsError.
    """
    document = _document(config)
    kind = document.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = ", ".join(KINDS)
        raise SettingsError(f"Pulumi.{stack}.yaml: {NAMESPACE}:kind is {kind!r}; give one of: {known}")
    if kind != "repository":
        document["azure"] = _provider(config)
    try:
        settings = model.model_validate(document)
    except ValidationError as error:
        lines = [f"  {_sentence(detail)}" for detail in error.errors()]
        raise SettingsError(f"Pulumi.{stack}.yaml does not fit:\n" + "\n".join(lines)) from error
    if not isinstance(settings, Settings):
        raise TypeError(f"{type(settings)} is no settings object")
    if isinstance(settings, StageSettings) and settings.stage != stack:
        raise SettingsError(f"Pulumi.{stack}.yaml: {NAMESPACE}:stage is {settings.stage}; the stack is called {stack}")
    return settings


def _document(config: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): _value(text) for key, text in config.items() if key.startswith(prefix)}


def _value(text: str) -> Any:  # JSON: whatever the file holds; the models decide
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _provider(config: Mapping[str, str]) -> dict[str, str]:
    values = {field: config.get(f"{PROVIDER}:{key}") for key, field in PROVIDER_KEYS.items()}
    return {field: value for field, value in values.items() if value is not None}


def _sentence(detail: ErrorDetails) -> str:
    path = [str(part) for part in detail["loc"]]
    if path[:1] == ["azure"] and len(path) > 1:
        names = {field: key for key, field in PROVIDER_KEYS.items()}
        key = f"{PROVIDER}:{names[path[1]]}"
    else:
        key = f"{NAMESPACE}:{'.'.join(path)}" if path else "the settings"
    match detail["type"]:
        case "missing":
            return f"{key} is missing; add it"
        case "extra_forbidden":
            return f"{key} is no known key; correct its spelling or remove it"
        case _:
            return f"{key}: {detail['msg'].removeprefix('Value error, ')}"
