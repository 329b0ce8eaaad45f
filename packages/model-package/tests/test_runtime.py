"""The scorer answers what the model does, and refuses a graph or an answer that breaks the contract."""

from pathlib import Path

import numpy as np
import pytest
from tiny_package import SCHEMA, THRESHOLD, documents, expected, rows, write_graph, write_package

from model_package.binary_classification import checked_answer, decide, predictions
from model_package.errors import ModelError, PackageError
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer


def test_it_scores_many_rows_as_one_by_one(tmp_path: Path):
    scorer = Scorer.open(write_package(tmp_path / "package"))
    features = rows(70_000)

    probability = scorer.score(features)

    assert probability == pytest.approx(expected(features), abs=1e-6)
    assert scorer.score(features[:1])[0] == pytest.approx(probability[0], abs=1e-7)
    assert scorer.score(features[:0]).shape == (0,)
    assert scorer.decide(probability).tolist() == (probability >= THRESHOLD).astype(int).tolist()


def test_a_graph_is_opened_from_bytes_too(tmp_path: Path):
    write_graph(tmp_path / "model.onnx")

    scorer = Scorer(SCHEMA, (tmp_path / "model.onnx").read_bytes())

    assert scorer.score(rows(3)) == pytest.approx(expected(rows(3)), abs=1e-6)


def test_golden_cases_hold_what_the_model_answers(tmp_path: Path):
    scorer, golden = Scorer.open(write_package(tmp_path / "package")), documents().golden

    assert [len(case.probability) for case in golden.cases] == [1, 1, 1, 1, 1, 100]
    for case in golden.cases:
        found = scorer.score(request_tensors(case.request, RowRules(SCHEMA)))
        assert found == pytest.approx(case.probability, abs=1e-6)
        assert scorer.decide(found).tolist() == list(case.decision)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": 4}, r"takes 4 features, schema\.json lists 3"),
        ({"output": "score2"}, "must have the inputs features and an output `probability`"),
    ],
    ids=["width", "output"],
)
def test_a_graph_that_does_not_fit_is_refused(tmp_path: Path, options: dict, says: str):
    write_graph(tmp_path / "model.onnx", **options)

    with pytest.raises(PackageError, match=says):
        Scorer(SCHEMA, tmp_path / "model.onnx")


@pytest.mark.parametrize("content", [None, b"not a graph"], ids=["missing", "broken"])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)

    with pytest.raises(PackageError, match="cannot be opened"):
        Scorer(SCHEMA, tmp_path / "model.onnx")


@pytest.mark.parametrize("scale", [2.5, -1.0, float("nan")])
def test_an_answer_that_is_no_probability_is_the_models_fault(tmp_path: Path, scale: float):
    write_graph(tmp_path / "model.onnx", scale=scale)

    with pytest.raises(ModelError, match="must lie from 0 to 1, and does not for 3 of 3 rows"):
        Scorer(SCHEMA, tmp_path / "model.onnx").score(rows(3))


def test_a_model_that_cannot_take_the_rows_says_so(tmp_path: Path):
    write_graph(tmp_path / "model.onnx")

    with pytest.raises(ModelError, match="cannot score the rows"):
        Scorer(SCHEMA, tmp_path / "model.onnx").score(np.zeros((2, 5), dtype=np.float32))


def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(ModelError, match=r"answered \[3, 2\] for 3 rows"):
        checked_answer(np.zeros((3, 2)), 3)


def test_decisions_do_not_depend_on_the_precision_of_the_probabilities():
    threshold = 0.3
    at_the_threshold = np.array([threshold], dtype=np.float32)

    assert decide(at_the_threshold, threshold).tolist() == [1]
    assert predictions(np.array([0.25, 0.75]), 0.5) == [
        {"probability": 0.25, "decision": 0},
        {"probability": 0.75, "decision": 1},
    ]
