"""Committing to a branch beside a checkout, in real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from mlops.core.errors import MachineError, ProjectError
from mlops.core.git import Repository

MANIFEST = PurePosixPath("releases/dev.yml")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a bare repository with one commit; its project lies in a folder of its own."""
    remote, folder = tmp_path / "remote.git", tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(remote))
    git(tmp_path, "clone", "--quiet", str(remote), str(folder))
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.org")
    (folder / "project" / "releases").mkdir(parents=True)
    (folder / "project" / MANIFEST).write_text("release: null\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    git(folder, "push", "--quiet", "origin", "HEAD:main")
    return folder


def test_a_branch_is_made_without_touching_the_checkout(clone: Path) -> None:
    # given a checkout with an edit that is not committed
    repository = Repository(clone / "project")
    (clone / "project" / "notes.txt").write_text("mine")
    before = git(clone, "status", "--porcelain")
    # when a branch is committed and pushed
    base = repository.head()
    content = b"release: 2\n"
    commit = repository.commit_on_branch("promote/dev/m-2", base, {MANIFEST: content}, "Promote m 2")
    repository.push("origin", "promote/dev/m-2")
    # then the branch has the change and the checkout is as it was
    assert repository.read("promote/dev/m-2", MANIFEST) == content.decode()
    assert repository.changed(base, commit) == (MANIFEST,)
    assert repository.fetch("origin", "promote/dev/m-2") == commit
    assert git(clone, "status", "--porcelain") == before
    assert repository.head() == base


def test_the_same_change_twice_is_one_commit_and_another_replaces_it(clone: Path) -> None:
    repository = Repository(clone / "project")
    base = repository.head()
    first = repository.commit_on_branch("b", base, {MANIFEST: b"1\n"}, "One")
    repository.push("origin", "b")
    # when nothing has changed, then nothing is made
    assert repository.commit_on_branch("b", base, {MANIFEST: b"1\n"}, "One") == first
    repository.push("origin", "b")
    # when it has, then the branch is replaced, not built upon
    second = repository.commit_on_branch("b", base, {MANIFEST: b"2\n"}, "Two")
    repository.push("origin", "b")
    assert git(clone, "rev-list", "--count", f"{base}..{second}") == "1"
    assert repository.fetch("origin", "b") == second


def test_a_push_that_is_refused_says_what_the_remote_said(clone: Path, tmp_path: Path) -> None:
    # given a remote that takes nothing
    repository = Repository(clone / "project")
    repository.commit_on_branch("b", repository.head(), {MANIFEST: b"ours\n"}, "Ours")
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no pushes today\nexit 1\n")
    hook.chmod(0o755)
    # when it is pushed to, then its words reach the person
    with pytest.raises(MachineError) as caught:
        repository.push("origin", "b")
    assert any("no pushes today" in line for line in caught.value.details)


def test_what_is_not_there_is_none(clone: Path) -> None:
    repository = Repository(clone / "project")
    assert repository.resolve("no-such") is None
    assert repository.resolve("--all") is None
    assert repository.read("HEAD", PurePosixPath("missing.yml")) is None
    assert repository.fetch("origin", "no-such") is None
    assert repository.remote_url("upstream") is None
    assert repository.default_branch("origin") == "main"
    assert repository.is_dirty() is False


def test_what_is_not_text_is_named_with_its_revision(clone: Path) -> None:
    # given binary files, and one whose name is no text either
    project = clone / "project"
    (project / MANIFEST).write_bytes("release: null\n".encode("utf-16"))
    (project / "releases" / os.fsdecode(b"\xff.yml")).write_bytes(b"\0")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "Binary")
    repository = Repository(project)

    # then
    with pytest.raises(ProjectError, match=r"releases/dev\.yml at HEAD is not UTF-8 text"):
        repository.read("HEAD", MANIFEST)
    assert repository.read_at(["HEAD", "HEAD~1"], MANIFEST) == (None, "release: null\n")
    assert {path.name for path in repository.changed("HEAD~1")} == {"dev.yml", os.fsdecode(b"\xff.yml")}
