"""A clone of this project with a model in every stage, and a worse one that runs in the first stage."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# Of the shell: they would point the clone at another workspace.
_WORKSPACE_VARIABLES = ("AZURE", "MLFLOW", "IDENTITY", "MSI", "REQUESTS_CA", "SSL_CERT", "MLOPS")
_SHARE = """
import sys
from pathlib import Path
from mlops.local.emulator import use_running_workspace
folder, name, version, digest = sys.argv[1:]
use_running_workspace(Path(folder))
from mlops.azure.workspace import WorkspaceClients
from mlops.promotion.challenger import share
from mlops.settings.project import load_project
from mlops.settings.releases import Model
share(WorkspaceClients(load_project(Path(folder))), Model(name=name, version=version, digest=digest))
"""


@dataclass(frozen=True)
class Released:
    """The clone, the repository in which its releases are, and the worse model: name, version, digest.

    The first stage runs the worse model, so that only the gates stand between it and the next one.
    """

    project: Path
    repository: Path
    worse: dict[str, str]

    def mlops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the repository with the releases."""
        return mlops(self.repository, *words)

    def git(self, *words: str) -> str:
        """Run git there."""
        return git(self.repository, *words)


@contextmanager
def released() -> Generator[Released]:
    """Run a demo in a clone, then train with other rows' targets, and deploy that model to the first stage."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        git(Path(folder), "clone", "--quiet", str(ROOT), str(project))
        rows = Path(folder) / "rows.csv"
        generator = [sys.executable, str(ROOT / "data" / "generate_sample.py"), "--out", str(rows)]
        subprocess.run(generator, check=True, capture_output=True)
        try:
            _say("a demo first, which takes minutes")
            _succeeds(mlops(project, "demo", "--data", str(rows)))
            repository = project / ".mlops" / "demo" / "repository"
            git(repository, "checkout", "--quiet", "--force", "-B", "main", "refs/remotes/origin/main")
            _say("a worse model")
            trained = _succeeds(mlops(repository, "train", "--data", str(_mixed(project, rows)), "--json"))
            worse = json.loads(trained.stdout)["model"]
            # As somebody with rights in the registry can; no promotion would.
            sharing = [sys.executable, "-c", _SHARE, str(repository), worse["name"], worse["version"], worse["digest"]]
            _succeeds(subprocess.run(sharing, env=environment(), capture_output=True, text=True, check=False))
            _succeeds(mlops(repository, "deploy", "--stage", "dev", "--version", worse["version"]))
            yield Released(project, repository, worse)
        finally:
            mlops(project, "down")


def mlops(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a project, as a new shell does."""
    return subprocess.run(command_line(project, *words), env=environment(), capture_output=True, text=True, check=False)


def command_line(project: Path, *words: str) -> list[str]:
    """The words of a command on a project."""
    return [sys.executable, "-m", "mlops", "--project", str(project), *words]


def environment() -> dict[str, str]:
    """This process's variables, without those of a workspace."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_WORKSPACE_VARIABLES)}


def git(folder: Path, *words: str) -> str:
    """What git says."""
    identity = ("-c", "user.name=attack", "-c", "user.email=attack@users.noreply.invalid")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _succeeds(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args[2:])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def _mixed(project: Path, rows: Path) -> Path:
    """A copy of the rows with their targets in another order."""
    schema: dict[str, Any] = yaml.safe_load((project / "schema.yml").read_text(encoding="utf-8"))
    header, *lines = list(csv.reader(rows.read_text(encoding="utf-8").splitlines()))
    column = header.index(schema["target"] if isinstance(schema["target"], str) else schema["target"]["name"])
    targets = [line[column] for line in lines]
    random.Random(1).shuffle(targets)  # noqa: S311 - the same worse model each time
    file = rows.with_name("mixed.csv")
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(
            [*line[:column], target, *line[column + 1 :]] for line, target in zip(lines, targets, strict=True)
        )
    return file


def _say(text: str) -> None:
    print(f"attack: {text}", file=sys.stderr, flush=True)
