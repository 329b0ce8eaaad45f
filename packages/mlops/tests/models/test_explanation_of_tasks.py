"""A regression is explained by its number, a multiclass answer by the probability of the row's own label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlops.core.results import Table
from mlops.models.explanation import explain_rows
from model_package.baseline import Baseline
from model_package.package import write_schema
from model_package.schema import Feature, Schema
from model_package.tasks import task_of

FEATURES = (Feature("age", minimum=0), Feature("income", "number"))
SCHEMAS = {
    "regression": Schema("", "price", FEATURES, task="regression"),
    "multiclass_classification": Schema(
        "", "risk", FEATURES, task="multiclass_classification", classes=("low", "mid", "high")
    ),
}
WEIGHTS = {
    "regression": np.array([[2.0], [-30.0]], np.float32),
    "multiclass_classification": np.array([[0.1, 0.0, -0.1], [0.0, 1.0, 2.0]], np.float32),
}
BODY = json.dumps({"input_data": [{"age": 70, "income": 0.1}, {"age": 1, "income": 3.0}]}).encode()


def package(folder: Path, name: str) -> Path:
    """A linear model, with a softmax where there are classes."""
    schema, weights = SCHEMAS[name], WEIGHTS[name]
    output = task_of(schema).output
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["raw"]),
            helper.make_node("Softmax" if weights.shape[1] > 1 else "Identity", ["raw"], [output]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    write_schema(folder, schema)
    features = np.random.default_rng(1).uniform(0, 5, (200, 2)).astype(np.float32)
    answer = features @ weights
    powers = np.exp(answer - answer.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    baseline = Baseline.build(schema, features, shares if weights.shape[1] > 1 else answer[:, 0])
    (folder / "baseline.json").write_text(json.dumps(baseline.as_document()))
    return folder


@pytest.mark.parametrize("name", SCHEMAS)
def test_contributions_add_up_to_the_explained_number(name: str, tmp_path: Path) -> None:
    result = explain_rows(package(tmp_path, name), "tiny 1", BODY)

    for row in result.rows:
        added = sum(each.contribution for each in row.contributions)
        assert added == pytest.approx(row.value - row.base, abs=1e-6)


def test_a_regression_has_one_base_and_its_prediction(tmp_path: Path) -> None:
    document = explain_rows(package(tmp_path, "regression"), "tiny 1", BODY).document()

    assert document["rows"][0]["prediction"] == pytest.approx(2.0 * 70 - 30 * 0.1, abs=1e-4)
    assert "base" in document
    assert "base" not in document["rows"][0]


def test_each_row_of_several_classes_is_explained_by_its_own_label(tmp_path: Path) -> None:
    result = explain_rows(package(tmp_path, "multiclass_classification"), "tiny 1", BODY)
    first, second = result.document()["rows"]

    assert (first["label"], second["label"]) == ("low", "high")
    assert result.rows[0].value == pytest.approx(first["probabilities"]["low"], abs=1e-6)
    assert first["base"] != second["base"]
    assert "label low, probability" in result.rows[0].described


def test_each_class_of_a_row_has_contributions_of_its_own(tmp_path: Path) -> None:
    result = explain_rows(package(tmp_path, "multiclass_classification"), "tiny 1", BODY)

    # then they add up to each class's probability, and the label's are those that are explained
    for row in result.rows:
        for name, probability in row.prediction["probabilities"].items():
            added = sum(each.classes[name] for each in row.contributions)
            assert row.class_bases[name] + added == pytest.approx(probability, abs=1e-6)
        assert [each.classes[row.prediction["label"]] for each in row.contributions] == pytest.approx(
            [each.contribution for each in row.contributions]
        )
    document = result.document()["rows"][0]
    assert set(document["class_bases"]) == {"low", "mid", "high"}
    assert set(document["contributions"][0]["classes"]) == {"low", "mid", "high"}
    # and people see the other classes beside the label
    table = next(each for each in result.blocks() if isinstance(each, Table))
    assert table.columns[:4] == ("feature", "value", "adds", "±")
    assert set(table.columns[4:6]) == {"mid", "high"}


def test_one_number_has_no_classes(tmp_path: Path) -> None:
    document = explain_rows(package(tmp_path, "regression"), "tiny 1", BODY).document()["rows"][0]

    assert "class_bases" not in document
    assert "classes" not in document["contributions"][0]
