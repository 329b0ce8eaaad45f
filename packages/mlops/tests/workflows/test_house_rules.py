"""The project's own rules for CI files: each finds its violation, and none in the files of the project."""

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
Check = Callable[[Path], list[str]]
PLAIN = {"condition": "needs.plan.outputs.prod == 'true'", "script": "uv run mlops check"}


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """Check the CI files in a folder; the linters are programs of CI, not a package."""
    monkeypatch.syspath_prepend(ROOT / ".ci" / "linters")
    files, rules = importlib.import_module("ci_files"), importlib.import_module("house_rules")
    return lambda folder: [finding.message for finding in rules.broken_rules(files.find_ci_files(folder))]


@pytest.fixture
def findings(check: Check, tmp_path: Path) -> Callable[[str], list[str]]:
    """Check one workflow."""

    def find(text: str) -> list[str]:
        file = tmp_path / ".github" / "workflows" / "a.yml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return check(tmp_path)

    return find


def test_the_project_follows_the_rules(check: Check) -> None:
    assert check(ROOT) == []


def test_a_simple_workflow_follows_the_rules(findings: Callable[[str], list[str]]) -> None:
    assert findings(WORKFLOW.format(**PLAIN)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"condition": "steps.gate.outputs.auc > 0.8"}, "what decides belongs there"),
        ({"condition": "needs.plan.outputs.stage == 'prod'"}, "what decides belongs there"),
        ({"condition": "startsWith(github.head_ref, 'promote/')"}, "what decides belongs there"),
        ({"condition": "gt(dependencies.plan.outputs['plan.count'], 3)"}, "what decides belongs there"),
        ({"script": "python train.py"}, "is not a command that CI may run"),
        ({"script": "uv run mlops check || true"}, "one command per step"),
        ({"script": '"uv run mlops plan\\nuv run mlops gate"'}, "one command per step"),
        ({"script": "uv run mlops plan --since ${{ github.sha }}"}, "an expression in a script"),
    ],
)
def test_logic_in_a_file_is_found(findings: Callable[[str], list[str]], change: dict[str, str], words: str) -> None:
    (finding,) = findings(WORKFLOW.format(**PLAIN | change))
    assert words in finding


def test_a_long_file_is_found(findings: Callable[[str], list[str]]) -> None:
    assert "361 lines" in findings(WORKFLOW.format(**PLAIN) + "# more\n" * 354)[0]
