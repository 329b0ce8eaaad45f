"""Which list of stages judges a release: that of the commit before it came, in real repositories."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.core.errors import ProjectError
from mlops.core.git import Repository
from mlops.settings.project import load_project
from mlops.settings.releases import Release, manifest_file, without_release, write_release
from mlops.settings.stages import StageOrder
from mlops.stages.change import add_stage, remove_stage
from mlops.stages.release_history import mixed_changes, order_at, read_judged_manifest, release_at

ROOT = Path(__file__).parents[4]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str = "change") -> str:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


def release(version: str, source: str) -> Release:
    return Release.model_validate(
        {
            "model": {"name": "credit-default", "version": version, "digest": "sha256:" + version * 64},
            "source": {
                "stage": source,
                "job": "polite_fox_1",
                "git_commit": "1f" * 20,
                "data": {"name": "credit-default", "version": "1", "sha256": "b" * 64},
            },
        }
    )


def put(folder: Path, stage: str, version: str, source: str) -> None:
    write_release(manifest_file(folder, stage), release(version, source))


def judged(folder: Path, stage: str) -> Release | None:
    return read_judged_manifest(load_project(folder), stage).release


def refusal(folder: Path, stage: str) -> str:
    with pytest.raises(ProjectError) as refused:
        judged(folder, stage)
    return refused.value.details[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The template's settings in a folder of a repository, with version 1 released to staging and prod."""
    project = tmp_path / "repository" / "project"
    shutil.copytree(ROOT / "releases", project / "releases", ignore=shutil.ignore_patterns("reports"))
    shutil.copy(ROOT / "project.yml", project)
    git(tmp_path / "repository", "init", "-q", "-b", "main")
    commit(project)
    for stage, source in (("staging", "dev"), ("prod", "staging")):
        put(project, stage, "1", source)
        commit(project)
    return project


@pytest.fixture
def longer(folder: Path) -> Path:
    """The same with a fourth stage, added after the releases."""
    add_stage(load_project(folder), "preprod", "staging")
    commit(folder, "Add preprod")
    return folder


def test_a_release_of_before_the_new_stage_stays_valid_and_the_next_one_may_not_skip_it(longer: Path) -> None:
    assert judged(longer, "prod") == release("1", "staging")

    # when a release skips the new stage, committed or not
    put(longer, "prod", "2", "staging")
    told = refusal(longer, "prod")
    commit(longer)

    # then it is refused with its line, and one that takes every stage is not
    line = manifest_file(longer, "prod").read_text().splitlines().index("    stage: staging") + 1
    assert told.startswith(f"prod.yml:{line}: release.source.stage: prod takes models from preprod, not staging")
    assert "lists dev → staging → preprod → prod" in told
    assert "prod takes models from preprod" in refusal(longer, "prod")
    put(longer, "prod", "2", "preprod")
    commit(longer)
    assert judged(longer, "prod") == release("2", "preprod")


def test_the_first_release_to_the_new_stage_comes_from_the_stage_before_it(longer: Path) -> None:
    put(longer, "preprod", "1", "staging")
    commit(longer)
    assert judged(longer, "preprod") == release("1", "staging")

    put(longer, "preprod", "2", "dev")
    assert "preprod takes models from staging, not dev" in refusal(longer, "preprod")


def test_going_back_to_a_release_of_before_the_new_stage_is_no_new_release(longer: Path) -> None:
    # given a release through all four stages
    put(longer, "prod", "2", "preprod")
    commit(longer)

    # when git goes back to the release that came from staging
    git(longer, "revert", "--no-edit", "HEAD")

    assert judged(longer, "prod") == release("1", "staging")


def test_changes_of_settings_alone_do_not_make_an_old_release_a_new_one(longer: Path) -> None:
    file = manifest_file(longer, "prod")
    file.write_text(file.read_text().replace("wait_hours: 24", "wait_hours: 12"))
    commit(longer)

    assert judged(longer, "prod") == release("1", "staging")


def test_a_release_through_a_stage_that_was_removed_stays_valid(longer: Path) -> None:
    put(longer, "prod", "2", "preprod")
    commit(longer)
    remove_stage(load_project(longer), "preprod")
    commit(longer)

    assert judged(longer, "prod") == release("2", "preprod")
    put(longer, "prod", "3", "preprod")
    assert "prod takes models from staging, not preprod" in refusal(longer, "prod")


def test_a_change_of_the_stages_lets_no_release_in_that_comes_with_it(longer: Path) -> None:
    # given a change that removes the stage and releases past it
    remove_stage(load_project(longer), "preprod")
    put(longer, "prod", "2", "staging")
    commit(longer, "Two things at once")

    # then the list before it judges
    assert "prod takes models from preprod, not staging" in refusal(longer, "prod")
    (told,) = mixed_changes(Repository(longer), "HEAD~1")
    assert "changes them from dev → staging → preprod → prod to dev → staging → prod, and releases to prod" in told
    assert "two pull requests" in told


def test_a_merge_is_judged_as_one_change_whatever_its_commits_were(longer: Path) -> None:
    # given a pull request that first removes the stage, then releases past it
    git(longer, "checkout", "-q", "-b", "sly")
    remove_stage(load_project(longer), "preprod")
    commit(longer)
    put(longer, "prod", "2", "staging")
    commit(longer)
    git(longer, "checkout", "-q", "main")
    git(longer, "merge", "-q", "--no-ff", "-m", "Merge", "sly")

    assert "prod takes models from preprod, not staging" in refusal(longer, "prod")
    assert len(mixed_changes(Repository(longer), "HEAD^1")) == 1


def test_code_that_measures_lets_no_release_in_that_comes_with_it(folder: Path) -> None:
    # given a pull request that changes a metric, and a release that the metric would let through
    git(folder, "checkout", "-q", "-b", "sly")
    (folder / "extensions").mkdir()
    (folder / "extensions" / "metrics.py").write_text("METRICS = []\n")
    commit(folder)
    put(folder, "dev", "2", "dev")
    commit(folder)
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge", "sly")

    (told,) = mixed_changes(Repository(folder), "HEAD^1")

    assert told.startswith("extensions/: commit ")
    assert told.endswith("and releases to dev; open two pull requests, the extensions first")
    # The two of them one after the other are two changes.
    put(folder, "dev", "3", "dev")
    commit(folder)
    assert mixed_changes(Repository(folder), "HEAD^") == ()


def test_two_merges_in_one_push_are_two_changes(folder: Path) -> None:
    since = git(folder, "rev-parse", "HEAD")
    add_stage(load_project(folder), "preprod", "staging")
    commit(folder)
    put(folder, "prod", "2", "preprod")
    commit(folder)

    assert mixed_changes(Repository(folder), since) == ()


def test_a_branch_that_merged_the_default_branch_did_not_release_what_came_with_it(
    folder: Path, tmp_path: Path
) -> None:
    # given a clone with a branch of before the new stage
    git(tmp_path, "clone", "-q", str(folder.parent), str(tmp_path / "clone"))
    clone = tmp_path / "clone" / "project"
    git(clone, "checkout", "-q", "-b", "topic")
    (clone / "notes.txt").write_text("mine")
    commit(clone)
    add_stage(load_project(folder), "preprod", "staging")
    commit(folder)
    put(folder, "prod", "2", "preprod")
    commit(folder)

    # when it merges what has happened since
    git(clone, "fetch", "-q")
    since = git(clone, "rev-parse", "HEAD")
    git(clone, "merge", "-q", "-m", "Merge main", "origin/main")

    assert judged(clone, "prod") == release("2", "preprod")
    assert mixed_changes(Repository(clone), since) == ()


def test_a_shallow_clone_says_what_it_lacks(longer: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{longer.parent}", str(tmp_path / "shallow"))

    assert "fetch the full history" in refusal(tmp_path / "shallow" / "project", "prod")


def test_without_git_the_list_beside_the_manifest_judges(folder: Path, tmp_path: Path) -> None:
    archive = shutil.copytree(folder, tmp_path / "archive")
    assert judged(archive, "prod") == release("1", "staging")

    put(archive, "prod", "2", "dev")
    assert "prod takes models from staging, not dev" in refusal(archive, "prod")


def test_the_past_is_read_in_the_format_that_it_had(folder: Path) -> None:
    # given files as they were before format 1, committed before those of today
    file, manifest = folder / "project.yml", manifest_file(folder, "prod")
    today = file.read_text(), manifest.read_text()
    file.write_text(re.sub(r"^  - name: (\w+)$", r"  \1:", today[0], flags=re.MULTILINE).replace("format: 1", "#"))
    manifest.write_text(today[1].replace("format: 1\n", "").replace("progress_deadline_seconds", "patience_seconds"))
    old = commit(folder, "As it was")
    file.write_text(today[0])
    manifest.write_text(today[1])
    commit(folder, "As it is")
    repository = Repository(folder)

    assert order_at(repository, old) == StageOrder(("dev", "staging", "prod"))
    assert release_at(repository, old, "prod") == release("1", "staging")
    assert judged(folder, "prod") == release("1", "staging")


def test_a_revision_without_stages_lists_none(folder: Path) -> None:
    repository = Repository(folder)
    assert order_at(repository, "0" * 40) is None

    (folder / "project.yml").write_text("stages: [unclosed")
    assert order_at(repository, commit(folder)) is None


def test_what_is_taken_back_altogether_leaves_no_release(folder: Path) -> None:
    file = manifest_file(folder, "prod")
    file.write_bytes(without_release(file.read_text()))

    assert judged(folder, "prod") is None
