"""A forge of each kind with one commit on its default branch, and ways to work in a clone of it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forge_standin import AzureForge, Forge, GitHubForge


@dataclass(frozen=True)
class Work:
    """A clone, and the forge that its commands talk to."""

    forge: Forge
    folder: Path

    def run(self, *command: str, token: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command in the clone."""
        environment = os.environ | self.forge.variables(token) | variables
        for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "TF_BUILD"):
            if name not in variables and not (name == "GH_TOKEN" and token):
                environment.pop(name, None)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def answer(self, *command: str, token: str | None = None) -> Any:
        """Run a command that must succeed, and read its JSON."""
        done = self.run(*command, token=token)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def git(self, *words: str) -> str:
        """Run git, which must succeed."""
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = self.run("git", *identity, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def propose(self, branch: str, files: dict[str, str], message: str = "Change") -> str:
        """Push a branch from the remote's main, as last fetched, with some files changed; its commit."""
        self.git("checkout", "--quiet", "-B", branch, "origin/main")
        self.commit(files, message)
        self.git("push", "--quiet", "--force", "origin", f"{branch}:{branch}")
        return self.git("rev-parse", "HEAD")

    def commit(self, files: dict[str, str], message: str) -> None:
        """Commit some files on the branch checked out."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)


def begin(forge: Forge, folder: Path) -> Work:
    """A clone of a forge that now has a first commit."""
    forge.begin({"releases/prod.yml": "one\n"})
    return Work(forge, forge.clone(folder))


@pytest.fixture
def github(tmp_path: Path) -> Work:
    return begin(GitHubForge.make(tmp_path / "forge"), tmp_path / "clone")


@pytest.fixture
def azure(tmp_path: Path) -> Work:
    return begin(AzureForge.make(tmp_path / "forge"), tmp_path / "clone")


@pytest.fixture(scope="module")
def quiet_github(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """One on which nothing succeeds, so that tests may share it."""
    folder = tmp_path_factory.mktemp("github")
    return begin(GitHubForge.make(folder / "forge"), folder / "clone")


@pytest.fixture(scope="module")
def quiet_azure(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """The same in Azure DevOps."""
    folder = tmp_path_factory.mktemp("azure")
    return begin(AzureForge.make(folder / "forge"), folder / "clone")
