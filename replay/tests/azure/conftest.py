"""Repositories with pipeline files, made by real git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

_AUTHOR = {
    "GIT_AUTHOR_NAME": "An author", "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "An author", "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


class GitRepository:
    """A repository with a work tree, for given files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={"PATH": os.environ["PATH"], **_AUTHOR},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str], message: str = "A change") -> str:
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


MakeRepository = Callable[[Mapping[str, str]], GitRepository]


@pytest.fixture
def make_repository(tmp_path: Path) -> MakeRepository:
    def make(files: Mapping[str, str]) -> GitRepository:
        repository = GitRepository(tmp_path / "repository")
        repository.commit(files, "The first commit")
        return repository

    return make
