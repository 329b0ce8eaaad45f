"""Permissions of a job's token: read from the file, with defaults, restricted for forks and called workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from workflow_replay.common.yaml_document import Mapping as Document
from workflow_replay.errors import WorkflowError
from workflow_replay.github.definition.fields import Fields

SCOPES: Final = (
    "actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token",
    "issues", "models", "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
)  # fmt: skip
_LEVELS: Final = ("none", "read", "write")
_ALL: Final = {"read-all": "read", "write-all": "write"}
# What GitHub grants if neither the workflow nor the job has `permissions`, by the repository's setting.
_DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "read": {"contents": "read", "packages": "read"},
    "write": {scope: "write" for scope in SCOPES if scope != "id-token"},
}


def read_permissions(owner: Fields) -> Mapping[str, str] | None:
    """The `permissions` of a workflow or job with a level for every scope; None if the key is missing."""
    if "permissions" not in owner:
        return None
    value: Any = owner.value("permissions")
    if isinstance(value, str):
        if value not in _ALL:
            raise owner.error("permissions", f"{value!r} is neither read-all nor write-all")
        return {scope: _level_for_all(scope, _ALL[value]) for scope in SCOPES}
    if not isinstance(value, Document):
        raise owner.error("permissions", "must be a mapping of scopes; write {} for none")
    for scope, level, line in value.items_with_lines():
        if scope not in SCOPES:
            raise WorkflowError(owner.file, line, f"{owner.where}: unknown permission {scope!r}")
        if level not in _LEVELS or (scope == "id-token" and level == "read"):
            raise WorkflowError(owner.file, line, f"{owner.where}: {scope} cannot be {level!r}")
    return {scope: str(value.get(scope, "none")) for scope in SCOPES}


def granted(
    job: Mapping[str, str] | None, workflow: Mapping[str, str] | None, defaults: Mapping[str, str]
) -> dict[str, str]:
    """What a job is granted: its own permissions, else the workflow's, else the defaults."""
    declared = job if job is not None else workflow
    chosen = declared if declared is not None else defaults
    return {scope: chosen.get(scope, "none") for scope in SCOPES}


def default(setting: str) -> Mapping[str, str]:
    """The default permissions by the repository's setting, "read" or "write"."""
    return _DEFAULTS[setting]


def for_fork(scopes: Mapping[str, str]) -> dict[str, str]:
    """The same, read-only, for a pull request from a fork."""
    return {
        scope: "none" if scope == "id-token" else ("read" if level == "write" else level)
        for scope, level in scopes.items()
    }


def excess(requested: Mapping[str, str], allowed: Mapping[str, str]) -> str | None:
    """The first scope requested beyond what is allowed, as part of an error message; None if there is none."""
    for scope, level in requested.items():
        maximum = allowed.get(scope, "none")
        if _LEVELS.index(level) > _LEVELS.index(maximum):
            return f"{scope}: {level}, but is only allowed {scope}: {maximum}"
    return None


def _level_for_all(scope: str, level: str) -> str:
    return "none" if scope == "id-token" and level == "read" else level
