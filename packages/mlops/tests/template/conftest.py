"""A small template with releases, and forks of it of each kind: real git repositories."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlops.checks import fix_project
from mlops.commands.project import finish_upgrade
from mlops.template.plan import UpgradeResult
from mlops.template.upgrade import Finish, upgrade

ROOT = Path(__file__).parents[4]
TRAIN = "import json\n\n\ndef fit(rows):\n    return sum(rows)\n\n\ndef save(model):\n    return json.dumps(model)\n"
COMPONENT = """type: command
name: train
version: 1.0.0
code: .
command: python train.py
environment: azureml:steps@latest
"""
FIRST = {
    ".gitignore": ".mlops/\n",
    ".template.yml": "format: 1\nversion: 1.0.0\nrepository: https://git.example.com/team/template\n",
    "README.md": "# Template\n\nRead this.\n",
    "pyproject.toml": '[project]\nname = "template"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n',
    "packages/mlops/CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\n- The first version.\n",
    "packages/mlops/src/mlops/engine.py": "SPEED = 1\n",
    "CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\n- The first version.\n",
    "docs/guide.md": "# Guide\n",
    "infra/stage.py": "SIZE = 1\n\n\n\nREGION = 'a'\n",
    ".azuredevops/train.yml": "steps: []\n",
    "components/train/component.yml": COMPONENT,
    "components/train/train.py": TRAIN,
    "data/generate_sample.py": "ROWS = 100\n",
    "endpoints/online/score.py": "LIMIT = 1\n",
}
SECOND = {
    "packages/mlops/CHANGELOG.md": (
        "# Changelog\n\n## 1.1.0\n\n- Faster.\n- `SPEED` is 2: set\n  yours again.\n\n"
        "## 1.0.0\n\n- The first version.\n"
    ),
    "packages/mlops/src/mlops/engine.py": "SPEED = 2\n",
    "CHANGELOG.md": "# Changelog\n\n## 1.1.0\n\n- CI is quicker.\n\n## 1.0.0\n\n- The first version.\n",
    "docs/guide.md": "# Guide\n\nNew.\n",
    "infra/stage.py": "SIZE = 2\n\n\n\nREGION = 'a'\n",
    ".azuredevops/monitor.yml": "steps: []\n",
    "components/train/component.yml": COMPONENT.replace("1.0.0", "1.1.0"),
    "components/train/train.py": TRAIN.replace("import json\n", "import json\nimport math\n"),
    "data/generate_sample.py": "ROWS = 200\n",
}


def texts(result: UpgradeResult) -> str:
    return "\n".join(getattr(block, "text", "") for block in result.blocks())


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def commit(folder: Path, message: str = "change") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def release(folder: Path, version: str, files: Mapping[str, str], *, fix: bool = True) -> None:
    """Make a version of the template: its files, records and locks, committed and tagged."""
    write(folder, files)
    for name in (".template.yml", "pyproject.toml"):
        text = re.sub(r"\d+\.\d+\.\d+", version, (folder / name).read_text())
        (folder / name).write_text(text)
    subprocess.run(["uv", "lock", "--quiet", "--offline"], cwd=folder, check=True)
    if fix:
        fix_project(folder)
    commit(folder, f"Release {version}")
    git(folder, "tag", f"v{version}")


def set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit under a name of our own, and without a network."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    set_apart(monkeypatch)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with the versions 1.0.0 and 1.1.0, made once."""
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_apart(monkeypatch)
        git(folder, "init", "--quiet", "--initial-branch", "main")
        shutil.copy(ROOT / "project.yml", folder)
        release(folder, "1.0.0", FIRST)
        release(folder, "1.1.0", SECOND)
    return folder


@pytest.fixture
def template(released: Path, tmp_path: Path) -> Path:
    """A template with the versions 1.0.0 and 1.1.0."""
    return Path(shutil.copytree(released, tmp_path / "template"))


@pytest.fixture
def fork(template: Path, tmp_path: Path) -> Path:
    """A fork of version 1.0.0: it shares the template's history."""
    folder = tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", "--no-tags", str(template), str(folder))
    git(folder, "reset", "--quiet", "--hard", git(template, "rev-parse", "v1.0.0"))
    return folder


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    """What "Use this template" makes of version 1.0.0: its files in one commit of its own."""
    folder = tmp_path / "copy"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "fetch", "--quiet", "--no-tags", str(template), "v1.0.0")
    git(folder, "checkout", "--quiet", "FETCH_HEAD", "--", ".")
    commit(folder, "Initial commit")
    return folder


def run(
    folder: Path, template: Path, to: str | None = None, *, dry_run: bool = False, finish: Finish = finish_upgrade
) -> UpgradeResult:
    return upgrade(folder, to=to, source=str(template), dry_run=dry_run, finish=finish)


@pytest.fixture(params=["fork", "copy"])
def project(request: pytest.FixtureRequest) -> Path:
    """A fork, and a copy without the template's history."""
    folder: Path = request.getfixturevalue(request.param)
    return folder
