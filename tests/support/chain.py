"""The five steps as a person would run them: plain python, one process after the other; and rows for them."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from programs import run_script

from mlops.core.environments import python_of
from mlops.core.errors import MachineError
from model_package.schema_file import read_schema_file
from model_package.steps.synthetic_rows import csv_of, synthetic_rows

ROOT = Path(__file__).parents[2]
SCHEMA_FILE = ROOT / "schema.yml"
SCHEMA = read_schema_file(SCHEMA_FILE)
# Of the same seed: the tests of one run read the same rows.
SAMPLE_ROWS = 3_000


@dataclass(frozen=True)
class Chain:
    """The folders that the steps wrote."""

    folder: Path

    @property
    def split(self) -> Path:
        return self.folder / "split"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def package(self) -> Path:
        return self.folder / "package"


def write_sample(file: Path, rows: int = SAMPLE_ROWS) -> Path:
    """Write synthetic rows of the project's schema as a CSV file."""
    file.write_text(csv_of(synthetic_rows(SCHEMA, rows)), encoding="utf-8")
    return file


def run_step(step: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run one step; an option `data_name=x` becomes `--data-name x`.

    Skips the test if the step's environment must be installed beside the project's, and is not.
    """
    components = ROOT / "components"
    name, *words = step_command(step, **options)
    file = Path(name)
    try:
        python = python_of(ROOT, Path(yaml.safe_load(file.with_name("component.yml").read_text())["environment"]))
    except MachineError as error:
        pytest.skip(f"{error.message}. {error.advice}")
    # Another environment has no model_package: there the step takes the copy that travels with it.
    return run_script(file, *words, python=python, modules=None if python == Path(sys.executable) else components)


def step_command(step: str, **options: object) -> list[str]:
    """Give the file of a step and its options."""
    words = [str(ROOT / "components" / step / f"{step}.py")]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def run_chain(data: Path, folder: Path, **training: object) -> Chain:
    """Run all five steps. Fails the test with the step's own words when one of them fails."""
    chain = Chain(folder)
    rows = folder / "rows"
    report = folder / "report"
    _pass(run_step("validate_data", data=data, schema=SCHEMA_FILE, validated_data=rows, validation_report=report))
    _pass(run_step("prepare_data", validated_data=rows, split_data=chain.split))
    _pass(run_step("train_model", split_data=chain.split, trained_model=chain.model, **training))
    _pass(run_step("evaluate_model", **parts(chain), evaluation=chain.evaluation))
    _pass(run_package(chain, chain.package, data_name="sample", data_version="7", git_commit="abc123"))
    return chain


def run_package(chain: Chain, folder: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the last step into a folder of its own."""
    return run_step("package_model", **parts(chain), evaluation=chain.evaluation, model_package=folder, **options)


def parts(chain: Chain) -> dict[str, Path]:
    """Give the inputs that evaluation and packaging share."""
    return {"split_data": chain.split, "trained_model": chain.model}


def _pass(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
