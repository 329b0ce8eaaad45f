"""A fresh clone of the repository for each job, at a commit and a depth.

Objects are borrowed, not copied, so that a clone takes milliseconds. What a shallow clone does not have is hidden.
"""

from __future__ import annotations

from pathlib import Path

from workflow_replay.common.git import Repository
from workflow_replay.errors import RepositoryError


def check_out(
    repository: Path,
    commit: str,
    target: Path,
    branch: str | None = None,
    depth: int | None = None,
    remote_url: str | None = None,
) -> None:
    """Clone `repository` into `target`, which is created if missing, and check out `commit`.

    `branch` is the local branch to check out, None for a detached HEAD. `depth` is the number of commits; a shallow
    clone has no other branch and no tag; None is the full history. `remote_url` is the URL of the clone's remote,
    None the repository's folder. Raises RepositoryError for an unknown commit.
    """
    target.mkdir(parents=True, exist_ok=True)
    source = Repository(repository)
    found = source.resolve(commit)
    if found is None:
        raise RepositoryError(f"{repository} has no commit {commit}", "Push it there first.")
    clone = source.borrow(target)
    if remote_url is not None:
        clone.configure("remote.origin.url", remote_url)
    if depth is None:
        clone.update_refs(source.refs())
    else:
        clone.make_shallow(found, depth)
        if branch is not None:
            clone.update_ref(f"refs/remotes/origin/{branch}", found)
    clone.check_out(found, branch)
