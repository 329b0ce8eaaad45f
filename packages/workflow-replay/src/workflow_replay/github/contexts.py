"""The contexts `github` and `runner`, and the default environment variables of GitHub's runner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from workflow_replay.common.architecture import architecture
from workflow_replay.github.expressions.values import Value, normal
from workflow_replay.github.service_urls import API_URL, GRAPHQL_URL, repository_url, server_url
from workflow_replay.github.session import Session

# Properties of `github` that steps have as GITHUB_<NAME>.
_EXPORTED: Final = (
    "action", "action_path", "action_ref", "action_repository", "actor", "actor_id", "api_url", "base_ref",
    "event_name", "event_path", "graphql_url", "head_ref", "job", "ref", "ref_name", "ref_protected", "ref_type",
    "repository", "repository_id", "repository_owner", "repository_owner_id", "retention_days", "run_attempt", "run_id",
    "run_number", "server_url", "sha", "triggering_actor", "workflow", "workflow_ref", "workflow_sha", "workspace",
)  # fmt: skip


def github_context(session: Session) -> dict[str, Value]:
    """The context `github` of the run."""
    run_context, host = session.run_context, session.host
    repository = f"{host.owner}/{host.name}"
    facts: dict[str, Any] = {
        "actor": run_context.actor,
        "actor_id": "1",
        "triggering_actor": run_context.actor,
        "api_url": API_URL,
        "graphql_url": GRAPHQL_URL,
        "server_url": server_url(host),
        "base_ref": run_context.base_ref,
        "head_ref": run_context.head_ref,
        "event": dict(run_context.payload),
        "event_name": run_context.name,
        "ref": run_context.ref,
        "ref_name": run_context.ref_name,
        "ref_protected": False,
        "ref_type": "tag" if run_context.is_tag else "branch",
        "sha": run_context.commit,
        "repository": repository,
        "repository_id": "1",
        "repository_owner": host.owner,
        "repository_owner_id": "1",
        "repositoryUrl": f"{repository_url(host)}.git",
        "retention_days": "90",
        "run_attempt": "1",
        "run_id": session.run_id,
        "run_number": "1",
        "secret_source": "None" if run_context.from_fork else "Actions",
        "workflow": session.workflow.name,
        "workflow_ref": f"{repository}/{session.workflow.file}@{run_context.ref}",
        "workflow_sha": run_context.commit,
    }
    return {name: normal(value) for name, value in facts.items()}


def job_variables(github: Mapping[str, Value], runner: Mapping[str, Value]) -> dict[str, str]:
    """The default environment variables; a workflow cannot override them."""
    variables = {"CI": "true", "GITHUB_ACTIONS": "true"}
    for name in _EXPORTED:
        value = github.get(name)
        if value is not None:
            variables[f"GITHUB_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
    for name, value in runner.items():
        if value:
            variables[f"RUNNER_{name.upper()}"] = str(value)
    return variables


def runner_context(labels: str, temporary: Path, tool_cache: Path, workspace: Path) -> dict[str, Value]:
    """The context `runner` of a job with these labels, which only decide about the reported operating system."""
    system = "Windows" if "windows" in labels else ("macOS" if "macos" in labels else "Linux")
    return {
        "name": "GitHub Actions 1",
        "os": system,
        "arch": architecture(),
        "temp": str(temporary),
        "tool_cache": str(tool_cache),
        "workspace": str(workspace.parent),
        "environment": "github-hosted",
        "debug": "",
    }


def write_event(session: Session, file: Path) -> None:
    """Write the payload of the event to the file that GITHUB_EVENT_PATH names."""
    file.write_text(json.dumps(session.run_context.payload, indent=2), encoding="utf-8")
