"""The files that GitHub, Dependabot and Renovate read: valid by their own schemas, and about things that exist."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
on_github = pytest.mark.skipif(not GITHUB.is_dir(), reason="this project's CI is not GitHub's")
FORMS = sorted(str(file) for file in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config")
COOLDOWN_DAYS = 7


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        pytest.param("dependabot", [".github/dependabot.yml"], marks=on_github),
        ("renovate", ["renovate.json"]),
        pytest.param("github-issue-forms", FORMS, marks=on_github),
        pytest.param("github-issue-config", [".github/ISSUE_TEMPLATE/config.yml"], marks=on_github),
    ],
    ids=["dependabot", "renovate", "forms", "choice of forms"],
)
def test_the_schema_holds(schema: str, files: list[str]) -> None:
    assert files
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [program, "--builtin-schema", f"vendor.{schema}", "--regex-variant", "nonunicode", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@on_github
def test_updates_wait_a_week_in_both_and_cover_every_lock() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    assert {each["cooldown"]["default-days"] for each in updates} == {COOLDOWN_DAYS}
    assert json.loads((ROOT / "renovate.json").read_text())["minimumReleaseAge"] == f"{COOLDOWN_DAYS} days"
    named = {
        (each["package-ecosystem"], folder.strip("/"))
        for each in updates
        for folder in each["directories"]
        if "*" not in folder
    }
    locks = {"uv.lock": "uv", "package-lock.json": "npm"}
    found = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    there = {
        (locks[Path(line).name], "" if Path(line).parent == Path() else Path(line).parent.as_posix())
        for line in found.splitlines()
        if Path(line).name in locks
    }
    assert {each for each in named if each[0] != "github-actions"} == there


@on_github
def test_owners_are_named_for_what_stages_run_and_stand_on() -> None:
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines()]
    owned = {line[0]: line[1:] for line in lines if line and not line[0].startswith("#")}
    assert {f"/{name}/" for name in ("releases", "infra", ".github") if (ROOT / name).is_dir()} <= owned.keys()
    assert all(owners and all(each.startswith("@") for each in owners) for owners in owned.values())
    # extensions/ is owned before a project has any, and * is everything else.
    named = owned.keys() - {"/extensions/", "*"}
    assert [place for place in named if not (ROOT / place.strip("/")).exists()] == []
