"""What `az repos pr …` does and says. Which flags each command takes stands in az.py."""

from __future__ import annotations

from typing import Any

from fake_git_host import pulls
from fake_git_host.az.documents import STATUS, pull_request
from fake_git_host.errors import Refusal
from fake_git_host.flags import Parsed
from fake_git_host.pulls import PullRefused
from fake_git_host.rules import APPROVED, CHANGES_REQUESTED
from fake_git_host.state import PullRequest, State

DESCRIPTION_LIMIT = 4_000
_DEFAULT_TOP = 101
_NOT_FOUND = 1
_VERDICTS = {
    "approve": APPROVED,
    "approve-with-suggestions": APPROVED,
    "reject": CHANGES_REQUESTED,
    "wait-for-author": CHANGES_REQUESTED,
    "reset": "COMMENTED",
}


def list_pulls(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos pr list`."""
    wanted = parsed.one("--status", "active")
    chosen = [
        pull
        for pull in reversed(state.pulls)
        if wanted in {"all", STATUS[pull.state]}
        and _branch(parsed.one("--source-branch", pull.head)) == pull.head
        and _branch(parsed.one("--target-branch", pull.base)) == pull.base
    ]
    return [pull_request(state, pull) for pull in chosen[: int(parsed.one("--top") or _DEFAULT_TOP)]]


def show_pull(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos pr show`."""
    return pull_request(state, _found(state, parsed))


def create_pull(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos pr create`."""
    head = _branch(parsed.needed("--source-branch"))
    base = _branch(parsed.one("--target-branch")) or state.branch
    title = parsed.one("--title") or head
    body = _description(parsed) or ""
    try:
        pull = pulls.create(state, head, base, title, body, actor, is_draft=_yes(parsed, "--draft"))
    except PullRefused as refused:
        raise Refusal(_create_sentence(refused, head, base)) from refused
    pull.labels += parsed.values.get("--labels", [])
    return pull_request(state, pull)


def update_pull(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos pr update`: text, and completing or abandoning."""
    pull = _found(state, parsed)
    pull.title = parsed.one("--title") or pull.title
    description = _description(parsed)
    pull.body = pull.body if description is None else description
    if parsed.has("--draft"):
        pull.is_draft = _yes(parsed, "--draft")
    status = parsed.one("--status")
    if status == "abandoned":
        pulls.close(state, pull)
    elif status == "completed":
        _complete(state, pull, parsed, actor)
    elif status not in {None, "active"}:
        raise Refusal(f"az repos pr update: error: argument --status: invalid choice: '{status}'", 2)
    return pull_request(state, pull)


def vote(state: State, parsed: Parsed, actor: str) -> Any:
    """`az repos pr set-vote`."""
    pull = _found(state, parsed)
    verdict = parsed.needed("--vote")
    if verdict not in _VERDICTS:
        raise Refusal(f"az repos pr set-vote: error: argument --vote: invalid choice: '{verdict}'", 2)
    try:
        pulls.review(state, pull, actor, _VERDICTS[verdict])
    except PullRefused as refused:
        raise Refusal(str(refused)) from refused
    return pull_request(state, pull)["reviewers"][-1]


def _complete(state: State, pull: PullRequest, parsed: Parsed, actor: str) -> None:
    message = parsed.one("--merge-commit-message") or f"Merged PR {pull.number}: {pull.title}"
    by_force = _yes(parsed, "--bypass-policy")
    try:
        pulls.merge(state, pull, actor, message, squash=_yes(parsed, "--squash"), by_force=by_force)
    except PullRefused as refused:
        raise Refusal(f"The pull request {pull.number} cannot be completed: {refused}") from refused
    if _yes(parsed, "--delete-source-branch"):
        pulls.bare_of(state).delete(pull.head)


def _create_sentence(refused: PullRefused, head: str, base: str) -> str:
    if refused.kind == "twin":
        return (
            "TF401179: An active pull request for the source and target branch already exists. "
            f"(pull request {refused})"
        )
    if refused.kind in {"head", "base"}:
        return f"TF401398: The pull request cannot be activated because {refused}: it no longer exists."
    return f"TF401179: there is nothing to merge from {head} into {base}"


def _found(state: State, parsed: Parsed) -> PullRequest:
    number = parsed.needed("--id")
    pull = state.pull(int(number)) if number.isdecimal() else None
    if pull is None:
        raise Refusal(f"TF401180: The requested pull request was not found: {number}.", _NOT_FOUND)
    return pull


def _description(parsed: Parsed) -> str | None:
    """Azure's command line makes a line of each value."""
    if not parsed.has("--description"):
        return None
    text = "\n".join(parsed.values["--description"])
    if len(text) > DESCRIPTION_LIMIT:
        raise Refusal(
            f"Invalid argument value.\nParameter name: A description may not be longer than {DESCRIPTION_LIMIT}."
        )
    return text


def _yes(parsed: Parsed, flag: str) -> bool:
    """`--flag`, `--flag true` or `--flag false`."""
    value = parsed.one(flag, "false")
    if value not in {"true", "false"}:
        raise Refusal(f"az: error: argument {flag}: invalid choice: '{value}' (choose from 'false', 'true')", 2)
    return value == "true"


def _branch(name: str | None) -> str:
    return (name or "").removeprefix("refs/heads/")
