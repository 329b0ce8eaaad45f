"""The gates on what the steps themselves make: the template's gates.yml, components and synthetic sample."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops.gates.evidence import Candidate, Proposal, read_held_out
from mlops.gates.report import GateReport, run_gates
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.project import read_project_schema
from mlops.settings.releases import Release
from mlops.settings.stages import StageOrder
from model_package.digest import folder_digest
from model_package.package import package_digest

ROOT = Path(__file__).parents[4]
ORDER = StageOrder(("dev", "staging", "prod"))
COMMIT = "1f" * 20
SAMPLE_ROWS = 12_000
# One worker makes the packages for all.
pytestmark = pytest.mark.xdist_group("gates on real packages")


# Runs steps one after another in one interpreter, each as its command line does: heavy imports are paid once.
DRIVER = """
import json, pathlib, runpy, sys
for script, arguments in json.load(sys.stdin):
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(pathlib.Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""
Step = tuple[str, list[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split and two packages, a usual one and one of a model with hardly any trees, made by the steps."""
    folder = tmp_path_factory.mktemp("steps")
    data, valid, split = folder / "sample.csv", folder / "valid", folder / "split"
    run(
        [
            script("data/generate_sample.py", rows=SAMPLE_ROWS, out=data),
            step(
                "validate_data",
                data=data,
                schema=ROOT / "schema.yml",
                validated_data=valid,
                validation_report=folder / "validation",
            ),
            step("prepare_data", validated_data=valid, split_data=split),
            *package(folder, "good", iterations=60),
            *package(folder, "bad", iterations=1),
        ]
    )
    return folder


def package(folder: Path, name: str, iterations: int) -> list[Step]:
    split, model, evaluation = folder / "split", folder / f"{name}-model", folder / f"{name}-evaluation"
    inputs = {"split_data": split, "trained_model": model, "evaluation": evaluation}
    facts = {"data_name": "credit-default", "data_version": "1", "data_sha256": "b" * 64, "git_commit": COMMIT}
    return [
        step("train_model", split_data=split, trained_model=model, iterations=iterations),
        step("evaluate_model", **inputs, bootstrap_resamples=50),
        step("package_model", **inputs, model_package=folder / name, **facts),
    ]


def step(name: str, **arguments: object) -> Step:
    return script(f"components/{name}/{name}.py", **arguments)


def script(file: str, **arguments: object) -> Step:
    pairs = [("--" + key.replace("_", "-"), str(value)) for key, value in arguments.items()]
    return str(ROOT / file), [word for pair in pairs for word in pair]


def run(steps: list[Step]) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment["AZUREML_RUN_ID"] = "polite_fox_1"
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(steps),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def candidate(package: Path, version: str) -> Candidate:
    known = json.loads((package / "provenance.json").read_text())
    source = {
        "stage": "dev",
        "job": known["job"],
        "git_commit": known["git_commit"],
        "data": known["data"],
    }
    model = {"name": "credit-default", "version": version, "digest": package_digest(package)}
    return Candidate(package, Release.model_validate({"model": model, "source": source}))


def judged(made: Path, challenger: str, champion: str | None, recent: pl.DataFrame | None = None) -> GateReport:
    rows = read_held_out(made / "split" / "test.parquet")
    before = None if champion is None else candidate(made / champion, "1")
    proposal = Proposal("staging", candidate(made / challenger, "2"), before, rows, recent)
    return run_gates(proposal, read_gates(ROOT / GATES_FILE, ORDER, read_project_schema(ROOT)))


def test_the_templates_model_passes_the_templates_gates(made: Path) -> None:
    recent = pl.read_parquet(made / "split" / "validation.parquet")

    report = judged(made, "good", "good", recent)

    assert [each.sentence for each in report.verdict.blocking] == []
    assert report.promotes


def test_a_worse_model_is_stopped_by_its_performance_alone(made: Path) -> None:
    report = judged(made, "bad", "good")

    blocked = {each.rule.measure for each in report.verdict.blocking}
    assert "roc_auc" in blocked
    assert not blocked & {"digest_differences", "provenance_gaps", "golden_difference", "recorded_difference"}


def test_a_better_model_replaces_a_worse_one(made: Path) -> None:
    assert judged(made, "good", "bad").promotes


def test_inputs_of_another_population_are_noticed(made: Path) -> None:
    recent = pl.read_parquet(made / "split" / "validation.parquet")
    older = recent.with_columns(AGE=pl.col("AGE") + 20)

    report = judged(made, "good", "good", older)

    assert {each.rule.measure for each in report.verdict.blocking} == {"largest_feature_drift"}
    (largest,) = report.evidence.measures["largest_feature_drift"].details
    assert largest.startswith("AGE ")


# A class that skl2onnx does not know, pickled with the model.
PYFUNC_STEP = """
import sys, tempfile
from pathlib import Path

import mlflow.pyfunc
from sklearn.ensemble import HistGradientBoostingClassifier

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.rows.frames import as_frame
from model_package.rows.split import TRAIN, VALIDATION, read_part
from model_package.steps.pyfunc_model import save_pyfunc

class Mean(mlflow.pyfunc.PythonModel):
    def __init__(self, models):
        self.models = models

    def predict(self, context, model_input, params=None):
        return sum(each.predict_proba(model_input)[:, 1] for each in self.models) / len(self.models)

split, target = map(Path, sys.argv[1:])
schema = read_schema(split)
train, validation = (read_part(split, part, schema) for part in (TRAIN, VALIDATION))
table, answered = as_frame(train.rows, schema), as_frame(validation.rows, schema)
models = [HistGradientBoostingClassifier(max_iter=40, random_state=seed) for seed in (1, 2)]
model = Mean([each.fit(table, train.target) for each in models])
with tempfile.TemporaryDirectory() as folder:
    mlflow.pyfunc.save_model(f"{folder}/model", python_model=model, pip_requirements=["scikit-learn"])
    save_pyfunc(Path(folder, "model"), model.predict(None, answered), target, schema)
write_json(target / "training.json", {"decision": {"threshold": 0.3, "chosen_by": "hand"}})
write_json(target / "lineage.json", {"train_model": "1.0.0"})
"""


@pytest.fixture(scope="module")
def pyfunc(made: Path) -> Path:
    """The package of an MLflow model without ONNX, beside the others."""
    (made / "pyfunc_step.py").write_text(PYFUNC_STEP)
    train = str(made / "pyfunc_step.py"), [str(made / "split"), str(made / "pyfunc-model")]
    _, evaluate, pack = package(made, "pyfunc", iterations=0)
    run([train, evaluate, pack])
    return made


@pytest.mark.long
def test_a_model_without_onnx_passes_the_same_gates_and_bounds_of_its_own(pyfunc: Path) -> None:
    report = judged(pyfunc, "pyfunc", None)

    assert [each.sentence for each in report.verdict.blocking] == []
    assert report.promotes
    bounds = {each.rule.measure: each.bound for each in report.verdict.outcomes}
    assert bounds["latency_p50_milliseconds"] == "≤ 50"
    parity = json.loads((pyfunc / "pyfunc" / "evaluation.json").read_text())["pyfunc_parity"]
    assert parity["maximum_difference"] <= parity["tolerance"]


@pytest.mark.long
def test_a_model_that_is_not_the_released_one_is_never_loaded(pyfunc: Path, tmp_path: Path) -> None:
    released = candidate(pyfunc / "pyfunc", "2")
    forged = shutil.copytree(pyfunc / "pyfunc", tmp_path / "forged")
    trap = f"import pathlib\ndef _load_pyfunc(path):\n    pathlib.Path({str(tmp_path / 'loaded')!r}).touch()\n"
    (forged / "pyfunc" / "trap.py").write_text(trap)
    description = forged / "pyfunc" / "MLmodel"
    description.write_text(re.sub(r"loader_module: .*", "loader_module: trap", description.read_text()))
    known = json.loads((forged / "provenance.json").read_text())
    (forged / "provenance.json").write_text(json.dumps(known | {"model_digest": folder_digest(forged / "pyfunc")}))
    rows = read_held_out(pyfunc / "split" / "test.parquet")

    report = run_gates(
        Proposal("staging", replace(released, folder=forged), None, rows),
        read_gates(ROOT / GATES_FILE, ORDER, read_project_schema(ROOT)),
    )

    assert not report.promotes
    assert not (tmp_path / "loaded").exists()
    sentences = {each.rule.measure: each.sentence for each in report.verdict.blocking}
    assert "but the release promises" in sentences["roc_auc"]


@pytest.mark.long
def test_a_saved_model_that_answers_otherwise_than_its_framework_is_not_packaged(pyfunc: Path, tmp_path: Path) -> None:
    model = shutil.copytree(pyfunc / "pyfunc-model", tmp_path / "model")
    expected = np.load(model / "expected.npy")
    np.save(model / "expected.npy", expected[::-1])
    inputs = {"split_data": pyfunc / "split", "trained_model": model, "evaluation": pyfunc / "pyfunc-evaluation"}

    with pytest.raises(AssertionError, match="The saved pyfunc model and the trained model differ by up to"):
        run([step("package_model", **inputs, model_package=tmp_path / "package")])

    assert not (tmp_path / "package").exists()
