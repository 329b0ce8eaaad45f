"""Operations on pull requests, for all programs and tests. Every refusal is a PullRefused."""

from __future__ import annotations

from pathlib import Path

from fake_git_host.bare import Bare, Conflict
from fake_git_host.rules import APPROVED, obstacle
from fake_git_host.state import Comment, PullRequest, Review, State, now

NOT_MERGEABLE = "conflicts"
BLOCKED = "policy"


class PullRefused(Exception):
    """What cannot be done with a pull request; `kind` tells the programs which sentence is theirs."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def bare_of(state: State) -> Bare:
    """The repository."""
    return Bare(Path(state.remote))


def head_commit(state: State, pull: PullRequest) -> str:
    """The newest commit of a pull request. Raises PullRefused when its branch is gone."""
    commit = pull.head_commit or bare_of(state).commit(pull.head)
    if commit is None:
        raise PullRefused("gone", f"the branch {pull.head} is gone")
    return commit


def base_commit(state: State, pull: PullRequest) -> str:
    """The commit that it would be merged into, or was."""
    return pull.base_commit or bare_of(state).commit(pull.base) or ""


def open_pulls(state: State) -> list[PullRequest]:
    """The open ones, newest first."""
    return [pull for pull in reversed(state.pulls) if pull.state == "OPEN"]


def create(
    state: State, head: str, base: str, title: str, body: str, author: str, *, is_draft: bool = False
) -> PullRequest:
    """Open one. Raises PullRefused for branches that are not there, without commits, or proposed already."""
    bare = bare_of(state)
    for branch, what in ((head, "head"), (base, "base")):
        if bare.commit(branch) is None:
            raise PullRefused(what, f"there is no branch {branch}")
    if not bare.is_ahead(f"refs/heads/{head}", f"refs/heads/{base}"):
        raise PullRefused("nothing", f"No commits between {base} and {head}")
    twin = next((each for each in open_pulls(state) if (each.head, each.base) == (head, base)), None)
    if twin is not None:
        raise PullRefused("twin", str(twin.number))
    number = 1 + max((each.number for each in state.pulls), default=0)
    pull = PullRequest(number, title, body, head, base, author, now(), is_draft)
    state.pulls.append(pull)
    return pull


def review(state: State, pull: PullRequest, author: str, verdict: str, body: str = "") -> None:
    """Give a verdict. Raises PullRefused for one's own pull request, or one that is closed."""
    if pull.state != "OPEN":
        raise PullRefused("closed", f"pull request {pull.number} is {pull.state.lower()}")
    if verdict == APPROVED and author == pull.author:
        raise PullRefused("own", "Can not approve your own pull request")
    pull.reviews.append(Review(author, verdict, body, head_commit(state, pull), now()))


def comment(pull: PullRequest, author: str, body: str) -> None:
    """Say something."""
    pull.comments.append(Comment(author, body, now()))


def is_mergeable(state: State, pull: PullRequest) -> bool:
    """Whether git can merge it."""
    bare = bare_of(state)
    try:
        bare.merged_tree(f"refs/heads/{pull.base}", head_commit(state, pull))
    except (Conflict, PullRefused):
        return False
    return True


def merge(
    state: State, pull: PullRequest, actor: str, message: str, *, squash: bool = False, by_force: bool = False
) -> str:
    """Merge it; the new commit. Raises PullRefused when rules or conflicts stand against it."""
    if pull.state != "OPEN":
        raise PullRefused("closed", f"pull request {pull.number} is {pull.state.lower()}")
    head = head_commit(state, pull)
    against = None if by_force else obstacle(state, pull, head)
    if against:
        raise PullRefused(BLOCKED, against)
    before = base_commit(state, pull)
    try:
        commit = bare_of(state).merge(pull.base, head, message, actor, squash=squash)
    except Conflict as error:
        raise PullRefused(NOT_MERGEABLE, "the merge commit cannot be cleanly created") from error
    pull.state, pull.merged, pull.merged_by = "MERGED", now(), actor
    pull.merge_commit, pull.head_commit, pull.base_commit = commit, head, before
    return commit


def close(state: State, pull: PullRequest) -> None:
    """Close it unmerged."""
    if pull.state == "OPEN":
        pull.head_commit = bare_of(state).commit(pull.head)
        pull.base_commit = bare_of(state).commit(pull.base)
        pull.state = "CLOSED"


def revert(state: State, pull: PullRequest, author: str, title: str, body: str) -> PullRequest:
    """Open a pull request that takes a merged one back. Raises PullRefused."""
    if pull.merge_commit is None:
        raise PullRefused("closed", f"pull request {pull.number} is not merged")
    branch = f"revert-{pull.number}-{pull.head}"
    try:
        bare_of(state).revert(pull.merge_commit, pull.base, branch, author)
    except Conflict as error:
        raise PullRefused(NOT_MERGEABLE, "it cannot be reverted cleanly") from error
    return create(state, branch, pull.base, title, body, author)
