"""Names of branches for whatever a model is called, and where a change began."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.core.git import Repository
from mlops.promotion.branch import branch_name, release_text, report_folder
from mlops.promotion.readiness import superseded
from mlops.promotion.stage_state import default_base
from mlops.settings.project import load_project
from mlops.settings.releases import Model, Release, parse_manifest

ROOT = Path(__file__).parents[4]
DIGEST = "sha256:" + "a" * 64


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a bare remote with two commits on main."""
    remote, folder = tmp_path / "remote.git", tmp_path / "clone"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    git(tmp_path, "clone", "-q", str(remote), str(folder))
    for number in (1, 2):
        (folder / "releases").mkdir(exist_ok=True)
        (folder / "releases" / "staging.yml").write_text(f"# {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", str(number))
    git(folder, "push", "-q", "origin", "HEAD:main")
    return folder


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("credit-default", "3"),
        ("credit-default", "1..2"),
        ("model.lock", "1.lock"),
        ("a..b", "."),
        ("größe", "1"),
        ("m", "@{"),
    ],
)
def test_branch_is_one_that_git_takes_below_the_stage(clone: Path, name: str, version: str) -> None:
    model = Model.model_construct(name=name, version=version, digest=DIGEST)
    repository = Repository(clone)

    branch = branch_name(repository, "staging", model)

    assert branch.startswith("promote/staging/")
    assert repository.is_branch_name(branch)
    assert ".." not in report_folder("staging", model).parts
    git(clone, "branch", branch)


def test_versions_that_look_alike_have_branches_of_their_own(clone: Path) -> None:
    repository = Repository(clone)
    versions = ("1..2", "1-2", "1...2")
    models = [Model(name="m", version=version, digest=DIGEST) for version in versions]

    assert len({branch_name(repository, "prod", model) for model in models}) == len(models)
    assert branch_name(repository, "prod", models[1]) == "promote/prod/m-1-2"


def test_release_goes_into_a_manifest_of_any_revision() -> None:
    text = (ROOT / "releases" / "staging.yml").read_text()
    data = {"name": "d", "version": "1", "sha256": "b" * 64}
    source = {"stage": "dev", "job": "j", "git_commit": "1f" * 20, "data": data}
    released = Release.model_validate({"model": {"name": "m", "version": "3", "digest": DIGEST}, "source": source})

    written = release_text(text, "staging", released).decode()

    assert parse_manifest(written, "staging").release == released


def test_change_on_a_branch_began_where_it_left_the_default_branch(clone: Path) -> None:
    fork = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "-qb", "feature")
    for number in (3, 4):
        git(clone, "commit", "--allow-empty", "-qm", str(number))

    assert default_base(Repository(clone), clone, "staging") == fork


def test_change_on_the_default_branch_began_a_commit_before(clone: Path) -> None:
    assert default_base(Repository(clone), clone, "staging") == git(clone, "rev-parse", "HEAD~1")


def test_change_that_is_not_committed_began_at_the_commit_checked_out(clone: Path) -> None:
    (clone / "releases" / "staging.yml").write_text("# edited\n")

    assert default_base(Repository(clone), clone, "staging") == git(clone, "rev-parse", "HEAD")


def test_first_commit_and_a_folder_without_git_began_nowhere(tmp_path: Path) -> None:
    assert default_base(Repository(tmp_path), tmp_path, "staging") is None
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "--allow-empty", "-qm", "first")

    assert default_base(Repository(tmp_path), tmp_path, "staging") is None


def test_a_commit_is_superseded_when_the_remote_releases_something_else_by_now(clone: Path) -> None:
    shutil.copy(ROOT / "project.yml", clone)
    project, before = load_project(clone), git(clone, "rev-parse", "HEAD")
    assert superseded(project, "staging") is None

    # when another commit changes nothing of the stage, and then one does
    for content, expected in (("# 2\n", None), ("# 3\n", "superseded")):
        (clone / "releases" / "staging.yml").write_text(content)
        git(clone, "commit", "--allow-empty", "-qam", content)
        git(clone, "push", "-q", "origin", "HEAD:main")
        git(clone, "checkout", "-q", "--detach", before)
        newer = superseded(project, "staging")
        assert (newer is None) == (expected is None)
        git(clone, "checkout", "-q", "-B", "main", "origin/main")

    # then the newest one is not, nor is a branch of one's own
    assert superseded(project, "staging") is None
    (clone / "releases" / "staging.yml").write_text("# mine\n")
    git(clone, "commit", "-qam", "mine")
    assert superseded(project, "staging") is None
