"""What `mlops preview` makes of the answer of infra/'s own program; that program's tests lie in infra/tests."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlops.cli.ci_output import blocks_as_markdown
from mlops.cli.command_line import run
from mlops.core.errors import InputError, MachineError
from mlops.core.layout import INFRASTRUCTURE_PROGRAMS
from mlops.infrastructure.preview import PreviewResult, StackChange, preview
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
SAME: dict[str, Any] = {
    "added": [],
    "removed": [],
    "changed": {},
    "rights_added": [],
    "rights_removed": [],
    "problem": "",
    "differs": False,
}
GROWN = SAME | {
    "added": ["compute:Cluster gpu"],
    "changed": {"budget": ["amount"]},
    "rights_removed": ["ci: Reader on group"],
    "differs": True,
}


def result(**stacks: dict[str, Any]) -> PreviewResult:
    changes = {name: StackChange.model_validate(each) for name, each in stacks.items()}
    return PreviewResult("main", changes, ("shared", "dev", "staging", "prod"))


def test_the_shape_is_what_the_program_of_the_infrastructure_prints() -> None:
    tree = ast.parse((ROOT / "infra" / "inventory" / "changes.py").read_text())
    printed = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "StackChange")
    names = {
        node.target.id for node in printed.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }

    assert names | {"differs"} == set(StackChange.model_fields)


def test_a_flag_for_each_stack_that_ci_brings_up() -> None:
    assert result(dev=GROWN, prod=SAME, repository=GROWN).outputs == {
        "shared": "false",
        "dev": "true",
        "staging": "false",
        "prod": "false",
    }


def test_every_change_is_listed_with_its_rights() -> None:
    text = blocks_as_markdown(result(dev=GROWN, prod=SAME).blocks())

    for words in ("compute:Cluster gpu", "role REMOVED", "ci: Reader on group", "amount"):
        assert words in text
    assert "prod" not in text
    assert blocks_as_markdown(result(prod=SAME).blocks()) == "no stack changes since main"


def test_wrong_settings_of_a_stack_are_a_failure() -> None:
    broken = result(dev=SAME | {"problem": "region is missing", "differs": True})

    assert broken.exit_code == 3
    assert "region is missing" in blocks_as_markdown(broken.blocks())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in git whose infra/ has no program that could run."""
    shutil.copy(ROOT / "project.yml", tmp_path)
    shutil.copy(ROOT / "schema.yml", tmp_path)
    for name in ("infra/Pulumi.dev.yaml", "releases/protection.yml", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True)
    return tmp_path


def test_git_answers_at_once_where_nothing_changed_that_the_program_reads(folder: Path) -> None:
    (folder / "README.md").write_text("two\n")
    (folder / "new.txt").write_text("new\n")

    assert blocks_as_markdown(preview(load_project(folder), "HEAD").blocks()) == "no stack changes since HEAD"


@pytest.mark.parametrize("changed", ["infra/Pulumi.dev.yaml", "releases/protection.yml", "infra/new.py"])
def test_the_program_runs_once_a_file_changed_that_it_reads(folder: Path, changed: str) -> None:
    (folder / changed).write_text("two\n")

    with pytest.raises(MachineError, match="program failed"):
        preview(load_project(folder), "HEAD")


def test_a_revision_that_is_none_is_told(folder: Path) -> None:
    with pytest.raises(MachineError, match="git diff failed") as refused:
        preview(load_project(folder), "no-such-revision")

    assert "no-such-revision" in "\n".join(refused.value.details)


@pytest.mark.parametrize("program", INFRASTRUCTURE_PROGRAMS)
def test_a_program_of_the_infrastructure_gets_everything_behind_its_name(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a uv that notes what it is started with, and ends as a program that found too little quota
    (tmp_path / "uv").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/words\nexit 1\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    # when
    code = run(["--project", str(ROOT), "infra", program, "--stack", "prod", "--help"])

    # then
    assert code == 1
    words = (tmp_path / "words").read_text().split()
    assert words[words.index("-m") :] == ["-m", INFRASTRUCTURE_PROGRAMS[program], "--stack", "prod", "--help"]
    assert Path(words[words.index("--directory") + 1]).samefile(ROOT / "infra")


def test_an_unknown_program_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["infra", "quotas"]) == InputError.exit_code
    assert "'bootstrap', 'quota', 'inventory', 'teardown'" in capsys.readouterr().err
