"""The state besides git: pull requests, settings, tokens. One JSON file, one writer at a time."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATE_FILE = "state.json"
LOCK_FILE = "state.lock"
DEVELOPER = "developer"


@dataclass
class Review:
    """A review of a commit: APPROVED, CHANGES_REQUESTED or COMMENTED."""

    author: str
    state: str
    body: str
    commit: str
    when: str


@dataclass
class Comment:
    """A comment on a pull request."""

    author: str
    body: str
    when: str


@dataclass
class PullRequest:
    """A pull request; `state` is OPEN, CLOSED or MERGED, branches without refs/heads/."""

    number: int
    title: str
    body: str
    head: str
    base: str
    author: str
    created: str
    is_draft: bool = False
    state: str = "OPEN"
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)
    """Check → conclusion, as the CI system reported it for the newest commit."""
    merged: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    head_commit: str | None = None
    """Where the branch was when the pull request was merged or closed."""
    base_commit: str | None = None


@dataclass
class State:
    """The whole state. `documents` are the answers of settings routes, `tokens` maps a token to its user."""

    kind: str
    owner: str
    project: str
    name: str
    remote: str
    branch: str = "main"
    logged_in: str | None = DEVELOPER
    tokens: dict[str, str] = field(default_factory=dict)
    pulls: list[PullRequest] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    """What was dispatched: workflow or pipeline, branch, inputs."""
    attested: list[dict[str, Any]] = field(default_factory=list)
    """What was attested: builder and in-toto statement."""

    def pull(self, number: int) -> PullRequest | None:
        """One pull request."""
        return next((pull for pull in self.pulls if pull.number == number), None)


def now() -> str:
    """The current time, in the format of both hosts."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_state(folder: Path) -> State:
    """The state as it is now."""
    document = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    pulls = [
        PullRequest(
            **each
            | {"reviews": [Review(**item) for item in each["reviews"]]}
            | {"comments": [Comment(**item) for item in each["comments"]]}
        )
        for each in document.pop("pulls")
    ]
    return State(**document, pulls=pulls)


def write_state(folder: Path, state: State) -> None:
    """Replace the state in one step."""
    draft = folder / f".{STATE_FILE}"
    draft.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    draft.replace(folder / STATE_FILE)


@contextmanager
def changing(folder: Path) -> Generator[State]:
    """Lock the state; write changes unless an exception is raised."""
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = read_state(folder)
        yield state
        write_state(folder, state)
