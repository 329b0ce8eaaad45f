"""What the emulator imports ahead: the modules of the code that a project's components and jobs name."""

from __future__ import annotations

from pathlib import Path

import pytest

from azureml_emulator.jobs.launching.imported_modules import third_party_imports
from azureml_emulator.jobs.launching.project_code import project_root, step_code

FILES = {
    ".git/HEAD": "",
    "steps/train/component.yml": "type: command\ncommand: python train.py\ncode: .\nadditional_includes: [../common]\n",
    "steps/train/train.py": "import numpy\nimport common.tables\nfrom helper import x\nimport json, not_installed\n",
    "steps/train/helper.py": "from sklearn.ensemble import HistGradientBoostingClassifier\n",
    "steps/common/tables.py": "def read():\n    import polars\n",
    "jobs/pipeline.yml": "jobs:\n  one: {type: command, command: python one.py, code: ../one}\n",
    "one/one.py": "import pandas\nfrom pyspark.sql import SparkSession\n",
    # none of these is the code of a step
    "online/deployment.yml": "code_configuration: {code: ., scoring_script: score.py}\n# command: none\n",
    "online/score.py": "import flask\n",
    "remote.yml": "command: python x.py\ncode: https://example.org/code\n",
    "broken.yml": "command: [\ncode: .\n",
    ".hidden/component.yml": "command: python x.py\ncode: .\n",
    ".hidden/x.py": "import click\n",
    "venv/pyvenv.cfg": "",
    "venv/component.yml": "command: python x.py\ncode: .\n",
    "venv/x.py": "import yaml\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_the_code_of_steps_is_found_with_its_includes(project: Path) -> None:
    found = {tuple(folder.relative_to(project).as_posix() for folder in code) for code in step_code(project)}
    assert found == {("steps/train", "steps/common"), ("one",)}


def test_the_installed_modules_of_the_code_are_imported(project: Path) -> None:
    found = {name for code in step_code(project) for name in third_party_imports(code)}
    assert found == {"numpy", "sklearn.ensemble", "polars", "pandas"}


def test_the_project_is_the_repository_around_a_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project_root(project / "steps" / "train") == project
    monkeypatch.setenv("HOME", str(project))
    assert project_root(project) is None
    assert project_root(Path("/")) is None
