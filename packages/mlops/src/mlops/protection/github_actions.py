"""What GitHub Actions may do in a repository, and as whom, held against what is needed. Pure."""

from __future__ import annotations

import shlex
from typing import Final

from mlops.core.remote_address import RemoteAddress
from mlops.protection.finding import Finding, judge, unreadable
from mlops.protection.github_places import has_enterprise, is_private
from mlops.protection.github_settings import ACTIONS, OK, OWNERS, SELECTED, SUBJECT, TOKEN, Replies, typed_route
from mlops.settings.protection import Expectations

_ADMINISTRATOR: Final = "log in as an administrator: `gh auth refresh --scopes repo`"
# What GitHub's own switch covers, and needs no pattern.
_OWN: Final = ("actions/*", "github/*")


def actions_findings(replies: Replies, expected: Expectations, remote: RemoteAddress) -> list[Finding]:
    """The findings about Actions."""
    return [
        _allowed(replies, expected, remote),
        _pinned(replies, remote),
        *_token(replies, remote),
        _subject(replies, remote),
        _owners(replies, remote),
        _attestations(replies),
    ]


def _allowed(replies: Replies, expected: Expectations, remote: RemoteAddress) -> Finding:
    setting = "actions that workflows may use"
    needed = ", ".join(expected.github.actions.allowed)
    general, selected = replies[ACTIONS], replies[SELECTED]
    if general.status != OK:
        return unreadable(setting, general.message, needed, _ADMINISTRATOR)
    wanted = {each for each in expected.github.actions.allowed if each not in _OWN}
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
    verified = ["those of verified creators"] if selected.get("verified_allowed") else []
    patterns = selected.get("patterns_allowed")
    return [*owned, *verified, *(patterns if isinstance(patterns, list) else [])]


def _pinned(replies: Replies, remote: RemoteAddress) -> Finding:
    setting, needed = "actions by the hash of their commit", "required"
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
    reads, opens = "what a workflow's token may do unless it asks", "workflows may open pull requests"
    if reply.status != OK:
        return [unreadable(each, reply.message, "to be seen", _ADMINISTRATOR) for each in (reads, opens)]
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
    setting, reply = "subject of the login at Azure", replies[SUBJECT]
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
    return judge(setting, kept=is_default, found=said if is_default else f"made of {keys}", needed=needed, how=how)


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
    return Finding(setting, "available", "releases/provenance.yml may ask for them", "kept")
