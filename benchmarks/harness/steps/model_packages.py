"""A model package by the project's own steps, and synthetic rows by its generator, for benchmarks of scoring."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[3]
SAMPLE_ROWS = 31_000
_PARTS = ("--split-data", "split", "--trained-model", "model")


def sample_generator() -> Callable[..., pl.DataFrame]:
    """`generate(rows, seed)` of data/generate_sample.py."""
    specification = importlib.util.spec_from_file_location("generate_sample", ROOT / "data" / "generate_sample.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.generate


def make_package(folder: Path, trees: int) -> Path:
    """A model package by the steps themselves, on a synthetic sample."""
    folder.mkdir()
    sample = folder / "sample.csv"
    run(ROOT / "data" / "generate_sample.py", "--rows", str(SAMPLE_ROWS), "--out", str(sample))
    steps: dict[str, list[str]] = {
        "validate_data": [
            *("--data", "sample.csv", "--schema", str(ROOT / "schema.yml")),
            *("--validated-data", "rows", "--validation-report", "report"),
        ],
        "prepare_data": ["--validated-data", "rows", "--split-data", "split"],
        "train_model": [*_PARTS, "--iterations", str(trees)],
        # How certain its metrics are does not matter here.
        "evaluate_model": [*_PARTS, "--evaluation", "evaluation", "--bootstrap-resamples", "10"],
        "package_model": [*_PARTS, "--evaluation", "evaluation", "--model-package", "package"],
    }
    for step, words in steps.items():
        run(ROOT / "components" / step / f"{step}.py", *words, folder=folder)
    return folder / "package"


def run(script: Path, *words: str, folder: Path | None = None) -> None:
    """Run a Python script, which must succeed."""
    subprocess.run([sys.executable, str(script), *words], cwd=folder, check=True, capture_output=True)
