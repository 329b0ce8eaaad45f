"""What GitHub Actions may do in a repository, and its environments, compared with the expectations. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlops.githost.github.settings import (
    ACTIONS,
    ENVIRONMENTS,
    OK,
    ORGANISATION,
    OWNERS,
    REPOSITORY,
    SELECTED,
    SUBJECT,
    TOKEN,
    VARIABLES,
    GitHubExpectations,
    Replies,
    Reply,
    branches_of,
    typed_route,
    variables_of,
)
from mlops.githost.interface import RemoteAddress
from mlops.githost.protection import EnvironmentProtection, Finding, judge, unreadable

_ADMINISTRATOR: Final = "log in as an administrator: `gh auth refresh --scopes repo`"
# Covered by GitHub's own switch, and needs no pattern.
_OWN: Final = ("actions/*", "github/*")


def actions_findings(replies: Replies, allowed: Sequence[str], remote: RemoteAddress) -> list[Finding]:
    """The findings about Actions."""
    return [
        _allowed(replies, allowed, remote),
        _pinned(replies, remote),
        *_token(replies, remote),
        _subject(replies, remote),
        _owners(replies, remote),
        _attestations(replies),
    ]


def _allowed(replies: Replies, allowed: Sequence[str], remote: RemoteAddress) -> Finding:
    setting = "actions that workflows may use"
    needed = ", ".join(allowed)
    general, selected = replies[ACTIONS], replies[SELECTED]
    if general.status != OK:
        return unreadable(setting, general.message, needed, _ADMINISTRATOR)
    wanted = {each for each in allowed if each not in _OWN}
    given = selected.body if selected.status == OK and general.body.get("allowed_actions") == "selected" else None
    found = general.body.get("allowed_actions", "all") if given is None else ", ".join(_given(given)) or "none"
    kept = (
        given is not None
        and set(given.get("patterns_allowed", [])).difference(_OWN) == wanted
        and given.get("github_owned_allowed") is True
        and given.get("verified_allowed") is False
    )
    route = f"gh api --method PUT {typed_route(remote, SELECTED)}"
    patterns = " ".join(f"-f {shlex.quote(f'patterns_allowed[]={each}')}" for each in sorted(wanted))
    own = "-F github_owned_allowed=true -F verified_allowed=false"
    how = f"{_pinning(remote)} && {route} {own} {patterns}"
    return judge(setting, kept=kept, found=found, needed=needed, how=how)


def _given(selected: dict[str, object]) -> list[str]:
    owned = ["actions/*"] if selected.get("github_owned_allowed") else []
    verified = ["actions by verified creators"] if selected.get("verified_allowed") else []
    patterns = selected.get("patterns_allowed")
    return [*owned, *verified, *(patterns if isinstance(patterns, list) else [])]


def _pinned(replies: Replies, remote: RemoteAddress) -> Finding:
    setting, needed = "actions pinned by commit hash", "required"
    reply = replies[ACTIONS]
    if reply.status != OK:
        return unreadable(setting, reply.message, needed, _ADMINISTRATOR)
    is_kept = reply.body.get("sha_pinning_required") is True
    found = needed if is_kept else "not required"
    return judge(setting, kept=is_kept, found=found, needed=needed, how=_pinning(remote))


def _pinning(remote: RemoteAddress) -> str:
    wanted = "-F enabled=true -f allowed_actions=selected -F sha_pinning_required=true"
    return f"gh api --method PUT {typed_route(remote, ACTIONS)} {wanted}"


def _token(replies: Replies, remote: RemoteAddress) -> list[Finding]:
    reply = replies[TOKEN]
    reads, opens = "default permissions of the workflow token", "workflows may open pull requests"
    if reply.status != OK:
        return [unreadable(each, reply.message, "readable", _ADMINISTRATOR) for each in (reads, opens)]
    default, may_open = reply.body.get("default_workflow_permissions"), reply.body["can_approve_pull_request_reviews"]
    how = (
        f"gh api --method PUT {typed_route(remote, TOKEN)} "
        "-f default_workflow_permissions=read -F can_approve_pull_request_reviews=true"
    )
    promotions = "yes: promotions and reverts are pull requests"
    return [
        judge(reads, kept=default == "read", found=str(default), needed="read", how=how),
        judge(opens, kept=may_open is True, found="yes" if may_open else "no", needed=promotions, how=how),
    ]


def _subject(replies: Replies, remote: RemoteAddress) -> Finding:
    setting, reply = "subject claim of the Azure login", replies[SUBJECT]
    needed = "GitHub's default, which names the environment"
    if reply.status != OK:
        return unreadable(setting, reply.message, needed, _ADMINISTRATOR)
    prefix = reply.body.get("sub_claim_prefix") or f"repo:{remote.owner}/{remote.name}"
    form = "immutable" if reply.body.get("use_immutable_subject") else "names"
    is_default = reply.body.get("use_default") is True
    needed = f"{needed} (in infra/Pulumi.<stage>.yaml: `subject: {form}`)"
    said = f"{prefix}:environment:NAME"
    keys = ", ".join(reply.body.get("include_claim_keys") or [])
    how = f"gh api --method PUT {typed_route(remote, SUBJECT)} -F use_default=true"
    return judge(setting, kept=is_default, found=said if is_default else f"composed of {keys}", needed=needed, how=how)


def trust_findings(replies: Replies, trusted: Mapping[str, str]) -> list[Finding]:
    """Which stacks of infra/ trust another repository: `trusted` is what each file's subject begins with."""
    prefix = replies[SUBJECT].body.get("sub_claim_prefix") if replies[SUBJECT].status == OK else None
    if not prefix or not trusted:
        return []
    setting = "repository that the stacks trust"
    others = {file: said for file, said in trusted.items() if said != prefix}
    found = "; ".join(f"{file}: {said}" for file, said in sorted(others.items())) or prefix
    owner, name = prefix.removeprefix("repo:").split("/", 1)
    ids = [("organisation", *owner.split("@")), ("repository", *name.split("@"))]
    values = [f"{key}: {value[0]}" for key, *value in ids] + [
        f"{key}_id: {value[1]}" for key, *value in ids if value[1:]
    ]
    if "@" not in prefix:
        values.append("subject: names")
    how = (
        f"in `infra:ci` → `github` of each file: `{'`, `'.join(values)}`; then a person runs `pulumi up` for each stack"
    )
    return [judge(setting, kept=not others, found=found, needed=prefix, how=how)]


def _owners(replies: Replies, remote: RemoteAddress) -> Finding:
    setting, needed, reply = "code owners", ".github/CODEOWNERS without an error", replies[OWNERS]
    if reply.status != OK:
        return unreadable(setting, reply.message, needed, "commit .github/CODEOWNERS")
    errors = [f"line {each['line']}: {each['kind']}" for each in reply.body.get("errors", [])]
    how = f"name people or teams with write access: {remote.origin}/blob/HEAD/.github/CODEOWNERS"
    return judge(setting, kept=not errors, found="; ".join(errors) or "no error", needed=needed, how=how)


def _attestations(replies: Replies) -> Finding:
    setting = "attestations"
    if is_private(replies) and not has_enterprise(replies):
        needed = (
            "GitHub Enterprise Cloud, for a private repository; the statements in releases/provenance work anywhere"
        )
        return Finding(setting, "not part of this plan", needed, "unavailable")
    return Finding(setting, "available", "releases/provenance.yml may require them", "kept")


_ENTERPRISE: Final = ("enterprise", "business_plus")
_FREE: Final = "free"


def environment_findings(
    replies: Replies, branch: str, wanted: GitHubExpectations, remote: RemoteAddress
) -> list[Finding]:
    """The findings of every environment."""
    listing = replies[ENVIRONMENTS]
    if listing.status != OK:
        return [unreadable("environments", listing.message, "readable", "log in as an administrator")]
    known = {each["name"]: each for each in listing.body.get("environments", [])}
    found: list[Finding] = []
    for name, protection in wanted.environments.items():
        if name not in known:
            how = _creating(name, protection, branch, remote)
            found.append(judge(f"environment {name}", kept=False, found="does not exist", needed="exists", how=how))
            continue
        address = f"{remote.origin}/settings/environments"
        if not protection.any_branch:
            found.append(_branches(replies, known[name], branch, address))
        if protection.reviewers:
            found.append(_reviewers(replies, known[name], address))
        found.append(_variables(replies, name, wanted, remote))
    names = wanted.repository_variables
    shared = _named("variables of the repository", replies[VARIABLES], names, "actions/variables", remote)
    return [*found, _identities(replies, wanted, remote), shared]


def is_private(replies: Replies) -> bool:
    """Whether the repository is private."""
    return bool(replies[REPOSITORY].body.get("private"))


def has_enterprise(replies: Replies) -> bool:
    """Whether the owner's plan is known to be GitHub Enterprise."""
    return _plan(replies) in _ENTERPRISE


def _plan(replies: Replies) -> str:
    """The owner's plan; "" if it is hidden, as it is from everyone but the organisation's owners."""
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
    how = f"{address}: {name}, deployment branches: only {branch}"
    return judge(setting, kept=found == branch, found=found, needed=branch, how=how)


def _reviewers(replies: Replies, environment: Mapping[str, Any], address: str) -> Finding:
    setting = f"approval before a deployment to {environment['name']}"
    rules = [rule for rule in environment.get("protection_rules", []) if rule["type"] == "required_reviewers"]
    needed = "someone other than the person who started it, and no bypass for administrators"
    if not rules and is_private(replies) and not has_enterprise(replies):
        said = "GitHub Enterprise, for a private repository; until then the review of the pull request decides"
        return Finding(setting, "not part of this plan", said, "unavailable")
    people = sum(len(rule.get("reviewers", [])) for rule in rules)
    strict = any(rule.get("prevent_self_review") for rule in rules)
    bypass = environment.get("can_admins_bypass", True)
    found = f"{people} reviewers, self-review {'refused' if strict else 'allowed'}, bypass {'on' if bypass else 'off'}"
    how = f"{address}: {environment['name']}, required reviewers, prevent self-review, no bypass by administrators"
    return judge(setting, kept=bool(people) and strict and not bypass, found=found, needed=needed, how=how)


def _variables(replies: Replies, name: str, wanted: GitHubExpectations, remote: RemoteAddress) -> Finding:
    setting, path = f"variables of environment {name}", f"environments/{name}/variables"
    return _named(setting, replies[variables_of(name)], wanted.environment_variables, path, remote)


def _named(setting: str, reply: Reply, wanted: tuple[str, ...], path: str, remote: RemoteAddress) -> Finding:
    """Whether the required variables are among those listed."""
    needed = ", ".join(wanted)
    if reply.status != OK:
        return unreadable(setting, reply.message, needed, "log in as an administrator")
    found = [each["name"] for each in reply.body.get("variables", [])]
    missing = [each for each in wanted if each not in found]
    route = typed_route(remote, path)
    how = " && ".join(
        f"gh api --method POST {route} -f {shlex.quote(f'name={each}')} -f value=VALUE" for each in missing
    )
    return judge(setting, kept=not missing, found=", ".join(found) or "none", needed=needed, how=how)


def _identities(replies: Replies, wanted: GitHubExpectations, remote: RemoteAddress) -> Finding:
    """Whether each environment has its own identity, so that none has the permissions of another."""
    users: dict[str, list[str]] = {}
    for name in wanted.environments:
        reply = replies[variables_of(name)]
        for each in reply.body.get("variables", []) if reply.status == OK else ():
            if each["name"] == wanted.identity:
                users.setdefault(each["value"], []).append(name)
    shared = [", ".join(names) for names in users.values() if len(names) > 1]
    return judge(
        "identities of the environments",
        kept=not shared,
        found=f"one for {'; one for '.join(shared)}" if shared else "one each",
        needed="one each",
        how=f"{remote.origin}/settings/environments: {wanted.identity} of each stack's own output",
    )


def _creating(name: str, protection: EnvironmentProtection, branch: str, remote: RemoteAddress) -> str:
    """The commands that create an environment; reviewers are chosen in the settings."""
    route = typed_route(remote, f"environments/{name}")
    if protection.any_branch:
        return f"gh api --method PUT {route}"
    policy = "deployment_branch_policy"
    restricted = f"-F '{policy}[protected_branches]=false' -F '{policy}[custom_branch_policies]=true'"
    policies = typed_route(remote, f"environments/{name}/deployment-branch-policies")
    allowed = f"gh api --method POST {policies} -f {shlex.quote(f'name={branch}')}"
    return f"gh api --method PUT {route} {restricted} && {allowed}"
