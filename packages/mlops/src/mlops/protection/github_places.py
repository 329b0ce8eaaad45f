"""GitHub's environments, held against what is needed: who may use each, who must agree, and what it knows. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from mlops.core.remote_address import RemoteAddress
from mlops.protection.finding import Finding, judge, unreadable
from mlops.protection.github_settings import (
    ENVIRONMENTS,
    OK,
    ORGANISATION,
    REPOSITORY,
    VARIABLES,
    Replies,
    Reply,
    branches_of,
    typed_route,
    variables_of,
)
from mlops.settings.protection import Expectations, Place

_ENTERPRISE: Final = ("enterprise", "business_plus")
_FREE: Final = "free"


def environment_findings(replies: Replies, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """The findings of every environment."""
    listing = replies[ENVIRONMENTS]
    if listing.status != OK:
        return [unreadable("environments", listing.message, "to be seen", "log in as an administrator")]
    known = {each["name"]: each for each in listing.body.get("environments", [])}
    found: list[Finding] = []
    for name, place in expected.github.environments.items():
        if name not in known:
            how = _making(name, place, expected.branch, remote)
            found.append(judge(f"environment {name}", kept=False, found="is not there", needed="exists", how=how))
            continue
        address = f"{remote.origin}/settings/environments"
        if not place.any_branch:
            found.append(_branches(replies, known[name], expected.branch, address))
        if place.reviewers:
            found.append(_reviewers(replies, known[name], address))
        found.append(_variables(replies, name, expected, remote))
    wanted = expected.github.repository_variables
    shared = _named("variables of the repository", replies[VARIABLES], wanted, "actions/variables", remote)
    return [*found, _identities(replies, expected, remote), shared]


def is_private(replies: Replies) -> bool:
    """Whether not everybody may read the repository."""
    return bool(replies[REPOSITORY].body.get("private"))


def has_enterprise(replies: Replies) -> bool:
    """Whether the owner's plan is known to be GitHub Enterprise."""
    return _plan(replies) in _ENTERPRISE


def _plan(replies: Replies) -> str:
    """The owner's plan; "" when it is not shown, which it is to the organisation's owners alone."""
    reply = replies[ORGANISATION]
    return ((reply.body or {}).get("plan") or {}).get("name", "") if reply.status == OK else ""


def _branches(replies: Replies, environment: Mapping[str, Any], branch: str, address: str) -> Finding:
    name = environment["name"]
    setting = f"branches that may use environment {name}"
    policy = environment.get("deployment_branch_policy")
    listed = replies[branches_of(name)]
    names = [each["name"] for each in listed.body.get("branch_policies", [])] if listed.status == OK else []
    if policy is None and is_private(replies) and _plan(replies) == _FREE:
        return Finding(setting, "not part of this plan", "a paid plan, or a public repository", "unavailable")
    if policy is None:
        found = "all"
    elif policy.get("custom_branch_policies"):
        found = ", ".join(names) or "none"
    else:
        found = "protected branches"
    how = f"{address}: {name}, deployment branches: {branch} alone"
    return judge(setting, kept=found == branch, found=found, needed=branch, how=how)


def _reviewers(replies: Replies, environment: Mapping[str, Any], address: str) -> Finding:
    setting = f"approval before a deployment to {environment['name']}"
    rules = [rule for rule in environment.get("protection_rules", []) if rule["type"] == "required_reviewers"]
    needed = "somebody else than who began it, and no bypass for administrators"
    if not rules and is_private(replies) and not has_enterprise(replies):
        said = "GitHub Enterprise, for a private repository; the review of the pull request carries the gate until then"
        return Finding(setting, "not part of this plan", said, "unavailable")
    people = sum(len(rule.get("reviewers", [])) for rule in rules)
    strict = any(rule.get("prevent_self_review") for rule in rules)
    bypass = environment.get("can_admins_bypass", True)
    found = f"{people} reviewers, own runs {'refused' if strict else 'allowed'}, bypass {'on' if bypass else 'off'}"
    how = f"{address}: {environment['name']}, required reviewers, prevent self-review, no bypass by administrators"
    return judge(setting, kept=bool(people) and strict and not bypass, found=found, needed=needed, how=how)


def _variables(replies: Replies, name: str, expected: Expectations, remote: RemoteAddress) -> Finding:
    setting, place = f"variables of environment {name}", f"environments/{name}/variables"
    return _named(setting, replies[variables_of(name)], expected.github.environment_variables, place, remote)


def _named(setting: str, reply: Reply, wanted: tuple[str, ...], place: str, remote: RemoteAddress) -> Finding:
    """Whether the variables wanted are among those listed."""
    needed = ", ".join(wanted)
    if reply.status != OK:
        return unreadable(setting, reply.message, needed, "log in as an administrator")
    found = [each["name"] for each in reply.body.get("variables", [])]
    missing = [each for each in wanted if each not in found]
    route = typed_route(remote, place)
    how = " && ".join(
        f"gh api --method POST {route} -f {shlex.quote(f'name={each}')} -f value=VALUE" for each in missing
    )
    return judge(setting, kept=not missing, found=", ".join(found) or "none", needed=needed, how=how)


def _identities(replies: Replies, expected: Expectations, remote: RemoteAddress) -> Finding:
    """Whether each environment logs in as somebody else: what one may do, another must not be able to."""
    users: dict[str, list[str]] = {}
    for name in expected.github.environments:
        reply = replies[variables_of(name)]
        for each in reply.body.get("variables", []) if reply.status == OK else ():
            if each["name"] == expected.github.identity:
                users.setdefault(each["value"], []).append(name)
    shared = [", ".join(names) for names in users.values() if len(names) > 1]
    return judge(
        "identities of the environments",
        kept=not shared,
        found=f"one for {'; one for '.join(shared)}" if shared else "one each",
        needed="one each",
        how=f"{remote.origin}/settings/environments: {expected.github.identity} of each stack's own output",
    )


def _making(name: str, place: Place, branch: str, remote: RemoteAddress) -> str:
    """The commands that make an environment; who reviews is for people to say, at the settings' address."""
    route = typed_route(remote, f"environments/{name}")
    if place.any_branch:
        return f"gh api --method PUT {route}"
    policy = "deployment_branch_policy"
    restricted = f"-F '{policy}[protected_branches]=false' -F '{policy}[custom_branch_policies]=true'"
    policies = typed_route(remote, f"environments/{name}/deployment-branch-policies")
    allowed = f"gh api --method POST {policies} -f {shlex.quote(f'name={branch}')}"
    return f"gh api --method PUT {route} {restricted} && {allowed}"
