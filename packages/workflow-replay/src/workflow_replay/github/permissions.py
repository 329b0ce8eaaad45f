"""What a job's token may do: read from a file, defaulted, cut down for forks and for called workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from workflow_replay.documents import Mapping as Document
from workflow_replay.errors import WorkflowError
from workflow_replay.github.fields import Fields

SCOPES: Final = (
    "actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token",
    "issues", "models", "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
)  # fmt: skip
_LEVELS: Final = ("none", "read", "write")
_ALL: Final = {"read-all": "read", "write-all": "write"}
# What the service grants when neither file nor job says anything, by the repository's setting.
_DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "read": {"contents": "read", "packages": "read"},
    "write": {scope: "write" for scope in SCOPES if scope != "id-token"},
}


def read_permissions(owner: Fields) -> Mapping[str, str] | None:
    """The `permissions` of a workflow or a job, every scope with its level; None when it says nothing."""
    if "permissions" not in owner:
        return None
    value: Any = owner.value("permissions")
    if isinstance(value, str):
        if value not in _ALL:
            raise owner.wrong("permissions", f"{value!r} is neither read-all nor write-all")
        return {scope: _level_of_all(scope, _ALL[value]) for scope in SCOPES}
    if not isinstance(value, Document):
        raise owner.wrong("permissions", "needs scopes; for none write {}")
    for scope, level, line in value.lined():
        if scope not in SCOPES:
            raise WorkflowError(owner.file, line, f"{owner.where}: there is no permission {scope!r}")
        if level not in _LEVELS or (scope == "id-token" and level == "read"):
            raise WorkflowError(owner.file, line, f"{owner.where}: {scope} cannot be {level!r}")
    return {scope: str(value.get(scope, "none")) for scope in SCOPES}


def granted(
    job: Mapping[str, str] | None, workflow: Mapping[str, str] | None, otherwise: Mapping[str, str]
) -> dict[str, str]:
    """What a job gets: its own, else the workflow's, else what there is when nobody says."""
    said = job if job is not None else workflow
    chosen = said if said is not None else otherwise
    return {scope: chosen.get(scope, "none") for scope in SCOPES}


def default(setting: str) -> Mapping[str, str]:
    """What the repository's setting, "read" or "write", gives to jobs when nobody says."""
    return _DEFAULTS[setting]


def for_fork(scopes: Mapping[str, str]) -> dict[str, str]:
    """What is left of it for a pull request from a fork: reading."""
    return {
        scope: "none" if scope == "id-token" else ("read" if level == "write" else level)
        for scope, level in scopes.items()
    }


def excess(wanted: Mapping[str, str], allowed: Mapping[str, str]) -> str | None:
    """The first scope that is wanted beyond what is allowed, for people; None when there is none."""
    for scope, level in wanted.items():
        most = allowed.get(scope, "none")
        if _LEVELS.index(level) > _LEVELS.index(most):
            return f"{scope}: {level}, but is only allowed {scope}: {most}"
    return None


def _level_of_all(scope: str, level: str) -> str:
    return "none" if scope == "id-token" and level == "read" else level
