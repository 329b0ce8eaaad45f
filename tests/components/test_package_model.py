"""The model package holds what serving, gates and drift need, and ONNX that agrees with scikit-learn."""

import json
from datetime import datetime
from typing import Any

import mlflow.pyfunc
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from chain import REAL_DATA, SCHEMA, Chain, run_chain, run_package
from onnx_graph import convert, largest_difference
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from model_package.package import ModelPackage
from model_package.rows.encoding import Tensors
from model_package.rows.split import TEST, TRAIN, read_part
from model_package.runtime import Scorer
from model_package.schema import Feature, Schema
from model_package.steps.sklearn_model import answer, load_model

pytestmark = pytest.mark.xdist_group("example_chain")

FILES = {"MLmodel", "model.onnx", "requirements.txt", "schema.json", "baseline.json", "evaluation.json"}
FILES |= {"report.html", "golden.json", "provenance.json"}
TOLERANCE = 1e-5
ROWS = 5_000


def document(chain: Chain, name: str) -> dict[str, Any]:
    return json.loads((chain.package / name).read_text(encoding="utf-8"))


def score(graph: onnx.ModelProto, rows: np.ndarray, schema: Schema = SCHEMA) -> np.ndarray:
    return Scorer(schema, graph.SerializeToString()).score(rows)


def test_it_holds_every_file(chain: Chain):
    assert {path.name for path in chain.package.iterdir()} >= FILES


def test_every_document_is_read_back(chain: Chain):
    package = ModelPackage.read(chain.package)
    assert package.schema.with_decision(None) == SCHEMA
    assert package.evaluation.slices.keys() == {"sex", "education", "age"}


def test_the_graph_has_one_input_and_one_probability(chain: Chain):
    session = onnxruntime.InferenceSession(chain.package / "model.onnx")
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1]) == ("features", "tensor(float)", len(SCHEMA.names))
    assert (answer.name, answer.type, answer.shape[1]) == ("probability", "tensor(float)", 1)
    found = np.asarray(session.run(None, {"features": read_part(chain.split, TEST, SCHEMA).features[:3]})[0])
    assert found.shape == (3, 1)
    assert found.dtype == np.float32


def test_the_graph_agrees_with_scikit_learn_on_the_whole_test_part(chain: Chain):
    test = read_part(chain.split, TEST, SCHEMA)
    expected = answer(load_model(chain.model), test.rows, SCHEMA)
    found = score(onnx.load(chain.package / "model.onnx"), test.features)
    stated = document(chain, "evaluation.json")["onnx_parity"]
    assert np.abs(expected - found).max() <= TOLERANCE
    assert stated == {
        "rows": len(test.target),
        "maximum_difference": pytest.approx(largest_difference(expected, found, SCHEMA), abs=1e-12),
        "tolerance": TOLERANCE,
    }


def test_a_broken_tolerance_fails_the_step_and_leaves_no_package(chain: Chain, tmp_path):
    done = run_package(chain, tmp_path / "package", tolerance=0)
    assert done.returncode == 1
    assert "more than the tolerance 0" in done.stderr
    assert not (tmp_path / "package").exists()


def test_a_tampered_graph_is_seen(chain: Chain):
    # Given the graph with another base of the score than the model's
    test = read_part(chain.split, TEST, SCHEMA)
    model = load_model(chain.model)
    graph = convert(model, SCHEMA)
    (base,) = [each for each in graph.graph.node[0].attribute if each.name == "base_values"]
    base.floats[0] += 0.01
    # Then the difference is far beyond the tolerance
    expected = answer(model, test.rows, SCHEMA)
    assert largest_difference(expected, score(graph, test.features), SCHEMA) > 100 * TOLERANCE


def test_the_graph_is_one_ensemble_and_a_sigmoid_over_the_rows_own_columns(chain: Chain):
    graph = onnx.load(chain.package / "model.onnx").graph
    assert [node.op_type for node in graph.node] == ["TreeEnsembleRegressor", "Sigmoid"]
    (columns,) = [each.ints for each in graph.node[0].attribute if each.name == "nodes_featureids"]
    assert max(columns) < len(SCHEMA.names)


def test_the_graph_agrees_on_every_code_and_where_values_are_missing(chain: Chain):
    # Given rows that hold every code as often as any other, and one in ten of their values missing
    random = np.random.default_rng(3)
    columns = [
        random.choice(each.categories, ROWS)
        if each.categories
        else random.integers(int(each.minimum or 0), int(each.maximum or 1_000_000), ROWS)
        for each in SCHEMA.features
    ]
    rows = np.stack(columns, axis=1).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    model = load_model(chain.model)
    # When, then
    expected = answer(model, Tensors(rows), SCHEMA)
    assert largest_difference(expected, score(convert(model, SCHEMA), rows), SCHEMA) <= 1e-6


OTHER_MODELS = {
    "scaled, logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    # Not scaled: in float32 some rows would change sides at the trees' thresholds.
    "imputed, boosted": make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=20)),
    "forest": make_pipeline(StandardScaler(), RandomForestClassifier(20, max_depth=4, random_state=3)),
}


@pytest.mark.parametrize("pipeline", OTHER_MODELS.values(), ids=OTHER_MODELS.keys())
def test_another_pipeline_is_converted_as_it_is(pipeline: Pipeline):
    # Given a model that a fork might train, calibrated as the template's is
    random = np.random.default_rng(7)
    rows = random.normal(size=(2_000, 4)).astype(np.float32)
    target = (rows[:, 0] + random.normal(size=len(rows)) > 0).astype(int)
    fitted = FrozenEstimator(pipeline.fit(rows, target))
    model = CalibratedClassifierCV(fitted, method="sigmoid").fit(rows, target)
    # When, then
    schema = Schema("id", "target", tuple(Feature(name, "number") for name in "abcd"))
    expected = answer(model, Tensors(rows), schema)
    assert largest_difference(expected, score(convert(model, schema), rows, schema), schema) <= TOLERANCE


def test_a_probability_that_is_no_number_never_passes():
    assert largest_difference(np.array([0.5]), np.array([np.nan]), SCHEMA) == float("inf")


def test_mlflow_loads_it_and_answers_named_columns(chain: Chain):
    case = document(chain, "golden.json")["cases"][-1]
    frame = pd.DataFrame(case["request"]["input_data"]).astype(float)
    answer = mlflow.pyfunc.load_model(str(chain.package)).predict(frame)
    assert np.asarray(answer).ravel() == pytest.approx(case["probability"], abs=TOLERANCE)


def test_golden_requests_have_the_answers_that_onnxruntime_gives(chain: Chain):
    session = onnxruntime.InferenceSession(chain.package / "model.onnx")
    golden = document(chain, "golden.json")
    threshold = document(chain, "schema.json")["decision"]["threshold"]
    sizes = [len(case["request"]["input_data"]) for case in golden["cases"]]
    assert sizes == [1, 1, 1, 1, 1, 100]
    for case in golden["cases"]:
        rows = [[row[name] for name in SCHEMA.names] for row in case["request"]["input_data"]]
        found = np.asarray(session.run(None, {"features": np.array(rows, dtype=np.float32)})[0])
        assert found[:, 0] == pytest.approx(case["probability"], abs=golden["tolerance"])
        assert [int(value >= threshold) for value in found[:, 0]] == case["decision"]


def test_golden_single_rows_ask_for_both_decisions(chain: Chain):
    cases = document(chain, "golden.json")["cases"]
    assert {case["decision"][0] for case in cases[:-1]} == {0, 1}


def test_the_schema_names_features_in_the_graphs_order(chain: Chain):
    schema = document(chain, "schema.json")
    assert tuple(feature["name"] for feature in schema["features"]) == SCHEMA.names
    assert (schema["format"], schema["id"], schema["target"]) == (1, "ID", "default")
    assert set(schema["features"][0]) == {
        "name", "type", "minimum", "maximum", "categories", "description"
    }  # fmt: skip
    assert 0 < schema["decision"]["threshold"] < 1


def test_the_baseline_counts_every_training_row(chain: Chain):
    baseline = document(chain, "baseline.json")
    train = read_part(chain.split, TRAIN, SCHEMA)
    assert baseline["rows"] == len(train.target)
    assert tuple(baseline["features"]) == SCHEMA.names
    for at, facts in enumerate(baseline["features"].values()):
        assert sum(facts["counts"]) + facts["missing"] == baseline["rows"]
        assert facts["mean"] == pytest.approx(train.features[:, at].mean(dtype=np.float64))
    assert sum(baseline["probability"]["counts"]) == baseline["rows"]


def test_the_provenance_says_where_it_comes_from(chain: Chain):
    provenance = document(chain, "provenance.json")
    assert provenance["git_commit"] == "abc123"
    assert provenance["data"] == {"name": "sample", "version": "7", "sha256": "unknown"}
    steps = ["validate_data", "prepare_data", "train_model", "evaluate_model", "package_model"]
    assert list(provenance["components"]) == steps
    assert all(version.count(".") == 2 for version in provenance["components"].values())
    assert provenance["environment"]["packages"]["onnx"] == onnx.__version__
    assert len(provenance["environment"]["lock_sha256"]) == 64
    assert datetime.fromisoformat(provenance["created"]).tzinfo is not None


def test_the_provenance_names_the_azure_job(chain: Chain, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZUREML_ROOT_RUN_ID", "the_pipeline")
    monkeypatch.setenv("AZUREML_RUN_ID", "the_step")
    done = run_package(chain, tmp_path / "package")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "package" / "provenance.json").read_text())["job"] == "the_pipeline"


def test_the_evaluation_has_metrics_with_intervals_and_slices(chain: Chain):
    evaluation = document(chain, "evaluation.json")
    assert {"roc_auc", "average_precision", "brier", "f1"} <= set(evaluation["metrics"])
    auc = evaluation["metrics"]["roc_auc"]
    assert 0.65 < auc["low"] < auc["value"] < auc["high"] < 0.9
    assert set(evaluation["slices"]) == {"sex", "education", "age"}
    for subgroups in evaluation["slices"].values():
        assert sum(found["rows"] for found in subgroups.values()) == evaluation["rows"]
    assert set(evaluation["importance"]) == set(SCHEMA.names)


def test_the_report_stands_alone(chain: Chain):
    page = (chain.package / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert "src=" not in page
    assert 'href="http' not in page
    assert "ROC AUC" in page
    assert "By education" in page


@pytest.mark.published_files
@pytest.mark.skipif(REAL_DATA is None, reason="needs the real file: data/README.md has the commands that create it")
def test_the_real_file_gives_the_quality_that_is_promised(tmp_path):
    # Given the real data with its quirks
    assert REAL_DATA is not None
    chain = run_chain(REAL_DATA, tmp_path)
    evaluation = document(chain, "evaluation.json")
    # Then the model is good enough on the held-out part, and ONNX agrees
    assert evaluation["rows"] == pytest.approx(7_500, abs=200)
    assert evaluation["metrics"]["roc_auc"]["value"] >= 0.77
    assert evaluation["onnx_parity"]["maximum_difference"] <= TOLERANCE
    assert pl.read_parquet(tmp_path / "rows" / "rows.parquet").height == 30_000
