"""What GitHub tells a workflow of an event: the keys of its payload that workflows read."""

from __future__ import annotations

from typing import Any

from fake_git_host import pulls
from fake_git_host.state import PullRequest, State

_NOTHING = "0" * 40


def repository(state: State) -> dict[str, Any]:
    """`github.event.repository`."""
    full = f"{state.owner}/{state.name}"
    return {
        "name": state.name,
        "full_name": full,
        "default_branch": state.branch,
        "owner": {"login": state.owner},
        "html_url": f"https://github.com/{full}",
    }


def push(state: State, before: str | None, after: str, actor: str, branch: str | None = None) -> dict[str, Any]:
    """A push, or a merge, which is one."""
    message = pulls.bare_of(state).run("log", "-1", "--format=%B", after)
    return {
        "ref": f"refs/heads/{branch or state.branch}",
        "before": before or _NOTHING,
        "after": after,
        "head_commit": {"id": after, "message": message},
        "pusher": {"name": actor},
        "sender": {"login": actor},
        "repository": repository(state),
    }


def pull_request(state: State, pull: PullRequest, action: str, actor: str) -> dict[str, Any]:
    """Something that happened to a pull request: opened, synchronize, reopened, closed …"""
    full = repository(state)["full_name"]
    place = {"full_name": full, "name": state.name, "fork": False}
    return {
        "action": action,
        "number": pull.number,
        "pull_request": {
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "draft": pull.is_draft,
            "merged": pull.state == "MERGED",
            "merge_commit_sha": pull.merge_commit,
            "state": "open" if pull.state == "OPEN" else "closed",
            "user": {"login": pull.author},
            "labels": [{"name": name} for name in pull.labels],
            "head": {"ref": pull.head, "sha": pulls.head_commit(state, pull), "repo": place},
            "base": {"ref": pull.base, "sha": pulls.base_commit(state, pull), "repo": place},
            "html_url": f"https://github.com/{full}/pull/{pull.number}",
        },
        "sender": {"login": actor},
        "repository": repository(state),
    }
