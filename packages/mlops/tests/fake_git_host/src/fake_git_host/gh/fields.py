"""The fields of `gh pr … --json`, by their names in gh; only those that this project and its tests use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fake_git_host import pulls
from fake_git_host.rules import APPROVED, CHANGES_REQUESTED, approvals, obstacle
from fake_git_host.state import PullRequest, State


def render(state: State, pull: PullRequest, fields: list[str], url: str) -> dict[str, Any]:
    """The fields asked for."""
    return {name: url if name == "url" else FIELDS[name](state, pull) for name in fields}


def _person(login: str) -> dict[str, Any]:
    is_bot = login.endswith("[bot]")
    return {"id": f"U_{login}", "is_bot": is_bot, "login": f"app/{login[:-5]}" if is_bot else login, "name": ""}


def _reviews(state: State, pull: PullRequest) -> list[dict[str, Any]]:
    return [
        {
            "author": {"login": review.author},
            "body": review.body,
            "commit": {"oid": review.commit},
            "state": review.state,
            "submittedAt": review.when,
        }
        for review in pull.reviews
    ]


def _decision(state: State, pull: PullRequest) -> str:
    head = pulls.head_commit(state, pull)
    last = {review.author: review.state for review in pull.reviews if review.state in (APPROVED, CHANGES_REQUESTED)}
    if CHANGES_REQUESTED in last.values():
        return CHANGES_REQUESTED
    if obstacle(state, pull, head) and "approvals" in (obstacle(state, pull, head) or ""):
        return "REVIEW_REQUIRED"
    return APPROVED if approvals(pull, head, stale_count=True) else ""


def _mergeable(state: State, pull: PullRequest) -> str:
    if pull.state != "OPEN":
        return "UNKNOWN"
    return "MERGEABLE" if pulls.is_mergeable(state, pull) else "CONFLICTING"


def _merge_state(state: State, pull: PullRequest) -> str:
    if pull.state != "OPEN":
        return "UNKNOWN"
    if not pulls.is_mergeable(state, pull):
        return "DIRTY"
    return "BLOCKED" if obstacle(state, pull, pulls.head_commit(state, pull)) else "CLEAN"


def _checks(state: State, pull: PullRequest) -> list[dict[str, Any]]:
    return [
        {"__typename": "CheckRun", "name": name, "status": "COMPLETED", "conclusion": conclusion.upper()}
        for name, conclusion in pull.checks.items()
    ]


def _files(state: State, pull: PullRequest) -> list[dict[str, Any]]:
    listing = pulls.bare_of(state).files_changed(pulls.head_commit(state, pull), pulls.base_commit(state, pull))
    return [{"path": path} for path in listing]


def _commit(state: State, pull: PullRequest) -> dict[str, str] | None:
    return {"oid": pull.merge_commit} if pull.merge_commit else None


FIELDS: dict[str, Callable[[State, PullRequest], Any]] = {
    "number": lambda _, pull: pull.number,
    "title": lambda _, pull: pull.title,
    "body": lambda _, pull: pull.body,
    "state": lambda _, pull: pull.state,
    "author": lambda _, pull: _person(pull.author),
    "url": lambda *_: "",
    "isDraft": lambda _, pull: pull.is_draft,
    "isCrossRepository": lambda *_: False,
    "headRefName": lambda _, pull: pull.head,
    "headRefOid": pulls.head_commit,
    "baseRefName": lambda _, pull: pull.base,
    "baseRefOid": pulls.base_commit,
    "createdAt": lambda _, pull: pull.created,
    "mergedAt": lambda _, pull: pull.merged,
    "mergedBy": lambda _, pull: _person(pull.merged_by) if pull.merged_by else None,
    "mergeCommit": _commit,
    "mergeable": _mergeable,
    "mergeStateStatus": _merge_state,
    "reviews": _reviews,
    "reviewDecision": _decision,
    "comments": lambda _, pull: [
        {"author": {"login": each.author}, "body": each.body, "createdAt": each.when} for each in pull.comments
    ],
    "files": _files,
    "labels": lambda _, pull: [{"name": name} for name in pull.labels],
    "statusCheckRollup": _checks,
}
