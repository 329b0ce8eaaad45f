"""Environments beside the project's own: which there are, what is installed, and what is said where one is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.core.environments import INSTALLED_FOLDER, advice_for_module, environments_of, install, job_image, python_of
from mlops.core.errors import InputError, MachineError
from mlops.local.emulator import start, stop
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
ENVIRONMENT = """\
name: mlops-train
version: 1.0.0
image: busybox
conda_file: train.conda.yml
tags: {not_in_uv_lock: "torch, onnxscript"}
"""
CONDA = "name: train\ndependencies:\n  - python=3.11\n  - pip:\n      - torch==2.13.0\n"
# A package that needs nothing to be built.
PYPROJECT = """\
[project]
name = "nothing"
version = "1"
[build-system]
requires = []
backend-path = ["."]
build-backend = "backend"
"""
BACKEND = """\
import zipfile

METADATA = {
    "METADATA": "Metadata-Version: 2.1\\nName: nothing\\nVersion: 1\\n",
    "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "RECORD": "",
}

def build_wheel(folder, *_):
    name = "nothing-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("nothing.py", "")
        for file, text in METADATA.items():
            wheel.writestr(f"nothing-1.dist-info/{file}", text)
    return name
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one environment that uv.lock cannot bring, and one that it can."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "train.yml").write_text(ENVIRONMENT)
    (tmp_path / "environments" / "train.conda.yml").write_text(CONDA)
    (tmp_path / "environments" / "steps.yml").write_text("name: mlops-steps\nversion: 1.0.0\nimage: busybox\n")
    (tmp_path / "project.yml").write_text((ROOT / "project.yml").read_text())
    return tmp_path


def make_interpreter(root: Path, key: str) -> Path:
    """A virtual environment without packages, where `mlops install` would make it."""
    folder = root / INSTALLED_FOLDER / key
    (root / INSTALLED_FOLDER.parent).mkdir(mode=0o700)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_names_and_packages_are_read_from_the_files(root: Path) -> None:
    steps, train = environments_of(root)

    assert (train.key, train.names) == ("train", ("mlops-train", "train"))
    assert train.own_packages == ("torch", "onnxscript")
    assert (steps.names, steps.own_packages) == (("mlops-steps",), ())


def test_a_step_runs_in_the_projects_python_unless_its_environment_is_installed(root: Path) -> None:
    reference = Path("file:../../environments/train.yml")

    assert python_of(root, Path("file:../../environments/steps.yml")) == Path(sys.executable)
    with pytest.raises(
        MachineError, match="need packages that are not installed on this machine: torch, onnxscript"
    ) as refused:
        python_of(root, reference)
    assert refused.value.advice.startswith("Run: uv run mlops install train; with --torch-backend cpu")
    python = make_interpreter(root, "train")
    assert python_of(root, reference) == python


def test_the_workspace_gets_what_is_installed(root: Path) -> None:
    python = make_interpreter(root, "train")
    (root / "pipelines").mkdir()
    step = "jobs:\n  train_model:\n    compute: azureml:gpu-cluster\n"
    (root / "pipelines" / "train.yml").write_text(f"settings:\n  default_compute: azureml:cpu-cluster\n{step}")
    project = load_project(root)
    try:
        start(project)
        settings = json.loads((root / ".mlops/emulator/emulator.json").read_text())["settings"]
    finally:
        stop(project)

    assert settings["computes"] == ["gpu-cluster"]
    assert settings["environments"] == {"mlops-train": str(python), "train": str(python)}


def test_the_demo_says_at_once_what_to_install(root: Path) -> None:
    command = [sys.executable, "-m", "mlops", "--project", str(root), "demo"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == MachineError.exit_code
    assert "steps of the environment train need packages that are not installed on this machine" in done.stderr
    assert not (root / ".mlops" / "emulator").exists()


@pytest.mark.parametrize(
    ("key", "conda", "reason"),
    [
        ("nothing", CONDA, "there is no environments/nothing.yml"),
        ("steps", CONDA, "has no conda_file"),
        ("train", "dependencies: [python=3.11]\n", "names no version of Python, or no packages for pip"),
    ],
)
def test_what_cannot_be_installed_is_refused(root: Path, key: str, conda: str, reason: str) -> None:
    (root / "environments" / "train.conda.yml").write_text(conda)

    with pytest.raises(InputError, match=reason):
        install(root, key)


def test_a_step_without_a_module_names_the_environment_to_install(root: Path) -> None:
    (root / "environments" / "train.conda.yml").write_text("dependencies:\n  - pip:\n      - torch==2.9.0\n")
    log = ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'torch.nn'", "Exited with 1"]

    assert "`mlops install train`" in advice_for_module(root, log)
    assert "Add lightgbm to" in advice_for_module(root, ["ModuleNotFoundError: No module named 'lightgbm'"])
    assert advice_for_module(root, ["ValueError: torch"]) == ""
    no_spark = (
        "This step runs on Spark, for which … Install the emulator's extra, mlops-template-azureml-emulator[spark]"
    )
    assert "`uv sync --inexact --group spark`" in advice_for_module(root, [no_spark])


def test_packages_are_installed_by_pip_into_a_place_of_their_own(root: Path) -> None:
    # given a conda file whose one package is a folder: nothing is downloaded
    package = root / "nothing"
    package.mkdir()
    (package / "pyproject.toml").write_text(PYPROJECT)
    (package / "backend.py").write_text(BACKEND)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (root / "environments" / "train.conda.yml").write_text(
        f"name: train\ndependencies:\n  - python={version}\n  - pip:\n      - {package}\n"
    )

    # when
    command = [sys.executable, "-m", "mlops", "--project", str(root), "install", "train", "--with-pip", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    # then
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["message"] == "installed train: its steps now run with .mlops/environments/train/bin/python"
    python = next(each for each in environments_of(root) if each.key == "train").python
    subprocess.run([str(python), "-c", "import nothing"], check=True)


def test_an_image_is_told_by_what_it_is_built_from(tmp_path: Path) -> None:
    # given a pipeline whose step has an environment by its file, with a Conda file and a build context
    files = {
        "pipelines/score.yml": "jobs: {score: {component: ../components/score/component.yml}}",
        "components/score/component.yml": "task: {environment: file:../../environments/batch.yml}",
        "environments/batch.yml": "{name: b, version: 1.0.0, image: base, conda_file: c.yml, build: {path: context}}",
        "environments/c.yml": "dependencies: [polars=1] # fast",
        "environments/context/Dockerfile": "FROM base",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    pipeline = tmp_path / "pipelines" / "score.yml"
    before = job_image(pipeline)
    assert before.startswith("b:1.0.0 sha256:")

    # when a comment changes, it is the same image; with anything else it is another one
    (tmp_path / "environments" / "c.yml").write_text("dependencies: [polars=1]")
    assert job_image(pipeline) == before
    for name, old, new in (
        ("environments/c.yml", "polars=1", "polars=2"),
        ("environments/batch.yml", "image: base", "image: other"),
        ("environments/context/Dockerfile", "base", "other"),
    ):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace(old, new))
        assert job_image(pipeline) != before, name
        (tmp_path / name).write_text(text)

    # and what is registered already, or is not there, has none
    pipeline.write_text("jobs: {score: {component: azureml:score@latest}}")
    assert job_image(pipeline) == job_image(tmp_path / "nothing.yml") == ""
