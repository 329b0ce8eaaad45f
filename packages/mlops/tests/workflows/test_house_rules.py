"""The project's own rules for CI files: each finds what it is for, and nothing in the files as they ship."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
WORKFLOW = """\
on: push
jobs:
  a:
    if: {condition}
    runs-on: ubuntu-24.04
    steps:
      - run: {script}
"""
Judge = Callable[[Path], list[str]]
PLAIN = {"condition": "needs.plan.outputs.prod == 'true'", "script": "uv run mlops check"}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What the rules say of the CI files below a folder; the linters are programs of CI, no package."""
    monkeypatch.syspath_prepend(ROOT / ".ci" / "linters")
    files, rules = importlib.import_module("ci_files"), importlib.import_module("house_rules")
    return lambda folder: [finding.message for finding in rules.broken_rules(files.find_ci_files(folder))]


@pytest.fixture
def said(judge: Judge, tmp_path: Path) -> Callable[[str], list[str]]:
    """What they say of one workflow."""

    def say(text: str) -> list[str]:
        file = tmp_path / ".github" / "workflows" / "a.yml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return judge(tmp_path)

    return say


def test_the_files_as_they_ship_keep_them(judge: Judge) -> None:
    assert judge(ROOT) == []


def test_a_plain_workflow_keeps_them(said: Callable[[str], list[str]]) -> None:
    assert said(WORKFLOW.format(**PLAIN)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"condition": "steps.gate.outputs.auc > 0.8"}, "what decides belongs there"),
        ({"condition": "needs.plan.outputs.stage == 'prod'"}, "what decides belongs there"),
        ({"condition": "startsWith(github.head_ref, 'promote/')"}, "what decides belongs there"),
        ({"condition": "gt(dependencies.plan.outputs['plan.count'], 3)"}, "what decides belongs there"),
        ({"script": "python train.py"}, "none of the commands of CI"),
        ({"script": "uv run mlops check || true"}, "one command a step"),
        ({"script": '"uv run mlops plan\\nuv run mlops gate"'}, "one command a step"),
        ({"script": "uv run mlops plan --since ${{ github.sha }}"}, "an expression in a script"),
    ],
)
def test_what_decides_in_a_file_is_found(said: Callable[[str], list[str]], change: dict[str, str], words: str) -> None:
    (finding,) = said(WORKFLOW.format(**PLAIN | change))
    assert words in finding


def test_a_long_file_is_found(said: Callable[[str], list[str]]) -> None:
    assert "121 lines" in said(WORKFLOW.format(**PLAIN) + "# more\n" * 114)[0]
