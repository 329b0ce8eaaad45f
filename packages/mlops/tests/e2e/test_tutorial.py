"""docs/tutorial.md and docs/by-hand.md, each to a model in prod: their commands, in their order, in a clone."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.core.errors import Inconclusive

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BY_HAND = (ROOT / "docs" / "by-hand.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS = 500
BUSY_ATTEMPTS = 10
IDENTITY = {f"GIT_{role}_NAME": "a" for role in ("AUTHOR", "COMMITTER")} | {
    f"GIT_{role}_EMAIL": "a@users.noreply.invalid" for role in ("AUTHOR", "COMMITTER")
}

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("tutorial"), pytest.mark.timeout(900)]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, capture_output=True)
    yield folder
    run(folder, "uv run mlops down")


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run lines of the page; `uv run` stands for the environment that runs the test."""
    python = shlex.quote(sys.executable)
    script = script.replace("uv run mlops", f"{python} -m mlops").replace("uv run python", python)
    names = ("AZURE", "MLFLOW", "MLOPS", "GIT_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=clean | IDENTITY,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_the_commands_of_the_page_lead_from_a_table_to_prod(clone: Path) -> None:
    said = ""
    for kind, text in BLOCK.findall(PAGE):
        if kind == "python":
            (clone / text.splitlines()[0].removeprefix("# ")).write_text(text)
            continue
        done = run(clone, text)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout

    # then prod runs the first model of the table, dev the second, and no file waits to be committed
    assert "may be released to prod" in said
    rows = [line.split() for line in done.stdout.splitlines()]
    stages = {row[0]: row for row in rows if row and row[0] in ("dev", "staging", "prod")}
    assert (stages["prod"][1].partition("/")[0], stages["prod"][4]) == ("churn-prod", "1")
    assert (stages["dev"][1].partition("/")[0], stages["dev"][4]) == ("churn-dev", "2")
    assert "decision" in said
    assert subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout == b""


def test_the_commands_by_hand_lead_to_prod(clone: Path) -> None:
    # given a clone whose branch is main, as that of a fork
    run(clone, "git checkout -q -B main")
    said = ""
    for _, text in BLOCK.findall(BY_HAND):
        done = run(clone, text)
        for _ in range(BUSY_ATTEMPTS):
            # On a busy machine a rollout is inconclusive, and continues when the command is run again.
            if done.returncode == Inconclusive.exit_code:
                done = run(clone, text)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout

    # then each stage runs the version, git releases it, and both stages were judged
    assert "may be released to staging" in said
    assert "may be released to prod" in said
    assert "prod accepts it" in said
    stages = json.loads(run(clone, "uv run mlops status --json").stdout)["stages"]
    live = {
        each["digest"]
        for name in ("dev", "staging", "prod")
        for each in stages[name]["deployments"]
        if each["traffic"] == 100
    }
    assert len(live) == 1
    assert "this checkout releases" not in done.stdout
