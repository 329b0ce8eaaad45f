"""The jobs that run the tests install the programs that the tests start, as the CI files of both systems say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from started_programs import GROUPS, NPM

ROOT = Path(__file__).parents[4]


def github(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())


def azure(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "azure-pipelines.yml").read_text())


def github_jobs(document: dict[str, Any]) -> Iterator[list[str]]:
    """The commands of each job; what every job begins with is in the action `setup`."""
    for job in document["jobs"].values():
        yield [step["run"] for step in job["steps"] if "run" in step]


def azure_jobs(document: dict[str, Any]) -> Iterator[list[str]]:
    for stage in document["stages"]:
        for job in stage["jobs"]:
            yield [step["script"] for step in job["steps"] if "script" in step]


def missing(jobs: Sequence[list[str]]) -> list[str]:
    """What no job that runs the tests of the packages, or those of a group, installs for them."""
    whole = [commands for commands in jobs if "uv run pytest packages" in commands]
    found = [
        f"npm ci --prefix {folder}"
        for folder in NPM.values()
        if (ROOT / folder).is_dir() and not any(f"npm ci --prefix {folder}" in commands for commands in whole)
    ]
    for file, group in GROUPS.items():
        installs = {f"uv sync --locked --group {group}", "uv sync --locked --all-groups"}
        if (ROOT / file).is_file() and not any(
            installs.intersection(commands) and f"uv run pytest {file}" in commands for commands in jobs
        ):
            found.append(f"{file} with {group}")
    return found


@pytest.mark.parametrize("jobs", [github_jobs(github(ROOT)), azure_jobs(azure(ROOT))], ids=["github", "azure"])
def test_the_jobs_that_run_the_tests_install_what_they_start(jobs: Iterator[list[str]]) -> None:
    assert missing(list(jobs)) == []


@pytest.mark.parametrize("folder", NPM.values())
def test_a_job_that_does_not_install_npm_s_is_found(folder: str) -> None:
    jobs = [[each for each in commands if folder not in each] for commands in github_jobs(github(ROOT))]

    assert f"npm ci --prefix {folder}" in missing(jobs)


def test_a_job_that_does_not_install_a_group_is_found() -> None:
    jobs = [[each for each in commands if not each.startswith("uv sync")] for commands in azure_jobs(azure(ROOT))]

    assert [each for each in missing(jobs) if each.endswith("with lint")]
