"""What happened, so that a workflow may start: the same facts for every system; each makes its own payload of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_replay.git import NO_COMMIT

PullRequestAction = Literal[
    "opened", "synchronize", "reopened", "closed", "edited", "labeled", "unlabeled", "ready_for_review",
    "review_requested", "converted_to_draft", "assigned", "unassigned", "locked", "unlocked",
    "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "enqueued", "dequeued", "milestoned",
    "demilestoned",
]  # fmt: skip


@dataclass(frozen=True)
class Push:
    """Commits came to a ref ("refs/heads/main", "refs/tags/v1"); `before` is NO_COMMIT for a new ref.

    `after` None is what the ref names now.
    """

    ref: str
    before: str = NO_COMMIT
    after: str | None = None
    actor: str = "octocat"


@dataclass(frozen=True)
class PullRequest:
    """Something happened to a pull request from branch `head` to branch `base`, both in the repository.

    `from_fork` says that the head belongs to somebody else's fork. `merged` counts for the action closed.
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
    """Somebody started it by hand on a ref, with inputs (Azure: parameters) as text."""

    ref: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    actor: str = "octocat"


@dataclass(frozen=True)
class Schedule:
    """Its time has come; `cron` is which of its schedules, None the first."""

    cron: str | None = None
    actor: str = "octocat"


@dataclass(frozen=True)
class Dispatch:
    """Another program asked by the API (GitHub's repository_dispatch): a type and a payload."""

    type: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "octocat"


@dataclass(frozen=True)
class Completed:
    """Another workflow's run went on (GitHub's workflow_run, Azure's pipeline resources) on a branch.

    `stages` and `tags` are those that the run has completed and has (Azure).
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
    """The merge queue asks for checks (GitHub's merge_group) of a ref on the way to branch `base`."""

    head: str
    base: str
    actor: str = "octocat"


Event = Push | PullRequest | Manual | Schedule | Dispatch | Completed | MergeGroup
