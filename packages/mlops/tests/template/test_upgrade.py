"""`mlops upgrade` of forks and of copies, in real repositories with changes on both sides."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from mlops.checks import check_project
from mlops.commands.project import finish_upgrade
from mlops.template.upgrade import upgrade

from .conftest import COMPONENT, ROOT, SECOND, TRAIN, commit, git, release, run, texts, write


def test_changes_of_both_sides_are_kept_in_one_commit(project: Path, template: Path) -> None:
    # given a fork with changes of its own
    edited = TRAIN.replace("sum(rows)", "max(rows)")
    write(project, {"README.md": "# Bikes\n", "components/train/train.py": edited, "data/bikes.csv": "a\n1\n"})
    head = commit(project)

    # when
    result = run(project, template)

    # then
    assert (result.status, result.exit_code, result.conflicts) == ("upgraded", 0, ())
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-parse", "HEAD") == result.commit
    assert "version: 1.1.0" in (project / ".template.yml").read_text()
    assert (project / "packages/mlops/src/mlops/engine.py").read_text() == "SPEED = 2\n"
    assert (project / "README.md").read_text() == "# Bikes\n"
    assert (project / "data/bikes.csv").is_file()
    both = (project / "components/train/train.py").read_text()
    assert "import math" in both
    assert "max(rows)" in both
    # and the history is joined, so that git and the next upgrade know of it
    parents = git(project, "log", "-1", "--format=%P").split()
    assert parents[1] == git(template, "rev-parse", "v1.1.0")
    git(project, "merge-base", "--is-ancestor", head, parents[0])
    assert git(project, "log", "--merges", "--first-parent", "--format=%s").count("Record that") == (
        project.name == "copy"
    )


def test_the_next_upgrade_is_an_ordinary_merge(project: Path, template: Path) -> None:
    write(project, {"README.md": "# Bikes\n"})
    commit(project)
    run(project, template)
    release(template, "1.2.0", {"docs/guide.md": "# Guide\n\nNewer.\n"})

    result = run(project, template)

    assert (result.plan.kind, result.plan.before, result.plan.after) == ("merge", "1.1.0", "1.2.0")
    assert (project / "docs/guide.md").read_text() == "# Guide\n\nNewer.\n"
    assert [change.file for change in result.plan.changes if change.owner == "upstream"] == [
        ".template.yml",
        "docs/guide.md",
    ]


def test_run_twice_it_is_already_there(project: Path, template: Path) -> None:
    run(project, template)
    head = git(project, "rev-parse", "HEAD")

    result = run(project, template)

    assert texts(result) == "already at 1.1.0"
    assert git(project, "rev-parse", "HEAD") == head


def test_it_says_what_changes_by_owner_and_what_a_person_must_do(project: Path, template: Path) -> None:
    write(project, {"components/train/train.py": TRAIN.replace("sum(rows)", "max(rows)")})
    head = commit(project)

    result = run(project, template, dry_run=True)

    owners = {change.file: (change.owner, change.change, change.edited) for change in result.plan.changes}
    assert owners["components/train/train.py"] == ("fork", "changed", True)
    assert owners[".azuredevops/monitor.yml"] == ("platform", "added", False)
    assert owners["packages/mlops/src/mlops/engine.py"] == ("upstream", "changed", False)
    assert [(entry.version, entry.text) for entry in result.plan.entries] == [
        ("1.1.0", "CI is quicker."),
        ("1.1.0", "Faster."),
        ("1.1.0", "`SPEED` is 2: set yours again."),
    ]
    assert "nothing will conflict" in texts(result)
    # and nothing was done
    assert git(project, "rev-parse", "HEAD") == head
    assert git(project, "status", "--porcelain") == ""


def test_versions_that_both_sides_raised_do_not_conflict(project: Path, template: Path) -> None:
    # given a component with a change and a version of the fork's own
    edited = TRAIN.replace("sum(rows)", "max(rows)")
    component = COMPONENT.replace("version: 1.0.0", "version: 1.1.0").replace("type: command\n", "type: command\n\n")
    write(project, {"components/train/train.py": edited, "components/train/component.yml": component})
    write(project, {"pyproject.toml": (project / "pyproject.toml").read_text().replace("template", "bikes")})
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    finish_upgrade(project, "1.0.0")
    mine = recorded(project)
    commit(project)

    # when
    result = run(project, template)

    # then no version stands for two contents, and the records of versions are the fork's alone
    assert result.status == "upgraded"
    found = recorded(project)
    assert found.items() >= mine.items()
    assert found.keys() - mine.keys() == {"1.1.1"}
    assert "version: 1.1.1" in (project / "components/train/component.yml").read_text()
    assert [problem for problem in check_project(project) if "version" in problem.message] == []
    # and its lock is that of its own project
    assert 'name = "bikes"\nversion = "1.1.0"' in (project / "pyproject.toml").read_text()
    assert 'name = "bikes"\nversion = "1.1.0"' in (project / "uv.lock").read_text()


def test_records_of_versions_are_never_merged(project: Path, template: Path) -> None:
    # given a fork without the component of which the template records a new version
    git(project, "rm", "--quiet", "-r", "components/train")
    commit(project)

    assert run(project, template).status == "upgraded"

    assert recorded(project).keys() == {"1.0.0"}


def test_copies_of_model_package_do_not_conflict(project: Path, template: Path) -> None:
    # given copies of two versions, where the fork's differs as well
    name = "endpoints/online/model_package/rows.py"
    release(template, "1.2.0", {name: "A = 1\n"}, fix=False)
    run(project, template, finish=lambda *_: ())
    write(project, {name: "A = 2\n"})
    commit(project)
    release(template, "1.3.0", {name: "A = 3\n"}, fix=False)

    result = run(project, template, finish=lambda *_: ())

    assert (result.status, (project / name).read_text()) == ("upgraded", "A = 3\n")


def test_lists_of_stages_do_not_conflict(project: Path, template: Path) -> None:
    # given a fork with one stage less, and a template that changed the same block and a line elsewhere
    text = (ROOT / ".github/workflows/promote.yml").read_text()
    start, end = text.index("# begin stages"), text.index("# end stages")
    block = text[start:end]
    write(template, {".github/workflows/promote.yml": text})
    release(template, "1.2.0", {})
    run(project, template)
    write(project, {".github/workflows/promote.yml": text.replace(block, block.replace("staging", "preprod"))})
    commit(project)
    changed = text.replace(block, block.replace("staging", "changed")).replace("name: ", "# New.\nname: ", 1)
    release(template, "1.3.0", {".github/workflows/promote.yml": changed}, fix=False)
    assert run(project, template, dry_run=True).conflicts == ()

    result = run(project, template)

    assert (result.status, result.conflicts) == ("upgraded", ())
    # project.yml says which stages there are
    assert (project / ".github/workflows/promote.yml").read_text() == text.replace("name: ", "# New.\nname: ", 1)


def recorded(project: Path) -> dict[str, str]:
    document: dict[str, dict[str, str]] = yaml.safe_load((project / "components/versions.lock.yml").read_text())
    return document["train"]


def test_what_a_fork_has_removed_stays_removed(project: Path, template: Path) -> None:
    # given a fork without one CI system and without the example's data
    git(project, "rm", "--quiet", "-r", ".azuredevops", "data/generate_sample.py")
    write(project, {"data/bikes.csv": "a\n1\n"})
    commit(project)
    assert run(project, template, dry_run=True).conflicts == ()

    result = run(project, template)

    assert result.status == "upgraded"
    assert not (project / ".azuredevops").exists()
    assert not (project / "data/generate_sample.py").exists()
    assert ".azuredevops/monitor.yml: new, left out, since you removed its folder" in result.done


def test_a_file_that_the_template_removed_stays_if_the_fork_changed_it(project: Path, template: Path) -> None:
    git(template, "rm", "--quiet", "data/generate_sample.py")
    release(template, "1.2.0", {})
    write(project, {"data/generate_sample.py": "ROWS = 5\n"})
    commit(project)

    result = run(project, template)

    assert result.status == "upgraded"
    assert (project / "data/generate_sample.py").read_text() == "ROWS = 5\n"


def test_the_address_of_an_internal_mirror_stays(project: Path, template: Path) -> None:
    mirror = "repository: https://git.internal.example.com/template\n"
    write(project, {".template.yml": f"format: 1\nversion: 1.0.0\n{mirror}"})
    commit(project)

    run(project, template)

    assert (project / ".template.yml").read_text() == f"format: 1\nversion: 1.1.0\n{mirror}"


def test_a_squashed_upgrade_is_no_obstacle_to_the_next_one(fork: Path, template: Path) -> None:
    # given an upgrade of which only the files were kept
    write(fork, {"infra/stage.py": "SIZE = 1\n\n\n\nREGION = 'b'\n"})
    before = commit(fork)
    run(fork, template)
    git(fork, "reset", "--quiet", "--soft", before)
    commit(fork, "Upgrade (#1)")
    assert run(fork, template).status == "current"
    release(template, "1.2.0", {"infra/stage.py": "SIZE = 5\n\n\n\nREGION = 'a'\n"})

    result = run(fork, template)

    assert (result.status, result.plan.before) == ("upgraded", "1.1.0")
    assert (fork / "infra/stage.py").read_text() == "SIZE = 5\n\n\n\nREGION = 'b'\n"


def test_a_fork_of_an_unreleased_state_gets_its_release(template: Path, tmp_path: Path) -> None:
    # given a fork of what later became version 1.2.0
    for name in (".template.yml", "pyproject.toml"):
        write(template, {name: (template / name).read_text().replace("1.1.0", "1.2.0")})
    commit(template)
    git(tmp_path, "clone", "--quiet", "--no-tags", str(template), "early")
    release(template, "1.2.0", {"docs/guide.md": "# Guide\n\nReleased.\n"})

    result = run(tmp_path / "early", template)

    assert (result.status, result.plan.kind, result.plan.before) == ("upgraded", "merge", "1.2.0")
    assert (tmp_path / "early/docs/guide.md").read_text() == "# Guide\n\nReleased.\n"
    assert run(tmp_path / "early", template).status == "current"


def test_the_forks_own_tags_and_remotes_stay_as_they_are(fork: Path, template: Path) -> None:
    # given a fork that has a version 1.1.0 of its own
    git(fork, "tag", "v1.1.0")
    git(fork, "remote", "rename", "origin", "upstream")
    before = git(fork, "show-ref")

    result = upgrade(fork, to=None, source="upstream", dry_run=False, finish=finish_upgrade)

    assert result.status == "upgraded"
    kept = [
        line for line in git(fork, "show-ref").splitlines() if "refs/mlops/" not in line and "heads/main" not in line
    ]
    assert kept == [line for line in before.splitlines() if "heads/main" not in line]
    assert git(fork, "rev-parse", "mlops/template/v1.1.0") == git(template, "rev-parse", "v1.1.0")


def test_without_from_the_address_in_the_template_file_is_taken(
    fork: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # git's own way to lead an address elsewhere
    for name, value in (
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", f"url.{template}.insteadOf"),
        ("GIT_CONFIG_VALUE_0", "https://git.example.com/team/template"),
    ):
        monkeypatch.setenv(name, value)

    result = upgrade(fork, to="1.1.0", source=None, dry_run=False, finish=finish_upgrade)

    assert result.status == "upgraded"
    assert (fork / "docs/guide.md").read_text() == SECOND["docs/guide.md"]
