"""What `mlops upgrade` refuses, before it changes anything, and what to do then."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.commands.project import finish_upgrade
from mlops.core.errors import InputError, MachineError, ProjectError
from mlops.template.upgrade import upgrade

from .conftest import commit, git, run, write


def test_uncommitted_changes_are_refused(project: Path, template: Path) -> None:
    write(project, {"notes.txt": "mine\n"})
    head = git(project, "rev-parse", "HEAD")

    with pytest.raises(InputError, match="uncommitted changes") as caught:
        run(project, template)

    assert "git stash --include-untracked" in caught.value.advice
    assert git(project, "rev-parse", "HEAD") == head
    # what changes nothing is allowed
    assert run(project, template, dry_run=True).status == "planned"


@pytest.mark.parametrize("version", ["1.0.5", "2", "main"])
def test_a_version_that_does_not_exist_is_refused_with_those_that_do(
    project: Path, template: Path, version: str
) -> None:
    with pytest.raises(InputError, match=f"has no version {version}") as caught:
        run(project, template, version)

    assert caught.value.advice == "It has 1.0.0, 1.1.0."


def test_an_older_version_is_refused(project: Path, template: Path) -> None:
    run(project, template)

    with pytest.raises(InputError, match=r"1\.0\.0 is older than 1\.1\.0"):
        run(project, template, "1.0.0")


def test_a_copy_of_a_version_without_a_tag_is_refused(copy: Path, template: Path) -> None:
    git(template, "tag", "--delete", "v1.0.0")

    with pytest.raises(InputError, match=r"has no tag v1\.0\.0, from which this repository was made"):
        run(copy, template)


def test_a_template_without_tags_is_refused(fork: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")

    with pytest.raises(InputError, match="has no tags such as"):
        run(fork, tmp_path / "empty")


def test_a_template_that_cannot_be_reached_is_refused(fork: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no path and no remote"):
        run(fork, tmp_path / "nowhere")
    with pytest.raises(MachineError, match="cannot fetch the template's versions") as caught:
        upgrade(fork, to=None, source=f"file://{tmp_path}/nowhere", dry_run=False, finish=finish_upgrade)
    assert "--from ADDRESS" in caught.value.advice
    with pytest.raises(MachineError, match="cannot fetch"):
        run(fork, tmp_path)


def test_a_shallow_clone_is_refused(fork: Path, template: Path, tmp_path: Path) -> None:
    write(fork, {"README.md": "# Bikes\n"})
    commit(fork)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{fork}", "shallow")

    with pytest.raises(InputError, match="shallow"):
        run(tmp_path / "shallow", template)


def test_another_merge_in_progress_is_refused(fork: Path, template: Path) -> None:
    git(fork, "switch", "--quiet", "--create", "other")
    write(fork, {"README.md": "other\n"})
    commit(fork)
    git(fork, "switch", "--quiet", "main")
    write(fork, {"docs/mine.md": "mine\n"})
    commit(fork)
    git(fork, "merge", "--quiet", "--no-commit", "other")

    with pytest.raises(InputError, match="another merge is in progress"):
        run(fork, template)


def test_a_project_below_the_top_of_its_repository_is_refused(copy: Path, template: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "monorepo")
    (copy / ".git").rename(tmp_path / "unused")
    copy.rename(tmp_path / "monorepo" / "model")

    with pytest.raises(InputError, match="the project is in the folder model of its repository"):
        run(tmp_path / "monorepo" / "model", template)


def test_a_project_that_does_not_say_where_it_comes_from_is_refused(copy: Path, template: Path) -> None:
    git(copy, "rm", "--quiet", ".template.yml")
    commit(copy)

    with pytest.raises(ProjectError, match=r"\.template\.yml does not exist"):
        run(copy, template)
