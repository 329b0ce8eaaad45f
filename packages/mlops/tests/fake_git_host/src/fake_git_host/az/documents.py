"""Pull requests and repositories as Azure DevOps answers them, by the names of its REST API."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fake_git_host import pulls
from fake_git_host.pulls import PullRefused
from fake_git_host.rules import APPROVED, CHANGES_REQUESTED
from fake_git_host.state import PullRequest, State

STATUS = {"OPEN": "active", "MERGED": "completed", "CLOSED": "abandoned"}
VOTES = {APPROVED: 10, CHANGES_REQUESTED: -10, "COMMENTED": 0}


def guid(name: str) -> str:
    """The same id for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def organisation_url(state: State) -> str:
    """Where the organisation is."""
    return f"https://dev.azure.com/{state.owner}"


def repository(state: State) -> dict[str, Any]:
    """The repository."""
    return {
        "id": guid(f"{state.owner}/{state.project}/{state.name}"),
        "name": state.name,
        "defaultBranch": f"refs/heads/{state.branch}",
        "project": {"id": guid(f"{state.owner}/{state.project}"), "name": state.project, "visibility": "private"},
        "webUrl": f"{organisation_url(state)}/{state.project}/_git/{state.name}",
    }


def person(login: str) -> dict[str, Any]:
    """Somebody."""
    return {"id": guid(login), "displayName": login, "uniqueName": f"{login}@example.com"}


def pull_request(state: State, pull: PullRequest) -> dict[str, Any]:
    """One pull request."""
    last = {review.author: review for review in pull.reviews}
    home = repository(state)
    head, base = pull.head_commit, pull.base_commit
    try:
        head = head or pulls.head_commit(state, pull)
    except PullRefused:
        head = None
    return {
        "pullRequestId": pull.number,
        "title": pull.title,
        "description": pull.body,
        "status": STATUS[pull.state],
        "isDraft": pull.is_draft,
        "sourceRefName": f"refs/heads/{pull.head}",
        "targetRefName": f"refs/heads/{pull.base}",
        "createdBy": person(pull.author),
        "creationDate": pull.created,
        "closedDate": pull.merged,
        "mergeStatus": _merge_status(state, pull),
        "lastMergeSourceCommit": {"commitId": head} if head else None,
        "lastMergeTargetCommit": {"commitId": base or pulls.base_commit(state, pull)},
        "lastMergeCommit": {"commitId": pull.merge_commit} if pull.merge_commit else None,
        "labels": [{"name": name, "active": True} for name in pull.labels],
        "reviewers": [person(name) | {"vote": VOTES[review.state]} for name, review in last.items()],
        "repository": home,
        "url": f"{organisation_url(state)}/_apis/git/repositories/{home['id']}/pullRequests/{pull.number}",
    }


def _merge_status(state: State, pull: PullRequest) -> str:
    if pull.state == "MERGED":
        return "succeeded"
    return "succeeded" if pulls.is_mergeable(state, pull) else "conflicts"
