"""A model without ONNX through every stage: an MLflow pyfunc, trained, gated, released, called, and run over files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops.local.emulator import ensure_started

from .conftest import ROOT, Clone, git, make_clone

# A machine of its own for three endpoints whose workers hold scikit-learn.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("e2e pyfunc")]

TRAIN = '''\
"""Fit scikit-learn on columns by name, and hand it on as an MLflow model."""

import argparse
import sys
import tempfile
from pathlib import Path

import mlflow.sklearn
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.frames import as_frame
from model_package.rows.split import TRAIN, VALIDATION, read_part
from model_package.steps.pyfunc_model import save_pyfunc

parser = argparse.ArgumentParser()
parser.add_argument("--split-data", type=Path, required=True)
parser.add_argument("--trained-model", type=Path, required=True)
arguments, _ = parser.parse_known_args()
schema = read_schema(arguments.split_data)
train, validation = (read_part(arguments.split_data, part, schema) for part in (TRAIN, VALIDATION))
# skl2onnx cannot convert a function.
model = make_pipeline(
    FunctionTransformer(np.asarray), HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=40, random_state=7)
)
model.fit(as_frame(train.rows, schema), train.target)
answers = model.predict_proba(as_frame(validation.rows, schema))[:, 1]
with tempfile.TemporaryDirectory() as folder:
    mlflow.sklearn.save_model(
        model,
        f"{folder}/model",
        serialization_format="skops",
        skops_trusted_types=["numpy.asarray", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn", "skops"],
    )
    save_pyfunc(Path(folder, "model"), answers, arguments.trained_model, schema)
threshold = float(np.quantile(answers, 0.75))
write_json(arguments.trained_model / "training.json", {"decision": {"threshold": threshold, "chosen_by": "hand"}})
write_lineage(arguments.trained_model, arguments.split_data, __file__)
sys.exit(0)
'''
LIBRARIES = ("mlflow-skinny", "scikit-learn", "skops")
PREDICTED = ("probability", "decision")


@dataclass(frozen=True)
class Released:
    """A clone whose model is a pyfunc, what its demo said, and the variables that lead to its workspace."""

    clone: Clone
    data: Path
    demo: dict[str, Any]
    variables: dict[str, str]


def pinned(name: str) -> str:
    """The line of a library in the environment of the steps."""
    text = (ROOT / "environments" / "steps.conda.yml").read_text()
    (found,) = re.findall(rf"^ +- {name}==.+$", text, re.MULTILINE)
    return found


def raised(file: Path) -> None:
    """Give a component or an environment another version, as a change of its content needs."""
    text, count = re.subn(r"^version: (\d+)\.\d+\.\d+$", r"version: \g<1>.99.0", file.read_text(), flags=re.MULTILINE)
    assert count == 1
    file.write_text(text)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, data_file: Path) -> Iterator[Released]:
    clone = make_clone(ROOT, tmp_path_factory.mktemp("pyfunc") / "project")
    (clone.folder / "components" / "train_model" / "train_model.py").write_text(TRAIN)
    for name in ("train_model", "score_batch"):
        raised(clone.folder / "components" / name / "component.yml")
    shutil.copy(ROOT / "uv.lock", clone.folder)
    for name in ("serving", "batch"):
        file = clone.folder / "environments" / f"{name}.conda.yml"
        libraries = [*LIBRARIES, *(() if "pandas==" in file.read_text() else ("pandas",))]
        file.write_text(file.read_text() + "".join(f"{pinned(each)}\n" for each in libraries))
        raised(clone.folder / "environments" / f"{name}.yml")
    done = clone.mlops("check", "--fix")
    assert done.returncode == 0, done.stdout
    git(clone.folder, "add", "-A")
    git(clone.folder, "commit", "-qm", "Train a model that has no ONNX")
    try:
        demo = clone.document("demo", "--data", str(data_file))
        yield Released(clone, data_file, demo, ensure_started(clone.project).values)
    finally:
        clone.mlops("down")


def package_of(released: Released) -> Path:
    digest = released.demo["model"]["digest"].removeprefix("sha256:")
    return released.clone.folder / ".mlops" / "models" / digest


def test_every_stage_runs_the_same_bytes_without_onnx(released: Released) -> None:
    stages = released.demo["stages"]
    package = package_of(released)

    assert list(stages) == ["dev", "staging", "prod"]
    assert {stage["digest"] for stage in stages.values()} == {released.demo["model"]["digest"]}
    assert (package / "pyfunc" / "MLmodel").is_file()
    assert not (package / "model.onnx").exists()
    assert json.loads((package / "provenance.json").read_text())["model_digest"].startswith("sha256:")


def test_it_answers_requests_and_explains_them(released: Released) -> None:
    answered = released.clone.document("score", "--stage", "prod", **released.variables)
    explained = released.clone.document("explain", "--stage", "prod", **released.variables)

    for row, prediction in zip(explained["rows"], answered["predictions"], strict=True):
        assert {name: row[name] for name in PREDICTED} == {name: prediction[name] for name in PREDICTED}


def test_it_scores_files_as_it_answers_requests(released: Released, tmp_path: Path) -> None:
    version = released.demo["model"]["version"]
    released.clone.document("deploy", "--stage", "dev", "--batch", "--version", version, **released.variables)
    rows = pl.read_csv(released.data).head(50)
    (tmp_path / "files").mkdir()
    rows.write_csv(tmp_path / "files" / "rows.csv")
    asked = tmp_path / "request.json"
    inputs = rows.drop("ID", "default")
    asked.write_text(json.dumps({"input_data": inputs.to_dicts()}))

    arguments = ("score", "--stage", "dev", "--batch", str(tmp_path / "files"), "--output", str(tmp_path / "out"))
    done = released.clone.mlops(*arguments, **released.variables)

    assert done.returncode == 0, done.stderr
    scored = pl.read_parquet(tmp_path / "out" / "rows.csv.scored.parquet")
    answered = released.clone.document("score", "--stage", "dev", "--file", str(asked), **released.variables)
    assert scored["probability"].to_list() == pytest.approx(
        [each["probability"] for each in answered["predictions"]], abs=1e-6
    )
