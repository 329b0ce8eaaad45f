"""A model package, its release, and a repository on a git host with the commit that it was trained from."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_git_host import FakeGitHub

from mlops.core.git import Repository
from mlops.githost.hosts import current_builder
from mlops.models.registered import ModelVersion, read_provenance
from mlops.provenance.statement import Statement, state_provenance, statement_path
from mlops.provenance.verification import ProvenanceSubject
from mlops.settings.project import Project, load_project
from mlops.settings.releases import Release
from model_package.package import package_digest

POLICY = Path(__file__).parents[4] / "releases" / "provenance.yml"
TRAINING = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/credit-default",
    "GITHUB_WORKFLOW_REF": "example/credit-default/.github/workflows/train.yml@refs/heads/main",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "2",
}


@dataclass(frozen=True)
class Case:
    """A clone in which a model is about to be deployed to prod."""

    git_host: FakeGitHub
    root: Path
    subject: ProvenanceSubject

    @property
    def project(self) -> Project:
        """The clone with the template's settings."""
        return Project(root=self.root, settings=load_project(POLICY.parents[1]).settings)

    def statement(self, environment: dict[str, str] | None = None) -> Statement:
        """The statement about the model, trained where the variables say."""
        builder = current_builder(TRAINING if environment is None else environment)
        known = read_provenance(self.subject.package)
        return state_provenance(self.subject.model, self.subject.package, known, builder)

    def commit(self, text: str) -> None:
        """Put a statement where deployments look for it."""
        file = self.root / statement_path(self.subject.model.name, self.subject.model.version)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def demand(self, **demands: Any) -> None:
        """Change what prod asks."""
        file = self.root / "releases" / "provenance.yml"
        policy = yaml.safe_load(file.read_text())
        policy["stages"]["prod"] |= demands
        file.write_text(yaml.safe_dump(policy))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    git_host = FakeGitHub.make(tmp_path / "git-host")
    commit = git_host.begin({"README.md": "hello\n"})
    for name, value in git_host.variables().items():
        monkeypatch.setenv(name, value)
    root = git_host.clone(tmp_path / "clone")
    (root / "releases").mkdir()
    shutil.copy(POLICY, root / "releases")
    package = tmp_path / "package"
    package.mkdir()
    (package / "model.onnx").write_bytes(b"a graph")
    known = {
        "git_commit": commit,
        "job": "polite_fox_1",
        "created": "2026-11-20T12:00:00+00:00",
        "data": {"name": "credit-default", "version": "1", "sha256": "d" * 64},
        "components": {"train_model": "1.0.0"},
        "environment": {"lock_sha256": "e" * 64},
    }
    (package / "provenance.json").write_text(json.dumps(known))
    model = ModelVersion("credit-default", "3", package_digest(package))
    source = {"stage": "staging", "job": known["job"], "git_commit": commit, "data": known["data"]}
    identity = {"name": model.name, "version": model.version, "digest": model.digest}
    release = Release.model_validate({"model": identity, "source": source})
    assert Repository(root).head() == commit
    return Case(git_host, root, ProvenanceSubject("prod", model, package, release))


@pytest.fixture(autouse=True)
def outside_of_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say themselves which CI system is to be seen."""
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "TF_BUILD"):
        if name in os.environ:
            monkeypatch.delenv(name)
