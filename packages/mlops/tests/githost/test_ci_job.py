"""What a command tells a CI system, read back as the system's own agent reads it; hostile text stays text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.githost.azure_devops.job import AzurePipelines
from mlops.githost.github.job import GitHubActions
from mlops.githost.interface import CIJob

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


@pytest.mark.parametrize("value", ["3", "", *HOSTILE])
def test_an_output_arrives_on_github_as_it_was(tmp_path: Path, value: str) -> None:
    file = tmp_path / "output"
    job = GitHubActions({"GITHUB_OUTPUT": str(file)})

    job.set_output("job", value)
    job.set_output("version", "3")

    text = file.read_bytes().decode()
    assert github_outputs(text) == {"job": value, "version": "3"}


@pytest.mark.parametrize("value", ["3", "", *HOSTILE])
def test_an_output_arrives_on_azure_as_it_was(value: str) -> None:
    said = printed_by(AzurePipelines, f"job.set_output('job', {value!r})")

    lines = said.splitlines()
    assert len(lines) == 1
    command = re.fullmatch(r"##vso\[task\.setvariable variable=job;isOutput=true\](.*)", lines[0])
    assert command
    assert azure_value(command[1]) == value


def test_an_output_leads_to_no_other_variable_on_azure() -> None:
    said = printed_by(AzurePipelines, "job.set_output('job', '$(System.AccessToken)')")

    assert said.endswith("]$ (System.AccessToken)\n")


@pytest.mark.parametrize(("kind", "command"), [(GitHubActions, GITHUB_COMMAND), (AzurePipelines, AZURE_COMMAND)])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_that_passes_through_us_is_a_command(kind: type[CIJob], command: re.Pattern[str], text: str) -> None:
    for line in re.split(r"[\r\n]", text):
        assert not command.search(kind({}).escape(line))


def printed_by(kind: type[CIJob], code: str, **variables: str) -> str:
    """What a process that runs `code` in a CI job of its variables writes to standard error."""
    program = (
        f"import os\nfrom pathlib import Path\nfrom mlops.core.results import SourceLocation\n"
        f"from {kind.__module__} import {kind.__name__} as kind\njob = kind(os.environ)\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("kind", "variable", "expected"),
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
def test_an_annotation_names_file_and_line(tmp_path: Path, kind: type[CIJob], variable: str, expected: str) -> None:
    place = f"SourceLocation(Path({str(tmp_path)!r}, 'releases', 'a,b.yml'), 3, '')"
    said = printed_by(kind, f"job.annotate({place}, 'no: 100%\\n::error::x')", **{variable: str(tmp_path)})

    assert said.strip() == expected


def test_secrets_are_masked_line_by_line() -> None:
    assert printed_by(GitHubActions, "job.mask('a\\nb%')") == "::add-mask::a\n::add-mask::b%25\n"
    assert printed_by(AzurePipelines, "job.mask('a\\nb%')") == "##vso[task.setsecret]a\n##vso[task.setsecret]b%AZP25\n"


def test_a_summary_fits_the_limit_and_says_that_it_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    job = GitHubActions({"GITHUB_STEP_SUMMARY": str(file)})

    for _ in range(3):
        job.add_summary("é" * (job.summary_limit // 4))

    assert file.stat().st_size <= job.summary_limit
    assert "Shortened" in file.read_text()[-100:]
