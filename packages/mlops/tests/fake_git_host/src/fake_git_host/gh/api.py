"""`gh api` for the routes of a repository's settings: GitHub's documents, read and written as its REST API does.

A document is kept by its route below repos/OWNER/NAME; what is not there answers 404, and so does an unknown route.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_git_host.errors import Refusal, Usage
from fake_git_host.flags import Flag, Parsed, Takes
from fake_git_host.state import State

FLAGS = (
    Flag(("--method", "-X")),
    Flag(("--field", "-F"), Takes.REPEATED),
    Flag(("--raw-field", "-f"), Takes.REPEATED),
    Flag(("--input",)),
    Flag(("--hostname",)),
    Flag(("--header", "-H"), Takes.REPEATED),
    Flag(("--paginate",), Takes.NOTHING),
    Flag(("--silent",), Takes.NOTHING),
)
HOST = "github.com"
# The document of the repository itself, and that of its owner.
REPOSITORY = ""
ORGANISATION = "orgs"
_PLACEHOLDERS = {"{owner}": "owner", "{repo}": "name", "{branch}": "branch"}
_MAGIC = {"true": True, "false": False, "null": None}


def call(state: State, parsed: Parsed, actor: str) -> str:
    """Answer one request. Raises Refusal with the body that GitHub would send, as gh prints it."""
    if len(parsed.words) != 1:
        raise Usage(f"accepts 1 arg(s), received {len(parsed.words)}")
    route = parsed.words[0].lstrip("/").partition("?")[0]
    for placeholder, name in _PLACEHOLDERS.items():
        route = route.replace(placeholder, getattr(state, name))
    fields = _given(parsed)
    method = parsed.one("--method") or ("POST" if fields is not None else "GET")
    if parsed.one("--hostname", HOST) != HOST:
        raise Refusal(f"none of the git remotes configured for this repository point to {parsed.one('--hostname')}")
    if route == f"orgs/{state.owner}" and method == "GET":
        return json.dumps(_get(state, ORGANISATION))
    prefix = f"repos/{state.owner}/{state.name}"
    if route != prefix and not route.startswith(f"{prefix}/"):
        raise _http(404, "Not Found")
    place = route.removeprefix(prefix).strip("/")
    answer = _get(state, place) if method == "GET" else _write(state, method, place, fields or {})
    return "" if parsed.has("--silent") or answer is None else json.dumps(answer)


def _get(state: State, place: str) -> Any:
    if place in state.documents:
        answer = state.documents[place]
        if isinstance(answer, dict) and "http_status" in answer:
            raise _http(answer["http_status"], answer["message"])
        return answer
    if place.endswith("/protection"):
        raise _http(404, "Branch not protected")
    raise _http(404, "Not Found")


def _write(state: State, method: str, place: str, fields: dict[str, Any]) -> Any:
    for writable, writer in WRITERS:
        match = re.fullmatch(writable, f"{method} {place}")
        if match:
            return writer(state, place, match, fields)
    raise _http(404, "Not Found")


def _given(parsed: Parsed) -> dict[str, Any] | None:
    if parsed.has("--input"):
        source = parsed.needed("--input")
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return json.loads(text)
    fields: dict[str, Any] = {}
    for flag in ("--field", "--raw-field"):
        for pair in parsed.values.get(flag, []):
            name, _, text = pair.partition("=")
            _put(fields, name, _magic(text) if flag == "--field" else text)
    return fields or None


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Set `key`, `key[sub]` or `key[]`, as gh nests them."""
    key, bracket, rest = name.partition("[")
    if not bracket:
        fields[key] = value
    elif rest == "]":
        fields.setdefault(key, []).append(value)
    else:
        inner, _, deeper = rest.partition("]")
        _put(fields.setdefault(key, {}), inner + deeper, value)


def _magic(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?\d+", text) else _MAGIC.get(text, text)


def _checked(fields: dict[str, Any], allowed: set[str]) -> dict[str, Any]:
    if set(fields) - allowed:
        raise _http(422, f"Invalid request. Unknown keys: {', '.join(sorted(set(fields) - allowed))}")
    return fields


def _merge_into(allowed: set[str]) -> Callable[[State, str, re.Match[str], dict[str, Any]], None]:
    def write(state: State, place: str, match: re.Match[str], fields: dict[str, Any]) -> None:
        state.documents[place] = state.documents.get(place, {}) | _checked(fields, allowed)

    return write


def _put_environment(state: State, place: str, match: re.Match[str], fields: dict[str, Any]) -> Any:
    name = match[1]
    asked = _checked(fields, {"wait_timer", "prevent_self_review", "reviewers", "deployment_branch_policy"})
    rules: list[dict[str, Any]] = []
    if asked.get("reviewers"):
        people = [{"type": each["type"], "reviewer": {"id": each["id"]}} for each in asked["reviewers"]]
        own = bool(asked.get("prevent_self_review"))
        rules.append({"type": "required_reviewers", "reviewers": people, "prevent_self_review": own})
    policy = asked.get("deployment_branch_policy")
    if policy:
        rules.append({"type": "branch_policy"})
    environment = {
        "name": name,
        "protection_rules": rules,
        "deployment_branch_policy": policy,
        "can_admins_bypass": True,
    }
    listing = state.documents.setdefault("environments", {"total_count": 0, "environments": []})
    others = [each for each in listing["environments"] if each["name"] != name]
    listing["environments"] = [*others, environment]
    listing["total_count"] = len(listing["environments"])
    state.documents.setdefault(f"environments/{name}/deployment-branch-policies", _no_policies())
    state.documents.setdefault(f"environments/{name}/variables", {"total_count": 0, "variables": []})
    return environment


def _no_policies() -> dict[str, Any]:
    return {"total_count": 0, "branch_policies": []}


def _add_branch_policy(state: State, place: str, match: re.Match[str], fields: dict[str, Any]) -> Any:
    policy = {"type": "branch"} | _checked(fields, {"name", "type"})
    listing = state.documents.setdefault(place, _no_policies())
    listing["branch_policies"].append(policy)
    listing["total_count"] = len(listing["branch_policies"])
    return policy


def _add_variable(state: State, place: str, match: re.Match[str], fields: dict[str, Any]) -> None:
    listing = state.documents.setdefault(place, {"total_count": 0, "variables": []})
    listing["variables"].append(_checked(fields, {"name", "value"}))
    listing["total_count"] = len(listing["variables"])


def _add_ruleset(state: State, place: str, match: re.Match[str], fields: dict[str, Any]) -> Any:
    asked = _checked(fields, {"name", "target", "enforcement", "conditions", "rules", "bypass_actors"})
    wanted = asked["conditions"]["ref_name"]["include"]
    if asked["enforcement"] == "active" and {"~DEFAULT_BRANCH", f"refs/heads/{state.branch}"} & set(wanted):
        rules = state.documents.setdefault(f"rules/branches/{state.branch}", [])
        rules += [{"parameters": {}, "ruleset_source_type": "Repository"} | rule for rule in asked["rules"]]
    return {"id": 1} | asked


Writer = Callable[[State, str, re.Match[str], dict[str, Any]], Any]
WRITERS: tuple[tuple[str, Writer], ...] = (
    ("PUT environments/([^/]+)", _put_environment),
    ("POST environments/([^/]+)/deployment-branch-policies", _add_branch_policy),
    ("POST environments/([^/]+)/variables", _add_variable),
    ("POST actions/variables", _add_variable),
    ("POST rulesets", _add_ruleset),
    ("PUT actions/permissions", _merge_into({"enabled", "allowed_actions", "sha_pinning_required"})),
    (
        "PUT actions/permissions/selected-actions",
        _merge_into({"github_owned_allowed", "verified_allowed", "patterns_allowed"}),
    ),
    (
        "PUT actions/permissions/workflow",
        _merge_into({"default_workflow_permissions", "can_approve_pull_request_reviews"}),
    ),
    ("PUT actions/oidc/customization/sub", _merge_into({"use_default", "include_claim_keys"})),
)


def _http(status: int, message: str) -> Refusal:
    body = json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)})
    return Refusal(f"gh: {message} (HTTP {status})", body=body)
