"""What `az repos policy`, `az devops` and `az pipelines` answer: policies, environments, checks, threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_git_host import pulls
from fake_git_host.az.documents import guid, repository
from fake_git_host.errors import Refusal
from fake_git_host.flags import Parsed
from fake_git_host.rules import BUILD, MINIMUM_REVIEWERS
from fake_git_host.state import State, now

REQUIRED_REVIEWERS = "fd2167ab-b0be-447a-8ec8-39368250530e"


def show_repository(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos show`."""
    if parsed.needed("--repository") not in {state.name, repository(state)["id"]}:
        name = parsed.one("--repository")
        raise Refusal(f"TF401019: The Git repository with name or identifier {name} does not exist.")
    return repository(state)


def list_policies(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos policy list`."""
    wanted = parsed.one("--repository-id", repository(state)["id"])
    return state.documents.get("policies", []) if wanted == repository(state)["id"] else []


def create_approver_count(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos policy approver-count create`."""
    settings = {
        "minimumApproverCount": int(parsed.needed("--minimum-approver-count")),
        "creatorVoteCounts": _truth(parsed, "--creator-vote-counts"),
        "allowDownvotes": _truth(parsed, "--allow-downvotes"),
        "resetOnSourcePush": _truth(parsed, "--reset-on-source-push"),
    }
    return _policy(state, parsed, MINIMUM_REVIEWERS, "Minimum number of reviewers", settings)


def create_build(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos policy build create`."""
    settings = {
        "buildDefinitionId": int(parsed.needed("--build-definition-id")),
        "displayName": parsed.needed("--display-name"),
        "manualQueueOnly": _truth(parsed, "--manual-queue-only"),
        "queueOnSourceUpdateOnly": _truth(parsed, "--queue-on-source-update-only"),
        "validDuration": float(parsed.needed("--valid-duration")),
    }
    return _policy(state, parsed, BUILD, "Build", settings)


def create_required_reviewer(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos policy required-reviewer create`."""
    settings = {
        "requiredReviewerIds": [guid(name) for name in parsed.needed("--required-reviewer-ids").split(";")],
        "filenamePatterns": (parsed.one("--path-filter") or "").split(";"),
        "message": parsed.needed("--message"),
    }
    return _policy(state, parsed, REQUIRED_REVIEWERS, "Required reviewers", settings)


def _policy(state: State, parsed: Parsed, type_id: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    branch = parsed.needed("--branch").removeprefix("refs/heads/")
    scope = {"repositoryId": parsed.needed("--repository-id"), "refName": f"refs/heads/{branch}", "matchKind": "Exact"}
    policies = state.documents.setdefault("policies", [])
    policy = {
        "id": len(policies) + 1,
        "isEnabled": _truth(parsed, "--enabled"),
        "isBlocking": _truth(parsed, "--blocking"),
        "type": {"id": type_id, "displayName": name},
        "settings": settings | {"scope": [scope]},
    }
    policies.append(policy)
    return policy


def _truth(parsed: Parsed, flag: str) -> bool:
    value = parsed.needed(flag).lower()
    if value not in {"true", "false"}:
        raise Refusal(f"az: error: argument {flag}: invalid choice: '{value}' (choose from 'false', 'true')", 2)
    return value == "true"


def list_endpoints(state: State, parsed: Parsed, actor: str) -> Any:
    """`az devops service-endpoint list`."""
    return state.documents.get("service-endpoints", [])


def list_pipelines(state: State, parsed: Parsed, actor: str) -> Any:
    """`az pipelines list`."""
    wanted = parsed.one("--name")
    return [each for each in state.documents.get("pipelines", []) if wanted in {None, each["name"]}]


def show_pipeline(state: State, parsed: Parsed, actor: str) -> Any:
    """`az pipelines show`."""
    number = parsed.needed("--id")
    found = [each for each in state.documents.get("pipelines", []) if str(each["id"]) == number]
    if not found:
        raise Refusal(f"There were no build definitions matching id '{number}' in project '{state.project}'.")
    return found[0]


def run_pipeline(state: State, parsed: Parsed, actor: str) -> Any:
    """`az pipelines run`."""
    name = parsed.one("--name") or parsed.needed("--id")
    inputs = dict(pair.partition("=")[::2] for pair in parsed.values.get("--parameters", []))
    branch = (parsed.one("--branch") or state.branch).removeprefix("refs/heads/")
    run = {"what": name, "branch": branch, "inputs": inputs, "actor": actor, "when": now()}
    state.runs.append(run)
    return {"id": len(state.runs), "status": "notStarted", "sourceBranch": f"refs/heads/{branch}", "queueTime": now()}


def invoke(state: State, parsed: Parsed, actor: str) -> Any:
    """`az devops invoke`: only the resources that are used."""
    asked = (parsed.one("--http-method", "GET"), (parsed.needed("--area")).lower(), parsed.needed("--resource").lower())
    route = _pairs(parsed, "--route-parameters")
    query = _pairs(parsed, "--query-parameters")
    match asked:
        case ("GET", "distributedtask", "environments"):
            _require(route, "project", state.project)
            return _listed(state.documents.get("environments", []))
        case ("POST", "distributedtask", "environments"):
            _require(route, "project", state.project)
            return _add_environment(state, _in_file(parsed))
        case ("GET", "pipelineschecks", "configurations"):
            _require(route, "project", state.project)
            return _listed(_checks(state, query))
        case ("POST", "pipelineschecks", "configurations"):
            _require(route, "project", state.project)
            state.documents.setdefault("checks", []).append(_in_file(parsed))
            return state.documents["checks"][-1]
        case ("POST", "git", "pullrequestthreads"):
            return _add_thread(state, route, _in_file(parsed), actor)
        case _:
            raise Refusal(f"--area and --resource are not in the list of this fake: {asked}")


def _checks(state: State, query: dict[str, str]) -> list[dict[str, Any]]:
    wanted = (query.get("resourceType"), query.get("resourceId"))
    listed = state.documents.get("checks", [])
    fitting = [each for each in listed if (each["resource"]["type"], str(each["resource"]["id"])) == wanted]
    if query.get("$expand") == "settings":
        return fitting
    return [{key: value for key, value in each.items() if key != "settings"} for each in fitting]


def _add_environment(state: State, asked: dict[str, Any]) -> dict[str, Any]:
    environments = state.documents.setdefault("environments", [])
    environments.append({"id": len(environments) + 1, "name": asked["name"], "description": asked.get("description")})
    return environments[-1]


def _add_thread(state: State, route: dict[str, str], asked: dict[str, Any], actor: str) -> dict[str, Any]:
    pull = state.pull(int(route.get("pullRequestId", "0")))
    if pull is None:
        raise Refusal("TF401180: The requested pull request was not found.")
    for each in asked["comments"]:
        pulls.comment(pull, actor, each["content"])
    return {"id": len(pull.comments), "status": asked.get("status", "active"), "comments": asked["comments"]}


def _listed(items: list[Any]) -> dict[str, Any]:
    return {"count": len(items), "continuation_token": None, "value": items}


def _pairs(parsed: Parsed, flag: str) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in parsed.values.get(flag, []))


def _require(route: dict[str, str], key: str, value: str) -> None:
    if route.get(key) != value:
        raise Refusal(f"TF200016: The following project does not exist: {route.get(key)}.")


def _in_file(parsed: Parsed) -> dict[str, Any]:
    return json.loads(Path(parsed.needed("--in-file")).read_text(encoding="utf-8"))
