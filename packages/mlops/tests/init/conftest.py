"""A project that `mlops init` can be run in, and a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from project_in_git import Init, commit, git
from table_files import DIALECTS

from mlops.init.project_files import InitOptions, init_project
from mlops.init.result import InitResult
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
PARTS = ("project.yml", "schema.yml", "data", "endpoints/online/sample-request.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's files that init reads and writes, in a git repository."""
    project = tmp_path / "project"
    for part in PARTS:
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, project / part)
    (project / "data" / "credit_default.csv").unlink(missing_ok=True)
    git(project, "init", "-q", "-b", "main")
    commit(project)
    return project


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    """600 customers in a spreadsheet's dialect; all columns are whole numbers."""
    random = np.random.default_rng(1)
    months = random.integers(1, 72, 600)
    rows = {
        "customer": [int(number) for number in random.permutation(600) + 1],
        "months": [int(number) for number in months],
        "Größe": [int(number) for number in random.integers(0, 40_000, 600)],
        "churned": [int(number > value) for number, value in zip(random.integers(0, 72, 600), months, strict=True)],
    }
    return DIALECTS["decimal comma"].write(rows, tmp_path / "Churn 2026.csv")


@pytest.fixture
def init(folder: Path) -> Init:
    def run(data: Path, target: str = "churned", **options: str | bool) -> InitResult:
        chosen = InitOptions(target, **options)  # ty: ignore[invalid-argument-type]
        return init_project(load_project(folder), data, chosen)

    return run
