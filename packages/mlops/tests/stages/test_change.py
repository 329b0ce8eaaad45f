"""`mlops stages`: a fourth stage, and fewer than three, in clones of the template."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.checks import check_project
from mlops.core.errors import InputError, ProjectError
from mlops.core.git import Repository
from mlops.promotion.release_changes import plan
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.policies import read_deadlines, read_policy
from mlops.settings.project import load_project, read_project_schema
from mlops.settings.releases import Release, manifest_file, write_release
from mlops.stages.change import add_stage, remove_stage

ROOT = Path(__file__).parents[4]
PARTS = (
    *("project.yml", "schema.yml", "uv.lock", "azure-pipelines.yml", ".github", ".azuredevops"),
    *("components", "data", "endpoints", "environments", "pipelines", "releases", "infra"),
)


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", "change")


def mlops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlops", *words], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The template in a git repository, without what is not of the fork."""
    project = tmp_path / "project"
    leave_out = shutil.ignore_patterns("__pycache__", ".venv*", "tests")
    project.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, project / part, ignore=leave_out)
        else:
            shutil.copy(ROOT / part, project)
    git(project, "init", "-q", "-b", "main")
    commit(project)
    return project


def test_a_fourth_stage_is_written_by_one_command_and_the_result_passes_the_check(folder: Path) -> None:
    # when
    result = add_stage(load_project(folder), "preprod", "staging")

    # then nothing is left to be edited by hand, in no package
    assert check_project(folder) == []
    git(folder, "add", "--all", "--intent-to-add")
    changed = set(git(folder, "diff", "--name-only").splitlines())
    assert {str(edit.path) for edit in result.edits} == changed
    assert not [name for name in changed if name.startswith("packages/")]
    # and the new stage is like the one before it, but for its names
    project = load_project(folder)
    assert project.order.names == ("dev", "staging", "preprod", "prod")
    staging, preprod = project.settings.stage("staging"), project.settings.stage("preprod")
    assert preprod.endpoint == "credit-default-preprod"
    assert preprod.workspace == "mlw-credit-default-preprod"
    assert (preprod.serving, preprod.instance_type) == (staging.serving, staging.instance_type)
    gates = read_gates(folder / GATES_FILE, project.order, read_project_schema(folder))
    assert gates.rules_at("preprod") == gates.rules_at("staging")
    assert read_policy(folder, project.order).stages["preprod"] == read_policy(folder, project.order).stages["staging"]
    assert read_deadlines(project)["preprod"] == read_deadlines(project)["staging"]


def test_its_stack_has_its_own_names_and_network(folder: Path) -> None:
    add_stage(load_project(folder), "preprod", "staging")

    new, old = (
        yaml.safe_load((folder / "infra" / f"Pulumi.{stage}.yaml").read_text())["config"]
        for stage in ("preprod", "staging")
    )
    taken = {
        yaml.safe_load(file.read_text())["config"].get("infra:network", {}).get("address_space")
        for file in (folder / "infra").glob("Pulumi.*.yaml")
        if "preprod" not in file.name
    }
    assert new["infra:network"]["address_space"] not in taken
    assert "staging" not in json.dumps(new)
    assert {key for key in old if old[key] != new[key]} <= {"infra:stage", "infra:network", "infra:kubernetes"}


def test_behind_where_models_are_trained_the_infrastructure_is_that_of_the_next_stage(folder: Path) -> None:
    # given settings that belong to one stack alone
    file = folder / "infra" / "Pulumi.staging.yaml"
    file.write_text(f"secretsprovider: azurekeyvault://a\nencryptedkey: abc=\n{file.read_text()}")
    commit(folder)

    add_stage(load_project(folder), "uat", "dev")

    text = (folder / "infra" / "Pulumi.uat.yaml").read_text()
    assert yaml.safe_load(text)["config"]["infra:network"]["access"] == "private"
    assert "score.uat.example.com" in text
    assert "encryptedkey" not in text
    assert "secretsprovider" not in text


def test_what_is_copied_says_so_and_every_other_line_stays(folder: Path) -> None:
    add_stage(load_project(folder), "preprod", "staging")

    removed = [line for line in git(folder, "diff", "--", "releases").splitlines() if line.startswith("-  ")]
    added = [line for line in git(folder, "diff", "--", "releases/gates.yml").splitlines() if line.startswith("+  ")]
    assert removed == []
    assert added
    assert all("preprod: " in line and line.endswith("# as in staging; adjust it") for line in added)


def test_adding_twice_changes_nothing_and_removing_leaves_every_byte_as_it_was(folder: Path) -> None:
    add_stage(load_project(folder), "preprod", "staging")
    assert add_stage(load_project(folder), "preprod", "staging").edits == ()
    commit(folder)

    remove_stage(load_project(folder), "preprod")
    assert remove_stage(load_project(folder), "preprod").edits == ()
    commit(folder)

    assert git(folder, "diff", "HEAD~2", "HEAD") == ""


def test_an_interrupted_change_goes_on_where_it_stopped(folder: Path) -> None:
    # given a change of which only the first file was written
    whole = add_stage(load_project(folder), "preprod", "staging", is_dry_run=True)
    (first, *_) = whole.edits
    (folder / first.path).write_text(first.after or "")

    # when it is run again
    rest = add_stage(load_project(folder), "preprod", "staging")

    assert str(first.path) == "project.yml"
    assert [edit.path for edit in rest.edits] == [edit.path for edit in whole.edits[1:]]
    assert check_project(folder) == []


def test_a_dry_run_shows_the_difference_and_writes_nothing(folder: Path) -> None:
    done = mlops(folder, "stages", "add", "preprod", "--after", "staging", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "+  - name: preprod # as in staging; adjust it" in done.stdout
    assert "+++ b/releases/preprod.yml" in done.stdout
    assert git(folder, "status", "--porcelain") == ""
    # and the difference is one that git takes
    document = json.loads(mlops(folder, "stages", "add", "preprod", "--after", "staging", "--dry-run", "--json").stdout)
    subprocess.run(["git", "-C", str(folder), "apply", "-"], input=document["diff"], text=True, check=True)
    assert load_project(folder).order.names == tuple(document["stages"])
    assert check_project(folder) == []


def test_files_with_changes_of_ones_own_are_not_mixed_with_new_ones(folder: Path) -> None:
    file = folder / "releases" / "gates.yml"
    file.write_text(file.read_text().replace("rounds: 1000", "rounds: 900"))

    with pytest.raises(InputError, match=r"uncommitted changes.*: releases/gates\.yml$") as refused:
        add_stage(load_project(folder), "preprod", "staging")

    assert "--dry-run" in refused.value.advice
    assert git(folder, "status", "--porcelain") == "M releases/gates.yml"


@pytest.mark.parametrize(
    ("name", "after", "says"),
    [
        ("preprod", "stagin", "did you mean 'staging'"),
        ("Preprod", "staging", "lower-case"),
        ("gates", "staging", "reserved"),
        ("prod", "dev", "the stage prod already exists"),
    ],
)
def test_names_and_places_that_are_not_possible_are_told(folder: Path, name: str, after: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        add_stage(load_project(folder), name, after)

    assert git(folder, "status", "--porcelain") == ""


def test_there_are_six_stages_at_most(folder: Path) -> None:
    for name, after in (("uat", "staging"), ("preprod", "uat"), ("canary", "preprod")):
        add_stage(load_project(folder), name, after)
        commit(folder)

    assert check_project(folder) == []
    with pytest.raises(InputError, match="at most 6 stages"):
        add_stage(load_project(folder), "more", "canary")


def test_where_models_are_trained_is_not_removed(folder: Path) -> None:
    with pytest.raises(InputError, match="dev is where models are trained"):
        remove_stage(load_project(folder), "dev")


@pytest.mark.parametrize("name", ["gates", "shared", "../project", "Staging"])
def test_files_that_are_no_stages_are_never_removed(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=re.escape(name)):
        remove_stage(load_project(folder), name)

    assert git(folder, "status", "--porcelain") == ""


def test_what_cannot_be_edited_safely_is_left_to_people(folder: Path) -> None:
    # given deadlines that are written in a way of their own
    file = folder / "releases" / "retraining.yml"
    file.write_text(file.read_text().replace("stages: [prod]", "stages: [staging]"))
    commit(folder)

    with pytest.raises(ProjectError, match=r"releases/retraining\.yml cannot be edited") as refused:
        remove_stage(load_project(folder), "staging")

    assert refused.value.advice.startswith("Nothing was changed")
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.parametrize("names", [("dev", "prod"), ("dev",)], ids=["two stages", "one stage"])
def test_a_project_with_fewer_stages_loads_plans_and_checks(folder: Path, names: tuple[str, ...]) -> None:
    # given
    if names[-1] != "prod":
        rules = folder / "releases" / "retraining.yml"
        rules.write_text(rules.read_text().replace("stages: [prod]", f"stages: [{names[-1]}]"))
        for file in ("gates.yml", "monitor.yml"):
            ask_of_dev_what_is_asked_of_prod(folder / "releases" / file)
        commit(folder)
    for name in ("staging", "prod"):
        if name not in names:
            remove_stage(load_project(folder), name)
            commit(folder)

    # then it is whole
    project = load_project(folder)
    assert project.order.names == names
    assert check_project(folder) == []
    assert json.loads(mlops(folder, "stages", "list", "--json").stdout)["stages"][-1]["name"] == names[-1]

    # and a release to production is planned as one of the stages that there are
    since = git(folder, "rev-parse", "HEAD")
    write_release(manifest_file(folder, names[-1]), release("3", names[0]))
    commit(folder)
    result = plan(Repository(folder), since)
    assert result.problems == ()
    assert result.outputs == {**dict.fromkeys(names, "false"), names[-1]: "true", "releases": "true"}


def test_a_stage_and_a_release_in_one_pull_request_are_refused_with_what_to_do(folder: Path) -> None:
    # given
    since = git(folder, "rev-parse", "HEAD")
    add_stage(load_project(folder), "preprod", "staging")
    write_release(manifest_file(folder, "staging"), release("3", "dev"))
    commit(folder)

    # when
    done = mlops(folder, "plan", "--since", since)

    # then
    assert done.returncode == 3
    assert "open two pull requests, the stages first" in " ".join(done.stdout.split())


def test_the_shell_completes_the_stages_of_the_project_around(folder: Path) -> None:
    add_stage(load_project(folder), "preprod", "staging")

    def completed(*words: str, where: Path = folder) -> list[str]:
        variables = {
            "_MLOPS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        program = Path(sys.executable).with_name("mlops")
        done = subprocess.run(
            [program], cwd=where, env={**os.environ, **variables}, capture_output=True, text=True, check=True
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert completed("mlops", "deploy", "--stage", "pr") == ["preprod", "prod"]
    assert completed("mlops", "--project", str(folder), "promote", "--to", "", where=folder.parent) == [
        *("dev", "staging", "preprod", "prod")
    ]
    assert completed("mlops", "deploy", "--stage", "", where=folder.parent) == []


def test_a_misspelt_stage_is_told_with_the_one_that_was_meant(folder: Path) -> None:
    done = mlops(folder, "deploy", "--stage", "stagging")

    assert done.returncode == 2
    assert "there is no stage 'stagging' (did you mean 'staging'?)" in done.stderr


def ask_of_dev_what_is_asked_of_prod(file: Path) -> None:
    only_later = re.compile(r"dev: null[^\n]*\n(?P<others>(?: {6}\w+: .*\n)*? {6}prod: (?P<bounds>\{[^}]*\}))")
    file.write_text(only_later.sub(r"dev: \g<bounds>\n\g<others>", file.read_text()))


def release(version: str, source: str) -> Release:
    data: dict[str, Any] = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    model = {"name": "credit-default", "version": version, "digest": "sha256:" + version * 64}
    return Release.model_validate(
        {"model": model, "source": {"stage": source, "job": "polite_fox_1", "git_commit": "1f" * 20, "data": data}}
    )
