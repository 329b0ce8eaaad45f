"""What commands report to the CI job that runs them: annotations, summaries, groups; nothing on a workstation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.cli.ci_output import blocks_as_markdown, error_as_markdown
from mlops.core.results import Line, Raw, Table

ROOT = Path(__file__).parents[4]
# As the runner reads it: actions/runner, ActionCommand.cs.
GITHUB_COMMAND = re.compile(r"^\s*::[\w-]+.*::|##\[[\w-]+")


def run_in(variables: dict[str, str], code: str) -> str:
    """What a program says on standard error where a CI system runs it."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    ("variables", "begin", "end"),
    [
        ({"GITHUB_ACTIONS": "true"}, "::group::steps", "::endgroup::"),
        ({"TF_BUILD": "True"}, "##[group]steps", "##[endgroup]"),
    ],
    ids=["GitHub", "Azure"],
)
def test_the_steps_of_a_job_fold(variables: dict[str, str], begin: str, end: str) -> None:
    code = (
        "from mlops.cli.progress import Step, step_board\nwith step_board() as board: board.show([Step('a', 'Failed')])"
    )

    assert run_in(variables, code).splitlines() == [begin, "  a: Failed", end]


def test_an_error_that_nobody_catches_gives_no_commands_either() -> None:
    code = (
        "from mlops.cli.ci_output import escaped_output\n"
        "with escaped_output(): raise RuntimeError('no\\n::add-mask::x')"
    )

    said = run_in({"GITHUB_ACTIONS": "true"}, code)

    assert "RuntimeError: no" in said
    assert not any(GITHUB_COMMAND.search(line) for line in said.splitlines())


def test_markdown_shows_hostile_text_as_text_and_no_text_for_programs() -> None:
    blocks = [Table("a | b", ("c",), (("<b>@all", "2"),)), Line("# done"), Raw("export SECRET=1")]

    text = blocks_as_markdown(blocks)

    assert "SECRET" not in text
    assert "<b>" not in text
    assert "| c |  |" in text
    assert "\\# done" in text
    assert error_as_markdown("no", "", ["```", "````x"]).count("`````") == 2


def run_check(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlops", "check"],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def broken_project(tmp_path: Path) -> Path:
    """A project.yml with an unknown key, in whose name a command hides."""
    text = (ROOT / "project.yml").read_text()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "project.yml").write_text(text + '"::add-mask::##vso[task.complete]": 1\n')
    return tmp_path


def test_a_broken_file_is_annotated_and_summarised_on_github(broken_project: Path) -> None:
    summary = broken_project / "summary.md"
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(broken_project)}

    done = run_check(broken_project, GITHUB_STEP_SUMMARY=str(summary), **variables)

    assert done.returncode == 3
    commands = [line for line in done.stderr.splitlines() if GITHUB_COMMAND.search(line)]
    assert len(commands) == 1
    assert commands[0].startswith("::error file=project.yml,line=")
    assert summary.read_text().startswith("## ❌ ")


def test_a_broken_file_is_annotated_and_summarised_on_azure(broken_project: Path) -> None:
    variables = {"TF_BUILD": "True", "BUILD_SOURCESDIRECTORY": str(broken_project)}

    done = run_check(broken_project, AGENT_TEMPDIRECTORY=str(broken_project), **variables)

    assert done.returncode == 3
    commands = [line for line in done.stderr.splitlines() if line.startswith("##")]
    assert [command.partition("]")[0].split(" ")[0] for command in commands] == [
        "##vso[task.logissue",
        "##vso[task.uploadsummary",
    ]
    assert "sourcepath=project.yml;linenumber=" in commands[0]
    assert Path(commands[1].partition("]")[2]).read_text().startswith("## ❌ ")


def test_at_home_nothing_is_printed_by(broken_project: Path) -> None:
    done = run_check(broken_project, GITHUB_STEP_SUMMARY=str(broken_project / "summary.md"))

    assert done.returncode == 3
    assert "::error" not in done.stderr
    assert not (broken_project / "summary.md").exists()
