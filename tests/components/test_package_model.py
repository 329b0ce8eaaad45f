"""The model package holds what serving, gates and drift need, and ONNX that agrees with scikit-learn."""

import json
from datetime import datetime
from html import escape
from typing import Any

import mlflow.pyfunc
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import yaml
from chain import ROOT, SAMPLE_ROWS, SCHEMA, Chain, run_package
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
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.rows.split import TEST, TRAIN, read_part
from model_package.runtime import Scorer
from model_package.schema import BINARY_CLASSIFICATION, Decision, Feature, Schema
from model_package.steps.featureless import featureless_metrics
from model_package.steps.onnx_model import has_graph
from model_package.steps.sklearn_model import answer, load_model
from model_package.steps.synthetic_rows import synthetic_rows
from model_package.tasks import task_of

pytestmark = pytest.mark.xdist_group("example_chain")

FILES = {"MLmodel", "model.onnx", "requirements.txt", "schema.json", "baseline.json", "evaluation.json"}
FILES |= {"report.html", "golden.json", "provenance.json"}
TOLERANCE = 1e-5


TASK = task_of(SCHEMA)


def document(chain: Chain, name: str) -> dict[str, Any]:
    return json.loads((chain.package / name).read_text(encoding="utf-8"))


def decided(schema: Schema) -> Schema:
    """The schema with a threshold, where the task decides by one."""
    return schema.with_decision(Decision(0.5)) if schema.task == BINARY_CLASSIFICATION else schema


def score(graph: onnx.ModelProto, rows: Tensors, schema: Schema = SCHEMA) -> np.ndarray:
    return Scorer(decided(schema), graph.SerializeToString()).score(rows)


def asked(case: dict[str, Any]) -> Tensors:
    return request_tensors(case["request"], RowRules(SCHEMA))


def test_it_holds_every_file(chain: Chain):
    assert {path.name for path in chain.package.iterdir()} >= FILES


def test_every_document_is_read_back(chain: Chain):
    package = ModelPackage.read(chain.package)
    assert package.schema.with_decision(None) == SCHEMA
    assert package.evaluation.slices.keys() == {each.name for each in SCHEMA.slices}


def test_the_graph_takes_the_schemas_columns_and_has_the_tasks_output(chain: Chain):
    session = onnxruntime.InferenceSession(chain.package / "model.onnx")
    (found,) = session.get_outputs()
    shapes = {each.name: (each.type, each.shape[1]) for each in session.get_inputs()}
    texts = {f"text_{number}": ("tensor(string)", 1) for number in range(len(SCHEMA.texts))}
    matrix = {"features": ("tensor(float)", len(SCHEMA.matrix_columns))}
    assert shapes == matrix | texts
    assert (found.name, found.type, found.shape[1]) == (TASK.output, "tensor(float)", len(SCHEMA.classes) or 1)


@pytest.fixture
def model(chain: Chain) -> Any:
    """The trained scikit-learn model."""
    if has_graph(chain.model):
        pytest.skip("the train step exports its graph, which is compared with recorded answers: test_exported_graph.py")
    return load_model(chain.model)


def test_the_graph_agrees_with_scikit_learn_on_the_whole_test_part(chain: Chain, model: Any):
    test = read_part(chain.split, TEST, SCHEMA)
    expected = answer(model, test.rows, SCHEMA)
    found = score(onnx.load(chain.package / "model.onnx"), test.rows)
    stated = document(chain, "evaluation.json")["onnx_parity"]
    assert TASK.distances(expected, found).max() <= TOLERANCE
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


def test_answers_of_other_rows_are_seen(chain: Chain, model: Any):
    rows = read_part(chain.split, TEST, SCHEMA).rows
    found = score(convert(model, SCHEMA), rows)
    assert largest_difference(answer(model, rows, SCHEMA), found[::-1], SCHEMA) > 100 * TOLERANCE


def test_the_graph_agrees_where_any_value_is_missing(chain: Chain, model: Any):
    # Given rows of which one in ten values is missing, whether the schema allows it or not
    random = np.random.default_rng(3)
    rows = read_part(chain.split, TRAIN, SCHEMA).rows
    features = rows.features.copy()
    features[random.random(features.shape) < 0.1] = np.nan
    rows = Tensors(features, rows.texts)
    # When, then
    assert largest_difference(answer(model, rows, SCHEMA), score(convert(model, SCHEMA), rows), SCHEMA) <= TOLERANCE


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
    assert largest_difference(expected, score(convert(model, schema), Tensors(rows), schema), schema) <= TOLERANCE


def test_an_answer_that_is_no_number_never_passes(chain: Chain, model: Any):
    expected = answer(model, read_part(chain.split, TEST, SCHEMA).rows[:1], SCHEMA)
    assert largest_difference(expected, np.full_like(expected, np.nan), SCHEMA) == float("inf")


@pytest.mark.skipif(bool(SCHEMA.texts), reason="MLflow hands a graph with several inputs no table of columns")
def test_mlflow_loads_it_and_answers_named_columns(chain: Chain):
    case = document(chain, "golden.json")["cases"][-1]
    rows = asked(case)
    frame = pd.DataFrame(rows.features.astype(np.float64), columns=pd.Index(SCHEMA.matrix_columns))
    found = np.asarray(mlflow.pyfunc.load_model(str(chain.package)).predict(frame))
    assert TASK.distances(TASK.recorded_answer(case), TASK.checked_answer(found, len(rows))).max() <= TOLERANCE


def test_golden_requests_have_the_answers_that_onnxruntime_gives(chain: Chain):
    scorer = Scorer.open(chain.package)
    golden = document(chain, "golden.json")
    sizes = [len(case["request"]["input_data"]) for case in golden["cases"]]
    assert sizes == [1, 1, 1, 1, 1, 100]
    for case in golden["cases"]:
        found = scorer.score(asked(case))
        assert scorer.task.distances(scorer.task.recorded_answer(case), found).max() <= golden["tolerance"]
        if scorer.task.decides():
            assert [each[TASK.decision_key] for each in scorer.task.predictions(found)] == case[TASK.decision_key]


def test_golden_single_rows_ask_for_different_answers(chain: Chain):
    cases = document(chain, "golden.json")["cases"][:-1]
    key = TASK.decision_key or TASK.represented_as
    assert len({str(case[key][0]) for case in cases}) > 1


def test_the_schema_goes_into_the_package_as_it_is(chain: Chain):
    schema = document(chain, "schema.json")
    assert tuple(feature["name"] for feature in schema["features"]) == SCHEMA.names
    assert (schema["format"], schema["id"], schema["target"]) == (1, SCHEMA.identifier, SCHEMA.target)
    assert ("decision" in schema) == (SCHEMA.task == BINARY_CLASSIFICATION)


def test_the_baseline_counts_every_training_row(chain: Chain):
    baseline = document(chain, "baseline.json")
    assert baseline["rows"] == len(read_part(chain.split, TRAIN, SCHEMA).target)
    assert tuple(baseline["features"]) == SCHEMA.names
    for facts in baseline["features"].values():
        assert sum(facts["counts"]) + facts.get("other", 0) + facts["missing"] == baseline["rows"]
    assert sum(baseline[TASK.represented_as]["counts"]) == baseline["rows"]


def test_the_provenance_says_where_it_comes_from(chain: Chain):
    provenance = document(chain, "provenance.json")
    assert provenance["git_commit"] == "abc123"
    assert provenance["data"] == {"name": "sample", "version": "7", "sha256": "unknown"}
    steps = list(yaml.safe_load((ROOT / "pipelines" / "train.yml").read_text())["jobs"])
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
    assert set(TASK.gated()) <= set(evaluation["metrics"])
    main = evaluation["metrics"][TASK.main_metric]
    assert main["low"] < main["value"] < main["high"]
    assert set(evaluation["slices"]) == {each.name for each in SCHEMA.slices}
    for subgroups in evaluation["slices"].values():
        assert sum(found["rows"] for found in subgroups.values()) <= evaluation["rows"]
    assert set(evaluation["importance"]) == set(SCHEMA.names)


def test_the_model_has_learnt_from_the_features(chain: Chain):
    found = document(chain, "evaluation.json")["metrics"][TASK.main_metric]
    featureless = featureless_metrics(SCHEMA, synthetic_rows(SCHEMA, SAMPLE_ROWS))[TASK.main_metric]
    better = next(each.better for each in TASK.metrics if each.name == TASK.main_metric)
    assert found["low"] > featureless if better == "higher" else found["high"] < featureless


def test_the_report_stands_alone(chain: Chain):
    page = (chain.package / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<script" not in page
    assert "src=" not in page
    assert 'href="http' not in page
    assert escape(next(each.title for each in TASK.metrics if each.name == TASK.main_metric)) in page
    assert all(escape(f"By {each.name}") in page for each in SCHEMA.slices)
