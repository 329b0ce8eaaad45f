"""One demo in a clone of this project with a workspace of its own; the tests of this folder read what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from interpreters import INSTALLED, require_installed

ROOT = Path(__file__).parents[2]
# What a clone of the project needs to run: everything but the packages, which are installed.
PARTS = ("project.yml", "schema.yml", "components", "data", "endpoints", "environments", "pipelines", "releases")
# Tells a hang from a slow machine.
HANG_SECONDS = 900


@dataclass(frozen=True)
class Lifecycle:
    """A clone in which the demo has run, and what the demo answered."""

    folder: Path
    answer: dict[str, Any]
    progress: str

    def mlops(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command in the clone, connected to its workspace as `eval "$(mlops env)"` connects a shell."""
        script = 'eval "$("$0" -m mlops env)" && exec "$0" -m mlops "$@"'
        command = ["sh", "-c", script, sys.executable, *arguments]
        return run(command, self.folder)

    def document(self, *arguments: str) -> dict[str, Any]:
        """Run one command that must succeed, and return its JSON."""
        done = self.mlops(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with no CI system around it."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GITHUB_ACTIONS", "TF_BUILD")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=HANG_SECONDS
    )


@pytest.fixture(scope="session")
def lifecycle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lifecycle]:
    require_installed()
    folder = tmp_path_factory.mktemp("lifecycle") / "project"
    folder.mkdir()
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, folder / name)
    if (ROOT / INSTALLED).is_dir():
        (folder / INSTALLED.parent).mkdir(mode=0o700)
        (folder / INSTALLED).symlink_to(ROOT / INSTALLED)
    (folder / ".gitignore").write_text(".mlops/\n__pycache__/\n")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*identity, "commit", "-qm", "clone")):
        done = run(["git", *words], folder)
        assert done.returncode == 0, done.stderr
    mlops = [sys.executable, "-m", "mlops"]
    try:
        done = run([*mlops, "demo", "--json"], folder)
        assert done.returncode == 0, done.stderr
        yield Lifecycle(folder, json.loads(done.stdout), done.stderr)
    finally:
        run([*mlops, "down"], folder)
