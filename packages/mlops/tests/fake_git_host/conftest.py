"""A fake git host of each kind with one commit on its default branch, and helpers to work in a clone."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_git_host import FakeAzureDevOps, FakeGitHost, FakeGitHub


@dataclass(frozen=True)
class Work:
    """A clone, and the host that its commands use."""

    host: FakeGitHost
    folder: Path

    def run(self, *command: str, token: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command in the clone."""
        environment = os.environ | self.host.variables(token) | variables
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


def begin(host: FakeGitHost, folder: Path) -> Work:
    """Make a first commit, and clone."""
    host.begin({"releases/prod.yml": "one\n"})
    return Work(host, host.clone(folder))


@pytest.fixture
def github(tmp_path: Path) -> Work:
    return begin(FakeGitHub.make(tmp_path / "host"), tmp_path / "clone")


@pytest.fixture
def azure(tmp_path: Path) -> Work:
    return begin(FakeAzureDevOps.make(tmp_path / "host"), tmp_path / "clone")


@pytest.fixture(scope="module")
def shared_github(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """One that tests share, since no request succeeds."""
    folder = tmp_path_factory.mktemp("github")
    return begin(FakeGitHub.make(folder / "host"), folder / "clone")


@pytest.fixture(scope="module")
def shared_azure(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """The same in Azure DevOps."""
    folder = tmp_path_factory.mktemp("azure")
    return begin(FakeAzureDevOps.make(folder / "host"), folder / "clone")
