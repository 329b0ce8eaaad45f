"""From a stack's configuration to settings: reads every key, refuses unknown ones, names every problem at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from settings.ci import CiSettings
from settings.project import ROOT, has_shared_images, read_namings, read_protection, read_stages
from settings.repository import RepositorySettings
from settings.shared import SharedSettings
from settings.stack_checks import ci_problems, repository_problems, shared_problems
from settings.stage import StageSettings
from settings.stage_checks import stage_problems

NAMESPACE = "infra"
PROVIDER = "azure-native"
PROVIDER_KEYS = {"subscriptionId": "subscription_id", "tenantId": "tenant_id", "location": "location"}
Settings = StageSettings | SharedSettings | CiSettings | RepositorySettings
KINDS: dict[str, type[Settings]] = {
    "stage": StageSettings,
    "shared": SharedSettings,
    "ci": CiSettings,
    "repository": RepositorySettings,
}
# Filled in here, from the stack's name, the clock, the provider's keys and the repository's files.
FILLED_IN = ("stage", "today", "azure", "project_stages", "stack_namings", "shared_images", "protection")
_IN_PROTECTION = "is read from releases/protection.yml now; remove it here"
# Keys of earlier formats, and what to do about them.
FORMER_KEYS = {
    "stage": "is the stack's name now; remove it, and set infra:profile to development, preproduction or production",
    **{
        f"github.{key}": _IN_PROTECTION
        for key in ("default_branch", "required_checks", "approvals", "environments", "allowed_actions")
    },
    **{
        f"{cluster}.low_priority": f"is called infra:{cluster}.spot now; rename it"
        for cluster in ("cpu_cluster", "gpu_cluster")
    },
    "budget.start": "is the first day of the month in which the budget is made; remove it",
    "kubernetes.watched": "is called infra:kubernetes.prometheus now; rename it",
    **{f"azure_devops.{key}": _IN_PROTECTION for key in ("default_branch", "approvals")},
}


class SettingsError(Exception):
    """The configuration of a stack is wrong; the message names every key and what to do."""


def read_settings(stack: str, config: Mapping[str, str], root: Path = ROOT, today: date | None = None) -> Settings:
    """The settings of a stack from its flat configuration (`namespace:key` → text, objects as JSON).

    `root` is the repository whose project.yml and releases/protection.yml count; `today` is the date in UTC, by default
    the clock's. Raises SettingsError.
    """
    document = _document(config)
    kind = document.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = ", ".join(KINDS)
        raise SettingsError(f"Pulumi.{stack}.yaml: {NAMESPACE}:kind is {kind!r}; set one of: {known}")
    wrong = [
        _sentence((key,), "extra_forbidden", "") for key in FILLED_IN if key in document and key in model.model_fields
    ]
    try:
        settings = model.model_validate(document | _filled_in(stack, model, config, root, today))
    except ValidationError as error:
        raise _refusal(stack, [*wrong, *map(_detail, error.errors())]) from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
    problems = [*wrong, *(f"{NAMESPACE}:{problem}" for problem in _problems(settings))]
    if problems:
        raise _refusal(stack, problems)
    return settings


def _document(config: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): _value(text) for key, text in config.items() if key.startswith(prefix)}


def _value(text: str) -> Any:  # JSON: anything that the file holds; the models decide
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _filled_in(
    stack: str, model: type[Settings], config: Mapping[str, str], root: Path, today: date | None
) -> dict[str, Any]:
    fields = model.model_fields
    filled: dict[str, Any] = {}
    if "stage" in fields:
        filled["stage"] = stack
    if "today" in fields:
        filled["today"] = today or datetime.now(UTC).date()
    if "azure" in fields:
        values = {field: config.get(f"{PROVIDER}:{key}") for key, field in PROVIDER_KEYS.items()}
        filled["azure"] = {field: value for field, value in values.items() if value is not None}
    if "project_stages" in fields:
        filled["project_stages"] = read_stages(root)
    if "stack_namings" in fields:
        filled["stack_namings"] = read_namings(root)
    if "shared_images" in fields:
        filled["shared_images"] = has_shared_images(root)
    if "protection" in fields:
        filled["protection"] = read_protection(root)
    return filled


def _problems(settings: Settings) -> Iterable[str]:
    match settings:
        case StageSettings():
            return stage_problems(settings)
        case SharedSettings():
            return shared_problems(settings)
        case CiSettings():
            return ci_problems(settings)
        case RepositorySettings():
            return repository_problems(settings)


def _refusal(stack: str, problems: Iterable[str]) -> SettingsError:
    return SettingsError(f"Pulumi.{stack}.yaml is not valid:\n" + "\n".join(f"  {problem}" for problem in problems))


def _detail(detail: ErrorDetails) -> str:
    return _sentence(detail["loc"], detail["type"], detail["msg"].removeprefix("Value error, "))


def _sentence(location: tuple[int | str, ...], type_: str, message: str) -> str:
    path = [str(part) for part in location]
    if path[:1] == ["protection"]:
        return f"releases/protection.yml: {'.'.join(path[1:])}: {message}"
    key = f"{NAMESPACE}:{'.'.join(path)}"
    if path[:1] == ["azure"] and len(path) > 1:
        names = {field: key for key, field in PROVIDER_KEYS.items()}
        key = f"{PROVIDER}:{names[path[1]]}"
    match type_:
        case "missing" if path == ["format"]:
            return f"{key} is missing; add `{key}: 1`"
        case "missing":
            return f"{key} is missing; add it"
        case "extra_forbidden":
            return f"{key} {FORMER_KEYS.get('.'.join(path), 'is an unknown key; correct its spelling or remove it')}"
        case _:
            return f"{key}: {message}"
