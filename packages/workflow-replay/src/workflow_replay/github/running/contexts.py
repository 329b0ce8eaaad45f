"""The contexts that expressions see, and the variables that every step of GitHub's runner finds."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from workflow_replay.github.expressions.values import Value, normal
from workflow_replay.github.running.session import Session

_SERVER: Final = "https://github.com"
_API: Final = "https://api.github.com"
_GRAPHQL: Final = "https://api.github.com/graphql"
_ARCHITECTURES: Final = {"x86_64": "X64", "amd64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}
# What the runner hands to steps as GITHUB_<NAME>.
_AS_VARIABLES: Final = (
    "action", "action_path", "action_ref", "action_repository", "actor", "actor_id", "api_url", "base_ref",
    "event_name", "event_path", "graphql_url", "head_ref", "job", "ref", "ref_name", "ref_protected", "ref_type",
    "repository", "repository_id", "repository_owner", "repository_owner_id", "retention_days", "run_attempt", "run_id",
    "run_number", "server_url", "sha", "triggering_actor", "workflow", "workflow_ref", "workflow_sha", "workspace",
)  # fmt: skip


def github_context(session: Session) -> dict[str, Value]:
    """What `github` is for the whole run."""
    situation, around = session.situation, session.surroundings
    repository = f"{around.owner}/{around.name}"
    facts: dict[str, Any] = {
        "actor": situation.actor,
        "actor_id": "1",
        "triggering_actor": situation.actor,
        "api_url": _API,
        "graphql_url": _GRAPHQL,
        "server_url": _SERVER,
        "base_ref": situation.base_ref,
        "head_ref": situation.head_ref,
        "event": dict(situation.payload),
        "event_name": situation.name,
        "ref": situation.ref,
        "ref_name": situation.ref_name,
        "ref_protected": False,
        "ref_type": "tag" if situation.is_tag else "branch",
        "sha": situation.commit,
        "repository": repository,
        "repository_id": "1",
        "repository_owner": around.owner,
        "repository_owner_id": "1",
        "repositoryUrl": f"git://github.com/{repository}.git",
        "retention_days": "90",
        "run_attempt": "1",
        "run_id": session.run_id,
        "run_number": "1",
        "secret_source": "None" if situation.from_fork else "Actions",
        "workflow": session.workflow.name,
        "workflow_ref": f"{repository}/{session.workflow.file}@{situation.ref}",
        "workflow_sha": situation.commit,
    }
    return {name: normal(value) for name, value in facts.items()}


def job_variables(github: Mapping[str, Value], runner: Mapping[str, Value]) -> dict[str, str]:
    """The variables of the runner that stand above all that a workflow sets."""
    variables = {"CI": "true", "GITHUB_ACTIONS": "true"}
    for name in _AS_VARIABLES:
        value = github.get(name)
        if value is not None:
            variables[f"GITHUB_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
    for name, value in runner.items():
        if value:
            variables[f"RUNNER_{name.upper()}"] = str(value)
    return variables


def runner_context(labels: str, temporary: Path, tools: Path, workspace: Path) -> dict[str, Value]:
    """What `runner` is for a job that wants a machine with these labels; it runs here whatever they say."""
    system = "Windows" if "windows" in labels else ("macOS" if "macos" in labels else "Linux")
    return {
        "name": "GitHub Actions 1",
        "os": system,
        "arch": _ARCHITECTURES.get(platform.machine().lower(), "X64"),
        "temp": str(temporary),
        "tool_cache": str(tools),
        "workspace": str(workspace.parent),
        "environment": "github-hosted",
        "debug": "",
    }


def write_event(session: Session, file: Path) -> None:
    """Write the payload where GITHUB_EVENT_PATH leads."""
    file.write_text(json.dumps(session.situation.payload, indent=2), encoding="utf-8")
