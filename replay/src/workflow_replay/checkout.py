"""A fresh clone of the repository at a commit for each job, whose `origin` is the repository that is replayed."""

from __future__ import annotations

from pathlib import Path

from workflow_replay.errors import RepositoryError
from workflow_replay.git import Repository


def check_out(repository: Path, commit: str, target: Path, branch: str | None = None) -> None:
    """Clone `repository` into `target` (made when missing, must be empty) with the files of `commit`.

    `branch` is the local branch to be on, None for a detached head. Pushing to origin reaches `repository`.
    Raises RepositoryError for a commit that the repository does not have.
    """
    target.mkdir(parents=True, exist_ok=True)
    clone = Repository(repository).clone(target)
    found = clone.resolve(commit)
    if found is None:
        raise RepositoryError(f"{repository} has no commit {commit}", "Push it there first.")
    clone.check_out(found, branch)
