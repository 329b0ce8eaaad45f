"""A fresh clone of the repository at a commit for each job, as deep as the service makes it, whose `origin` it is.

Objects are borrowed, not copied, so that a clone costs milliseconds; what a shallow clone does not have cannot be seen.
"""

from __future__ import annotations

from pathlib import Path

from workflow_replay.errors import RepositoryError
from workflow_replay.git import Repository


def check_out(
    repository: Path,
    commit: str,
    target: Path,
    branch: str | None = None,
    depth: int | None = None,
    origin: str | None = None,
) -> None:
    """Clone `repository` into `target` (made when missing) with the files of `commit`.

    `branch` is the local branch to be on, None for a detached head. `depth` is how many commits the clone has from
    there, and then no other branch and no tag; None is all of it. `origin` is the address that the clone's remote
    has, for forges that go by an address of their own; None is the repository's folder.
    Raises RepositoryError for a commit that the repository does not have.
    """
    target.mkdir(parents=True, exist_ok=True)
    source = Repository(repository)
    found = source.resolve(commit)
    if found is None:
        raise RepositoryError(f"{repository} has no commit {commit}", "Push it there first.")
    clone = source.borrow(target)
    if origin is not None:
        clone.configure("remote.origin.url", origin)
    if depth is None:
        clone.point_all(source.refs())
    else:
        clone.cut_off(found, depth)
        if branch is not None:
            clone.point(f"refs/remotes/origin/{branch}", found)
    clone.check_out(found, branch)
