"""What a command tells a CI system, read back as the system's own agent reads it; hostile text stays text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.ci.azure_pipelines import AzurePipelines
from mlops.ci.base import System
from mlops.ci.current import NoSystem, current
from mlops.ci.github import GitHubActions
from mlops.ci.report import blocks_as_markdown, error_as_markdown
from mlops.core.results import Line, Raw, Table

ROOT = Path(__file__).parents[4]
HOSTILE = [
    "::set-output name=version::9",
    "  ::add-mask::a",
    "##[add-mask]a",
    "##vso[task.setvariable variable=version;isOutput=true]9",
    "x ##VSO[task.prependpath]/tmp",
    "mlops_0<<mlops_0\nversion=9\nmlops_0",
    "a%0Ab%AZP25",
    "two\r\nlines",
    "::stop-commands::x",
]
# As the runner reads it: actions/runner, ActionCommand.cs; as the agent does: azure-pipelines-agent, Command.cs.
GITHUB_COMMAND = re.compile(r"^\s*::[\w-]+.*::|##\[[\w-]+")
AZURE_COMMAND = re.compile(r"##vso\[|##\[", re.IGNORECASE)


def github_outputs(text: str) -> dict[str, str]:
    """The values of an output file, as the runner reads its blocks."""
    values, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, _, delimiter = line.partition("<<")
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        else:
            raise AssertionError(f"{name} never ends")
        values[name] = "\n".join(value)
    return values


def azure_value(text: str) -> str:
    return text.replace("%0A", "\n").replace("%0D", "\r").replace("%AZP25", "%")


@pytest.mark.parametrize(
    ("environment", "system"),
    [
        ({}, NoSystem),
        ({"GITHUB_ACTIONS": "false"}, NoSystem),
        ({"GITHUB_ACTIONS": "true"}, GitHubActions),
        ({"TF_BUILD": "True"}, AzurePipelines),
    ],
    ids=["none", "said to be none", "GitHub", "Azure"],
)
def test_the_variables_tell_the_system(environment: dict[str, str], system: type[System]) -> None:
    assert type(current(environment)) is system


@pytest.mark.parametrize("value", ["3", "", *HOSTILE])
def test_an_output_arrives_on_github_as_it_was(tmp_path: Path, value: str) -> None:
    file = tmp_path / "output"
    system = GitHubActions({"GITHUB_OUTPUT": str(file)})

    system.output("job", value)
    system.output("version", "3")

    text = file.read_bytes().decode()
    assert github_outputs(text) == {"job": value, "version": "3"}


@pytest.mark.parametrize("value", ["3", "", *HOSTILE])
def test_an_output_arrives_on_azure_as_it_was(value: str) -> None:
    said = told(AzurePipelines, f"system.output('job', {value!r})")

    lines = said.splitlines()
    assert len(lines) == 1
    command = re.fullmatch(r"##vso\[task\.setvariable variable=job;isOutput=true\](.*)", lines[0])
    assert command
    assert azure_value(command[1]) == value


def test_an_output_leads_to_no_other_variable_on_azure() -> None:
    said = told(AzurePipelines, "system.output('job', '$(System.AccessToken)')")

    assert said.endswith("]$ (System.AccessToken)\n")


@pytest.mark.parametrize(("system", "command"), [(GitHubActions, GITHUB_COMMAND), (AzurePipelines, AZURE_COMMAND)])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_that_passes_through_us_is_a_command(system: type[System], command: re.Pattern[str], text: str) -> None:
    for line in re.split(r"[\r\n]", text):
        assert not command.search(system({}).harmless(line))


def told(system: type[System], code: str, **variables: str) -> str:
    """What a process that runs `code` on a system of its variables writes to standard error."""
    program = (
        f"import os\nfrom pathlib import Path\nfrom mlops.core.source_location import Place\n"
        f"from {system.__module__} import {system.__name__} as kind\nsystem = kind(os.environ)\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        (
            GitHubActions,
            "GITHUB_WORKSPACE",
            "::error file=releases/a%2Cb.yml,line=3,title=mlops::no: 100%25%0A::error::x",
        ),
        (
            AzurePipelines,
            "BUILD_SOURCESDIRECTORY",
            "##vso[task.logissue type=error;sourcepath=releases/a,b.yml;linenumber=3]no: 100%AZP25%0A::error::x",
        ),
    ],
)
def test_an_annotation_names_file_and_line(tmp_path: Path, system: type[System], variable: str, expected: str) -> None:
    place = f"Place(Path({str(tmp_path)!r}, 'releases', 'a,b.yml'), 3, '')"
    said = told(system, f"system.annotate({place}, 'no: 100%\\n::error::x')", **{variable: str(tmp_path)})

    assert said.strip() == expected


def test_secrets_are_masked_line_by_line() -> None:
    assert told(GitHubActions, "system.mask('a\\nb%')") == "::add-mask::a\n::add-mask::b%25\n"
    assert told(AzurePipelines, "system.mask('a\\nb%')") == "##vso[task.setsecret]a\n##vso[task.setsecret]b%AZP25\n"


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
    code = "from mlops.ci.log_commands import guarded\nwith guarded(): raise RuntimeError('no\\n::add-mask::x')"

    said = run_in({"GITHUB_ACTIONS": "true"}, code)

    assert "RuntimeError: no" in said
    assert not any(GITHUB_COMMAND.search(line) for line in said.splitlines())


def test_a_summary_fits_the_limit_and_says_that_it_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    system = GitHubActions({"GITHUB_STEP_SUMMARY": str(file)})

    for _ in range(3):
        system.summary("é" * (system.summary_limit // 4))

    assert file.stat().st_size <= system.summary_limit
    assert "Shortened" in file.read_text()[-100:]


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


def test_at_home_nothing_is_told(broken_project: Path) -> None:
    done = run_check(broken_project, GITHUB_STEP_SUMMARY=str(broken_project / "summary.md"))

    assert done.returncode == 3
    assert "::error" not in done.stderr
    assert not (broken_project / "summary.md").exists()
