"""What the examples change still fits the template: lines that they reword, files that they remove, pins."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from mlops.checks.pins import Lock, check_pins
from mlops.checks.yaml.document import read_document
from mlops.core.environments import environments_of
from mlops.init.example import example_files, examples_of
from mlops.settings.project import load_project
from model_package.steps.held_out import held_out_name

ROOT = Path(__file__).parents[4]
EXAMPLES = examples_of(load_project(ROOT))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_rewording_matches_once_and_every_removed_file_exists(name: str) -> None:
    for each in EXAMPLES[name].reworded:
        texts = [file.read_text() for file in ROOT.glob(each.file)]
        assert [len(re.findall(each.pattern, text, flags=re.MULTILINE)) for text in texts] == [1] * len(texts), each
        assert texts
    assert [path for path in EXAMPLES[name].removed if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_module_of_a_replaced_step_is_left(name: str) -> None:
    brought = example_files(load_project(ROOT), name)
    steps = {str(Path(path).parent) for path in brought if path.startswith("components/") and path.endswith(".py")}
    modules = {file.relative_to(ROOT).as_posix() for step in steps for file in (ROOT / step).glob("*.py")}

    assert modules - set(brought) - set(EXAMPLES[name].removed) == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_tuning_varies_inputs_of_the_train_step(name: str) -> None:
    space, step = (
        yaml.safe_load(first_of(Path("examples", name, "project", path), Path(path)).read_text())
        for path in ("components/search_space.yml", "components/train_model/component.yml")
    )

    assert set(space["parameters"]) <= set(step["inputs"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_train_step_reports_what_a_tuning_compares(name: str) -> None:
    path = Path("components", "train_model", "train_model.py")
    reported = read_text_of_step(first_of(Path("examples", name, "project", path), path))

    assert held_out_name("") in reported or "model_package.steps.held_out" in reported


def read_text_of_step(file: Path) -> str:
    """The code of a step, without its comments."""
    return "\n".join(line for line in file.read_text().splitlines() if not line.strip().startswith("#"))


def first_of(*paths: Path) -> Path:
    """The first that exists, below the root."""
    return next(ROOT / path for path in paths if (ROOT / path).is_file())


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_environments_have_the_versions_of_the_lock(name: str) -> None:
    project = ROOT / "examples" / name / "project"
    lock = Lock((ROOT / "uv.lock").read_text())

    for environment in environments_of(project):
        assert environment.conda_file is not None
        document = read_document(environment.conda_file, project)
        assert list(check_pins(document, lock, ",".join(environment.own_packages))) == []
        assert list(check_pins(document, lock)) != []


def test_what_programs_left_in_an_example_is_not_brought(tmp_path: Path) -> None:
    # given an example in which programs left files that are no text
    shutil.copy(ROOT / "project.yml", tmp_path)
    folder = tmp_path / "examples" / "pytorch"
    for name in ("example.yml", "generate.py", "project/components/train_model/network.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples" / "pytorch" / name, folder / name)
    for name in ("components/train_model/__pycache__/network.pyc", ".mlops/environments/train/bin/python"):
        (folder / "project" / name).parent.mkdir(parents=True)
        (folder / "project" / name).write_bytes(b"\xff\xfe")

    brought = example_files(load_project(tmp_path), "pytorch")

    assert sorted(brought) == ["components/train_model/network.py", "data/generate_sample.py"]
