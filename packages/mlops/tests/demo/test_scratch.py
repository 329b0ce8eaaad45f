"""The repository that a demo releases in, made from projects in every state."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from mlops.core.errors import MachineError
from mlops.core.git import git_commit
from mlops.demo.scratch import TIMING, Scratch, forget, prepare
from mlops.settings.project import load_project
from mlops.settings.releases import read_manifest

ROOT = Path(__file__).parents[4]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a project, without git."""
    project = tmp_path / "work" / "project"
    shutil.copytree(ROOT / "releases", project / "releases", ignore=shutil.ignore_patterns("reports"))
    shutil.copy(ROOT / "project.yml", project)
    (project / ".gitignore").write_text(".mlops/\nsecret.txt\n")
    (project / "secret.txt").write_text("not for anybody")
    return project


def committed(folder: Path, top: Path) -> str:
    git(top, "init", "-q", "-b", "trunk")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "one")
    return git(folder, "rev-parse", "HEAD")


def prepared(folder: Path) -> Scratch:
    return prepare(load_project(folder), lambda _: None)


def test_it_is_complete_after_an_interruption_at_any_moment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a git that is stopped at its n-th call: in a new scratch repository, and in that of other files
    real, path = shutil.which("git"), os.environ["PATH"]
    calls = tmp_path / "calls"
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(
        f'#!/bin/sh\necho >> {calls}\n[ "$(wc -l < {calls})" -eq "$STOP_AT" ] && exit 130\nexec {real} "$@"\n'
    )
    shim.chmod(0o700)
    committed(folder, folder)
    interrupted = 0
    for stop_at in range(1, 60):
        if stop_at % 2:
            forget(load_project(folder))
        (folder / "project.yml").write_text((folder / "project.yml").read_text() + f"# {stop_at}\n")
        git(folder, "commit", "-qam", "other files")
        calls.write_text("")
        with monkeypatch.context() as interrupting:
            interrupting.setenv("PATH", f"{shim.parent}:{path}")
            interrupting.setenv("STOP_AT", str(stop_at))
            try:
                prepared(folder)
            except MachineError:
                interrupted += 1

        # when it is prepared again
        scratch = prepared(folder)

        # then the newest files are on the branch, here and at the remote
        root = scratch.at_branch().root
        assert (root / "project.yml").read_text() == (folder / "project.yml").read_text()
        assert git(root, "ls-remote", "origin", "refs/heads/main").split()[0] == git(root, "rev-parse", "main")
        if len(calls.read_text().splitlines()) < stop_at:
            break
    assert interrupted > 10


@pytest.mark.parametrize("depth", [0, 1], ids=["at the top", "in a folder of a repository"])
def test_clean_project_is_trained_at_its_own_commit(folder: Path, depth: int) -> None:
    head = committed(folder, (folder, folder.parent)[depth])

    scratch = prepared(folder)

    assert git_commit(scratch.at_source().root) == head
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "branch", "--list") == "* trunk"


def test_a_shallow_clone_is_trained_at_its_commit(folder: Path, tmp_path: Path) -> None:
    committed(folder, folder)
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", folder.as_uri(), str(shallow))

    scratch = prepared(shallow)

    assert git_commit(scratch.at_source().root) == git(folder, "rev-parse", "HEAD")
    assert prepared(shallow).at_branch().root == scratch.project.root


def test_uncommitted_files_are_part_of_a_commit_of_the_scratch_repository(folder: Path) -> None:
    # given a change, a new file, and an index with something in it
    head = committed(folder, folder)
    (folder / "project.yml").write_text((folder / "project.yml").read_text() + "# mine\n")
    (folder / "new.txt").write_text("new")
    before = git(folder, "status", "--porcelain")

    # when
    root = prepared(folder).at_source().root

    # then
    assert git_commit(root) not in {head, "unknown"}
    assert "-dirty" not in git_commit(root)
    assert (root / "new.txt").read_text() == "new"
    assert not (root / "secret.txt").exists()
    assert git(folder, "status", "--porcelain") == before


def test_project_without_git_has_the_same_commit_for_the_same_files(folder: Path) -> None:
    first = git_commit(prepared(folder).at_source().root)
    forget(load_project(folder))
    again = git_commit(prepared(folder).at_source().root)
    (folder / "new.txt").write_text("new")
    changed = git_commit(prepared(folder).at_source().root)

    assert len(first) == 40
    assert again == first
    assert changed != first
    assert not (folder / ".git").exists()


def test_rollouts_are_short_there_and_only_there(folder: Path) -> None:
    before = (folder / "releases" / "prod.yml").read_bytes()

    root = prepared(folder).at_branch().root

    manifest = read_manifest(root / "releases" / "prod.yml")
    rollout = manifest.rollout
    assert rollout.soak_seconds == TIMING.soak_seconds
    assert rollout.load.seconds == TIMING.load_seconds
    assert rollout.load.requests_per_second == TIMING.requests_per_second
    assert rollout.traffic_steps == (5, 25, 50, 100)
    # and what a deployment is judged by there are its failures: latencies are those of a machine that does other things
    slo, promised = manifest.slo, read_manifest(folder / "releases" / "prod.yml").slo
    assert slo.error_rate == promised.error_rate
    assert (slo.p95_milliseconds, slo.p99_milliseconds) == (TIMING.p95_milliseconds, TIMING.p99_milliseconds)
    assert slo.p95_milliseconds >= 5 * promised.p95_milliseconds
    assert (folder / "releases" / "prod.yml").read_bytes() == before


def test_releases_stay_until_the_project_changes(folder: Path) -> None:
    # given a release in the scratch repository, and a merge after it that was interrupted
    scratch = prepared(folder)
    scratch.at_branch()
    git(scratch.project.root, "commit", "--allow-empty", "-qm", "a release")
    scratch.repository.publish_branch()
    release = git(scratch.project.root, "rev-parse", "HEAD")
    git(scratch.project.root, "commit", "--allow-empty", "-qm", "half a release")

    # when nothing changes it stays, and with the project it begins again
    again = prepared(folder)
    assert git(again.at_branch().root, "rev-parse", "HEAD") == release
    (folder / "new.txt").write_text("new")
    assert git(prepared(folder).at_branch().root, "log", "--format=%s") == (
        "Shorten the rollouts for a demo, and trust this machine\nThe working files"
    )


def test_a_change_of_files_is_one_commit_that_is_pushed_once(folder: Path) -> None:
    scratch = prepared(folder)
    root = scratch.at_branch().root
    rules = PurePosixPath("releases/retraining.yml")

    for _ in range(2):
        scratch.repository.change({rules: b"data: newest\n"}, "Train on the newest")

    assert git(root, "log", "-2", "--format=%s").splitlines()[0] == "Train on the newest"
    assert git(root, "log", "--format=%s").count("Train on the newest") == 1
    assert git(root, "rev-parse", "origin/main") == git(root, "rev-parse", "HEAD")
    assert (root / rules).read_text() == "data: newest\n"


def test_proposals_that_nobody_merged_are_waiting(folder: Path) -> None:
    # given one proposal that was merged, and one that was not
    scratch = prepared(folder)
    root = scratch.at_branch().root
    for name in ("merged", "open"):
        git(root, "checkout", "-q", "-b", f"promote/staging/{name}", "main")
        git(root, "commit", "--allow-empty", "-qm", name)
        git(root, "push", "-q", "origin", f"promote/staging/{name}")
    scratch.at_branch()
    scratch.repository.merge("promote/staging/merged", "Merge")
    scratch.repository.publish_branch()

    assert scratch.repository.waiting("promote") == ("promote/staging/open",)


def test_commands_in_the_scratch_repository_share_the_state(folder: Path) -> None:
    root = prepared(folder).project.root

    assert (root / ".mlops").resolve() == folder / ".mlops"
    assert git(root, "status", "--porcelain") == ""


def test_gates_are_changed_there_and_only_there_and_begin_again_when_they_change(folder: Path) -> None:
    own = (folder / "releases" / "gates.yml").read_bytes()
    prepared(folder)

    changed = prepare(load_project(folder), lambda _: None, lambda text: text.encode() + b"# for synthetic rows\n")

    assert (changed.at_branch().root / "releases" / "gates.yml").read_bytes() == own + b"# for synthetic rows\n"
    assert (folder / "releases" / "gates.yml").read_bytes() == own
    assert (prepared(folder).at_branch().root / "releases" / "gates.yml").read_bytes() == own
