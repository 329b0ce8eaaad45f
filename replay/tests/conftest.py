"""A real repository to replay workflows in."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest


class Origin:
    """A bare repository and a checkout that commits to it."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "origin.git"
        self.work = folder / "work"
        self._run("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self._run("init", "--quiet", "--initial-branch=main", str(self.work))
        for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
            self._git("config", key, value)
        self._git("remote", "add", "origin", str(self.bare))

    def commit(self, files: Mapping[str, str], message: str = "Change", branch: str = "main") -> str:
        """Commit files on a branch (made from where the checkout is) and push it; the commit's id."""
        self._git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            file = self.work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        self._git("push", "--quiet", "--force", "origin", branch)
        return self._git("rev-parse", "HEAD")

    def switch(self, branch: str) -> None:
        """Go to a branch."""
        self._git("checkout", "--quiet", branch)

    def tag(self, name: str) -> None:
        """Tag the commit checked out."""
        self._git("tag", name)
        self._git("push", "--quiet", "origin", name)

    def tip(self, ref: str) -> str:
        """The commit of a ref of the bare repository."""
        return self._run("-C", str(self.bare), "rev-parse", ref)

    def _git(self, *arguments: str) -> str:
        return self._run("-C", str(self.work), *arguments)

    def _run(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "repository")
