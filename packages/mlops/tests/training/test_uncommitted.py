"""A model of uncommitted code can never be promoted; `mlops train` says so before it begins."""

import subprocess
from pathlib import Path

import pytest

from mlops.core.git import git_commit
from mlops.settings.project import Project, load_project
from mlops.training.submission import warn_of_uncommitted

ROOT = Path(__file__).parents[4]


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "README.md").write_text("one")
    git(tmp_path, "add", "README.md")
    git(tmp_path, "commit", "-qm", "one")
    return Project(root=tmp_path, settings=load_project(ROOT).settings)


def test_changed_files_are_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    (project.root / "README.md").write_text("two")

    warn_of_uncommitted(project, git_commit(project.root))

    said = capsys.readouterr().err
    assert "uncommitted changes: README.md" in said
    assert "commit first, then train again" in said


def test_a_clean_tree_says_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_uncommitted(project, git_commit(project.root))

    assert capsys.readouterr().err == ""


def test_a_folder_without_git_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(root=tmp_path, settings=load_project(ROOT).settings)

    warn_of_uncommitted(project, git_commit(project.root))

    assert "`git init`" in capsys.readouterr().err
