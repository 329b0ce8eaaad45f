"""What a range of commits changes in the stages, in real repositories."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlops.core.errors import InputError
from mlops.core.git import Repository
from mlops.core.results import Line
from mlops.endpoint.view import READY, Deployment, View
from mlops.promotion.release_changes import PlanResult, plan
from mlops.promotion.stage_state import StageState
from mlops.settings.project import load_project
from mlops.settings.releases import Release, write_release

ROOT = Path(__file__).parents[4]
NOTHING_BEFORE = "0" * 40


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def release(version: str, stage: str) -> Release:
    model = {"name": "credit-default", "version": version, "digest": "sha256:" + version * 64}
    data = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    source = {"stage": stage, "job": "polite_fox_1", "git_commit": "1f" * 20, "data": data}
    return Release.model_validate({"model": model, "source": source})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in a folder of a repository, with nothing released."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "releases", project / "releases", ignore=shutil.ignore_patterns("reports"))
    shutil.copy(ROOT / "project.yml", project)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(project)
    return project


def commit(folder: Path) -> None:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", "change")


def edit(folder: Path, stage: str, old: str, new: str) -> None:
    file = folder / "releases" / f"{stage}.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def planned(folder: Path, since: str = "HEAD~1") -> PlanResult:
    return plan(Repository(folder), since)


def test_first_releases_come_in_the_order_of_the_stages(folder: Path) -> None:
    for stage, source in (("prod", "staging"), ("staging", "dev")):
        write_release(folder / "releases" / f"{stage}.yml", release("3", source))
    commit(folder)

    result = planned(folder)

    assert [(each.stage, each.kind) for each in result.changes] == [
        ("staging", "first release"),
        ("prod", "first release"),
    ]
    assert result.exit_code == 0
    assert result.document()["stages"][0]["deploy"] is True


def test_what_is_skipped_on_kubernetes_is_told(folder: Path) -> None:
    # given a stage on a cluster, whose manifest asks for a mirror
    settings = yaml.safe_load((folder / "project.yml").read_text())
    place = {"serving": "kubernetes", "kubernetes_compute": "scoring", "instance_type": "small"}
    settings["stages"][1] |= place
    (folder / "project.yml").write_text(yaml.safe_dump(settings))
    for stage, source in (("staging", "dev"), ("prod", "staging")):
        write_release(folder / "releases" / f"{stage}.yml", release("3", source))
    commit(folder)

    result = planned(folder)

    # then its rollout has none, and the plan says why; the managed stage has it
    staging, prod = result.document()["stages"]
    assert [each["phase"] for each in staging["skipped_phases"]] == ["mirror"]
    assert "mirror_percentage 10" in staging["skipped_phases"][0]["reason"]
    assert prod["skipped_phases"] == []
    assert [line for line in result.blocks() if "staging: mirror is skipped" in str(line)]


def test_next_release_and_its_settings_are_told_from_and_to(folder: Path) -> None:
    file = folder / "releases" / "staging.yml"
    write_release(file, release("3", "dev"))
    commit(folder)
    write_release(file, release("4", "dev"))
    edit(folder, "staging", "soak_seconds: 5", "soak_seconds: 7")
    edit(folder, "staging", "p95_milliseconds: 150", "p95_milliseconds: 140")
    commit(folder)

    (change,) = planned(folder).changes

    assert change.kind == "release"
    assert change.row()[3] == "3 → 4"
    assert [each.key for each in change.settings] == ["rollout.soak_seconds", "slo.p95_milliseconds"]
    assert change.document()["from"]["model"]["version"] == "3"


def test_settings_alone_and_a_removal_are_told(folder: Path) -> None:
    edit(folder, "dev", "soak_seconds: 0", "soak_seconds: 1")
    write_release(folder / "releases" / "prod.yml", release("3", "staging"))
    commit(folder)
    (settings, _) = planned(folder).changes
    git(folder, "revert", "--no-edit", "HEAD")

    removal = planned(folder).changes[-1]

    assert (settings.stage, settings.kind) == ("dev", "settings")
    assert (removal.kind, removal.document()["deploy"]) == ("removal", False)


def test_comments_and_other_files_change_no_stage(folder: Path) -> None:
    edit(folder, "prod", "# The service level objective.", "# What we promise.")
    (folder / "README.md").write_text("hello")
    commit(folder)

    assert planned(folder).changes == ()


def test_broken_manifests_are_named_by_file_and_line_and_hide_no_other(folder: Path) -> None:
    edit(folder, "dev", "soak_seconds", "soak_second")
    edit(folder, "staging", "release: null", "<<<<<<< HEAD\nrelease: null\n=======")
    (folder / "releases" / "prod.yml").unlink()
    commit(folder)

    result = planned(folder)

    prod = result.problems[-1]
    assert any(each.startswith("releases/dev.yml:13: rollout.soak_second: ") for each in result.problems)
    assert any(re.match(r"releases/staging\.yml:\d+: could not find", each) for each in result.problems)
    assert prod.startswith("releases/prod.yml:1: the manifest is missing")
    assert result.exit_code == 3


def test_manifest_that_was_broken_before_counts_as_none(folder: Path) -> None:
    edit(folder, "staging", "slo:", "slow:")
    commit(folder)
    edit(folder, "staging", "slow:", "slo:")
    write_release(folder / "releases" / "staging.yml", release("3", "dev"))
    commit(folder)

    assert [each.kind for each in planned(folder).changes] == ["first release"]


def test_nothing_before_compares_with_nothing(folder: Path) -> None:
    write_release(folder / "releases" / "staging.yml", release("3", "dev"))
    commit(folder)

    assert [each.stage for each in planned(folder, NOTHING_BEFORE).changes] == ["staging"]


@pytest.mark.parametrize("since", ["no-such", "--output=pwned", "HEAD~99", ""])
def test_revision_that_is_none_is_told(folder: Path, since: str) -> None:
    with pytest.raises(InputError, match="unknown revision"):
        planned(folder, since)


def test_command_needs_no_login_and_imports_nothing_of_the_sdk(folder: Path) -> None:
    edit(folder, "dev", "soak_seconds: 0", "soak_seconds: 1")
    commit(folder)

    command = [sys.executable, "-X", "importtime", "-m", "mlops", "plan", "--since", "HEAD~1", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)

    assert [each["stage"] for each in json.loads(done.stdout)["stages"]] == ["dev"]
    assert "azure" not in {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


def test_a_name_that_only_looks_like_the_models_is_no_release(folder: Path) -> None:
    # given what the stage runs, under a name with a Cyrillic letter
    write_release(folder / "releases" / "staging.yml", release("3", "dev"))
    edit(folder, "staging", "name: credit-default\n    version", "name: cr\u0435dit-default\n    version")
    commit(folder)

    result = planned(folder)

    (problem,) = result.problems
    assert re.match(r"releases/staging\.yml:\d+: release\.model\.name: .*cyrillic small letter ie", problem)
    assert (result.changes, result.exit_code) == ((), 3)


def test_a_stage_runs_a_release_only_under_the_name_of_its_model() -> None:
    model = release("3", "dev").model
    live = Deployment("blue", model.version, model.digest, READY)
    view = View({"blue": live}, {"blue": 100})
    state = StageState("staging", load_project(ROOT).settings.stage("staging"), None, view)

    assert state.runs(model, "credit-default")
    assert not state.runs(model.model_copy(update={"name": "credit-risk"}), "credit-default")


def test_a_manifest_that_is_not_text_hides_no_other(folder: Path) -> None:
    write_release(folder / "releases" / "prod.yml", release("3", "staging"))
    (folder / "releases" / "staging.yml").write_bytes("release: null\n".encode("utf-16"))
    commit(folder)

    result = planned(folder)

    assert [each.stage for each in result.changes] == ["prod"]
    assert result.problems == ("releases/staging.yml:1: the manifest is not UTF-8 text; restore it from git",)
    assert result.exit_code == 3


def test_the_rules_that_change_are_named(folder: Path) -> None:
    gates = folder / "releases" / "gates.yml"
    gates.write_text(gates.read_text().replace("min: 0.74, max_drop: 0.01", "min: 0.7, max_drop: 0.01"))
    edit(folder, "prod", "soak_seconds: 10", "soak_seconds: 20")
    commit(folder)

    planned = plan(Repository(folder), "HEAD~1")

    assert planned.rule_changes == (
        "releases/gates.yml: rules.roc_auc.stages.staging.min 0.74 → 0.7",
        "releases/gates.yml: rules.roc_auc.stages.prod.min 0.74 → 0.7",
    )
    assert planned.document()["rule_changes"] == list(planned.rule_changes)
    said = [block.text for block in planned.blocks() if isinstance(block, Line)]
    assert "  releases/gates.yml: rules.roc_auc.stages.prod.min 0.74 → 0.7" in said
