"""Every task behind one interface: outputs, valid answers, replies, collected columns, catalogue without numpy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from model_package.errors import ModelError
from model_package.schema import TASKS as NAMES
from model_package.schema import Decision, Feature, Schema
from model_package.tasks import TASKS, Task, task_of

FEATURES = (Feature("age"),)
BINARY = Schema("id", "late", FEATURES, decision=Decision(0.4))
TEXTS = Schema("id", "churn", FEATURES, decision=Decision(0.4), positive="yes")
REGRESSION = Schema("id", "price", FEATURES, task="regression")
MULTICLASS = Schema("id", "risk", FEATURES, task="multiclass_classification", classes=("low", "mid", "high"))
NUMBERED = Schema("id", "stars", FEATURES, task="multiclass_classification", classes=(1, 2, 3))
ANSWERS: dict[str, list[Any]] = {
    "binary_classification": [0.1, 0.4, 1.0],
    "regression": [-3.5, 0.0, 120_000.25],
    "multiclass_classification": [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [0.25, 0.5, 0.25]],
}
SCHEMAS = {each.task: each for each in (BINARY, REGRESSION, MULTICLASS)}


def bound(name: str) -> tuple[Task, npt.NDArray[np.float64]]:
    return task_of(SCHEMAS[name]), np.array(ANSWERS[name])


def test_every_task_of_the_schema_has_a_module():
    assert tuple(TASKS) == NAMES


def test_the_catalogues_load_no_numpy():
    code = "import sys, model_package.tasks as tasks; [each.metrics for each in tasks.TASKS.values()]"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('numpy' in sys.modules)"], check=True, capture_output=True, text=True
    )

    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_a_catalogue_are_there_once_and_its_main_metric_too(name: str):
    task = TASKS[name]
    names = [each.name for each in (*task.metrics, *task.slice_metrics, task.change)]

    assert len(set(names)) == len(names)
    assert task.main_metric in task.gated()
    assert set(task.monitored()) <= set(task.gated())


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_survives_reply_and_collected_columns(name: str):
    task, answer = bound(name)
    replies = task.predictions(task.checked_answer(answer, 3))
    columns = task.columns(answer)

    assert task.recorded_answer({key: [each[key] for each in replies] for key in replies[0]}) == pytest.approx(answer)
    assert task.answer_of(columns) == pytest.approx(answer)
    assert list(columns) == list(task.column_kinds)
    assert len(task.represent(answer)) == len(task.decisions(answer)) == 3


def test_the_replies_are_those_of_the_contract():
    assert bound("binary_classification")[0].predictions(np.array([0.1, 0.4])) == [
        {"probability": 0.1, "decision": 0},
        {"probability": 0.4, "decision": 1},
    ]
    assert bound("regression")[0].predictions(np.array([2.5])) == [{"prediction": 2.5}]
    assert bound("multiclass_classification")[0].predictions(np.array([[0.25, 0.5, 0.25]])) == [
        {"label": "mid", "probabilities": {"low": 0.25, "mid": 0.5, "high": 0.25}}
    ]
    assert task_of(NUMBERED).predictions(np.array([[0.0, 0.0, 1.0]]))[0]["label"] == 3


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        ("binary_classification", [[0.1, 0.9]], r"answered \[1, 2\] for 1 rows"),
        ("binary_classification", [1.5], "must lie from 0 to 1, and does not for 1 of 1"),
        ("binary_classification", [float("nan")], "must lie from 0 to 1"),
        ("regression", [[1.0, 2.0]], r"answered \[1, 2\] for 1 rows"),
        ("regression", [float("nan")], "must be a finite number, and is not for 1 of 1"),
        ("regression", [float("inf")], "must be a finite number"),
        ("multiclass_classification", [[0.5, 0.5]], "not 3 numbers per row"),
        ("multiclass_classification", [[0.5, 0.6, 0.1]], "add up to 1, and do not for 1 of 1"),
        ("multiclass_classification", [[1.5, -0.5, 0.0]], "must lie from 0 to 1"),
    ],
)
def test_an_invalid_answer_is_refused(name: str, answer: list[Any], says: str):
    with pytest.raises(ModelError, match=says):
        bound(name)[0].checked_answer(np.array(answer), 1)


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_have_no_answers(name: str):
    task, answer = bound(name)
    none = task.checked_answer(answer[:0], 0)

    assert task.predictions(none) == []
    assert all(len(each) == 0 for each in task.columns(none).values())


@pytest.mark.parametrize(
    ("schema", "values", "encoded"),
    [
        (BINARY, np.array([0, 1, 2]), [0, 1, np.nan]),
        (BINARY, np.array(["1", "0", "no", None], dtype=object), [1, 0, np.nan, np.nan]),
        (TEXTS, np.array(["yes", "no", None], dtype=object), [1, 0, np.nan]),
        (REGRESSION, np.array([1.5, np.inf, -2.0]), [1.5, np.nan, -2.0]),
        (REGRESSION, np.array(["3", "x", None], dtype=object), [3, np.nan, np.nan]),
        (MULTICLASS, np.array(["high", "low", "huge", None], dtype=object), [2, 0, np.nan, np.nan]),
        (NUMBERED, np.array([3.0, 1.0, 7.0]), [2, 0, np.nan]),
    ],
)
def test_outcomes_are_encoded_and_what_is_none_is_missing(
    schema: Schema, values: npt.NDArray[Any], encoded: list[float]
):
    np.testing.assert_array_equal(task_of(schema).encode(values), encoded)


def test_the_tolerance_of_a_regression_is_relative_beyond_one():
    task, _ = bound("regression")

    found = task.distances(np.array([0.5, 100_000.0]), np.array([0.6, 100_001.0]))

    assert found == pytest.approx([0.1, 1e-5])


def test_the_readme_says_what_others_call_each_task():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \[.*", text, re.MULTILINE)

    assert dict(rows) == {name: each.output for name, each in TASKS.items()}
    for name, task in TASKS.items():
        words = task.words
        said = f"`{words.mlflow_model_type}` | `{words.automl_task}` | {words.automl_primary_metric} |"
        assert re.search(rf"^\| `{name}` .*{re.escape(said)}$", text, re.MULTILINE), name
