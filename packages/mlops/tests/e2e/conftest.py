"""One clean clone of the project with a workspace of its own, in which the demo has run twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import MLClient
from prefork_programs import forget_cloud, run_module
from reduced_work import reduce_work

from mlops.azure.workspace import WorkspaceClients, connect
from mlops.local.emulator import ensure_started
from mlops.settings.project import Project, load_project

ROOT = Path(__file__).parents[4]
PARTS = ("project.yml", "schema.yml", "components", "data", "endpoints", "environments", "pipelines", "releases")
# As many as the gates need to tell a good model from luck.
ROWS = 12_000
# Long enough for a busy machine; a test that hangs is told apart from one that is slow.
PATIENCE_SECONDS = 700


@dataclass(frozen=True)
class Clone:
    """A copy of the project in a git repository of its own."""

    folder: Path

    def mlops(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command in it."""
        return run_module("mlops", *arguments, folder=self.folder, variables=variables, timeout=PATIENCE_SECONDS)

    def document(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Run one command that must succeed, and read its JSON."""
        done = self.mlops(*arguments, "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def project(self) -> Project:
        """Its settings."""
        return load_project(self.folder)


@dataclass(frozen=True)
class Lifecycle:
    """A clone in which the demo has run twice, and the variables that lead to its workspace."""

    clone: Clone
    data: Path
    first_run: subprocess.CompletedProcess[str]
    second_run: subprocess.CompletedProcess[str]
    variables: dict[str, str]

    @property
    def first(self) -> dict[str, Any]:
        """What the first demo answered."""
        return json.loads(self.first_run.stdout)

    @property
    def again(self) -> dict[str, Any]:
        """What the second demo answered."""
        return json.loads(self.second_run.stdout)


def git(folder: Path, *words: str) -> str:
    """What git says."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_clone(origin: Path, folder: Path, message: str = "clone") -> Clone:
    """Copy a project as git would give it to somebody else; another message makes another commit."""
    leave_out = shutil.ignore_patterns("__pycache__", ".mlops")
    for part in PARTS:
        source = origin / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=leave_out)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    if origin == ROOT:
        reduce_work(folder)
        # As the stages are on Azure where only the first one builds images.
        settings = folder / "project.yml"
        settings.write_text(
            settings.read_text().replace("    serving: managed", "    images: shared\n    serving: managed")
        )
    else:
        # Models were trained in the first copy, whose commits the later ones do not have.
        file = folder / "releases" / "provenance.yml"
        policy = yaml.safe_load(file.read_text())
        for demands in policy["stages"].values():
            demands |= {"builders": ["*"], "commit": "any"}
        file.write_text(yaml.safe_dump(policy))
    (folder / ".gitignore").write_text(".mlops/\n__pycache__/\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", message)):
        git(folder, *words)
    return Clone(folder)


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "clients.csv"
    generator = ROOT / "data" / "generate_sample.py"
    command = [sys.executable, str(generator), "--rows", str(ROWS), "--seed", "11", "--out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


@pytest.fixture(scope="session")
def lifecycle(tmp_path_factory: pytest.TempPathFactory, data_file: Path) -> Iterator[Lifecycle]:
    clone = make_clone(ROOT, tmp_path_factory.mktemp("clone") / "project")
    try:
        first, again = (clone.mlops("demo", "--data", str(data_file), "--json") for _ in range(2))
        assert first.returncode == 0, first.stderr
        assert again.returncode == 0, again.stderr
        yield Lifecycle(clone, data_file, first, again, ensure_started(clone.project).values)
    finally:
        clone.mlops("down")


@pytest.fixture
def client(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> MLClient:
    """A client of the dev workspace of the clone, in this process."""
    for name, value in lifecycle.variables.items():
        monkeypatch.setenv(name, value)
    # The SDK remembers the last cloud in a variable; it must not outlive this test.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
    forget_cloud()
    return connect(lifecycle.clone.project.settings.stage("dev"))


@pytest.fixture
def fork(lifecycle: Lifecycle, tmp_path: Path) -> Clone:
    """Another copy, to be changed by a test; it shares the workspace of the clone."""
    return make_clone(lifecycle.clone.folder, tmp_path / "fork")


@dataclass(frozen=True)
class Team:
    """A bare remote with the project in it, and one clone."""

    remote: Path
    folder: Path

    @property
    def clients(self) -> WorkspaceClients:
        """The stages as this clone's project.yml names them."""
        return WorkspaceClients(load_project(self.folder))

    def colleague(self, name: str) -> Team:
        """Another clone of the same remote."""
        folder = self.folder.with_name(name)
        git(self.folder.parent, "clone", "-q", str(self.remote), str(folder))
        return Team(self.remote, folder)

    def manifest(self, stage: str) -> Path:
        """A manifest in the clone."""
        return self.folder / "releases" / f"{stage}.yml"

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file, commit and push it."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        git(self.folder, "commit", "-qam", f"Edit {file}")
        git(self.folder, "push", "-q", "origin", "main")

    def merge(self, branch: str) -> None:
        """Merge a promotion as a review does."""
        git(self.folder, "fetch", "-q")
        git(self.folder, "merge", "-q", "--no-ff", "-m", "Merge", f"origin/{branch}")


@pytest.fixture
def team(lifecycle: Lifecycle, client: MLClient, tmp_path: Path) -> Team:
    """The lifecycle's project, with nothing released in its manifests yet; its stages run what the demo left."""
    remote = tmp_path / "remote.git"
    clone = make_clone(lifecycle.clone.folder, tmp_path / "seed")
    git(tmp_path, "clone", "-q", "--bare", str(clone.folder), str(remote))
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(remote), str(folder))
    return Team(remote, folder)
