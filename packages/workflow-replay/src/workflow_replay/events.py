"""Events that may start a workflow. They are the same for both systems; each builds its own payload from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_replay.common.git import NO_COMMIT

PullRequestAction = Literal[
    "opened", "synchronize", "reopened", "closed", "edited", "labeled", "unlabeled", "ready_for_review",
    "review_requested", "converted_to_draft", "assigned", "unassigned", "locked", "unlocked",
    "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "enqueued", "dequeued", "milestoned",
    "demilestoned",
]  # fmt: skip


@dataclass(frozen=True)
class Push:
    """A push to a ref ("refs/heads/main", "refs/tags/v1").

    `before` and `after` are commits: `before` is NO_COMMIT for a new ref, `after` None is the ref's current commit.
    """

    ref: str
    before: str = NO_COMMIT
    after: str | None = None
    actor: str = "octocat"


@dataclass(frozen=True)
class PullRequest:
    """An action on a pull request from branch `head` to branch `base`, both in the repository.

    `from_fork` treats the head as a fork's branch. `merged` matters for the action "closed" only.
    """

    head: str
    base: str
    action: PullRequestAction = "opened"
    number: int = 1
    title: str = "A change"
    body: str = ""
    labels: tuple[str, ...] = ()
    draft: bool = False
    merged: bool = False
    from_fork: bool = False
    actor: str = "octocat"


@dataclass(frozen=True)
class Manual:
    """A manual run on a ref, with inputs (Azure: parameters) as text."""

    ref: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    actor: str = "octocat"


@dataclass(frozen=True)
class Schedule:
    """A scheduled run; `cron` selects one of the workflow's schedules, None the first."""

    cron: str | None = None
    actor: str = "octocat"


@dataclass(frozen=True)
class Dispatch:
    """A repository_dispatch event, sent to GitHub's API: its type and payload."""

    type: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "octocat"


@dataclass(frozen=True)
class Completed:
    """Another workflow ran on a branch (GitHub's workflow_run, Azure's pipeline resources).

    `stages` are the stages that it completed, `tags` the tags of that run (Azure).
    """

    workflow: str
    branch: str
    conclusion: str = "success"
    action: Literal["completed", "requested", "in_progress"] = "completed"
    actor: str = "octocat"
    stages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergeGroup:
    """The merge queue requests checks (GitHub's merge_group) of a ref that is to be merged into branch `base`."""

    head: str
    base: str
    actor: str = "octocat"


Event = Push | PullRequest | Manual | Schedule | Dispatch | Completed | MergeGroup
