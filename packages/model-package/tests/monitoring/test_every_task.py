"""A window of each task, from collected lines and outcomes to measures: quiet as in training, loud where it changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from model_package.baseline import Baseline
from model_package.collected.folder import read_window
from model_package.collected.labels import read_labels
from model_package.collected.window import Window
from model_package.evaluation import Evaluation, SubgroupEvaluation
from model_package.monitoring.drift import Sensitivity, prediction_measures
from model_package.monitoring.fairness import measure_names
from model_package.monitoring.findings import Findings
from model_package.monitoring.measuring import Settings, measure
from model_package.monitoring.plots import draw
from model_package.monitoring.reference import Reference
from model_package.rows.collected_columns import INPUTS, OUTPUTS
from model_package.schema import Feature, Schema, Slice, Subgroup
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import Task, task_of

ROWS = 1_500
UNTIL = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(UNTIL - timedelta(hours=24), UNTIL)
SETTINGS = Settings("3", 500, 300, 100, Sensitivity(0.1, 0.01), Bootstrap(rounds=100, seed=7))
FEATURES = (Feature("income", "number"), Feature("sex", categories=(1, 2)))
SLICES = (Slice("sex", "sex", (Subgroup("male", (1,)), Subgroup("female", (2,)))),)
SCHEMAS = {
    "regression": Schema("id", "price", FEATURES, SLICES, task="regression"),
    "multiclass_classification": Schema(
        "id", "risk", FEATURES, SLICES, task="multiclass_classification", classes=("low", "mid", "high")
    ),
}


@dataclass(frozen=True)
class Rows:
    """Features [rows, 2], the model's answer, and the outcomes as people write them."""

    features: np.ndarray
    answer: np.ndarray
    outcomes: np.ndarray


def rows(task: Task, seed: int, *, shift: float = 0.0, unfair: float = 0.0) -> Rows:
    """`shift` moves the inputs; `unfair` makes the outcomes of one sex other than the model knows."""
    random = np.random.default_rng(seed)
    income, sex = random.normal(shift, 1, ROWS), random.integers(1, 3, ROWS)
    truth = income + unfair * (sex == 2)
    features = np.stack([income, sex], axis=1)
    if task.name == "regression":
        return Rows(features, 1_000 + 100 * income, 1_000 + 100 * truth + 20 * random.normal(size=ROWS))
    scores = 2 * np.stack([income, np.zeros(ROWS), -income], axis=1)
    actual = 2 * np.stack([truth, np.zeros(ROWS), -truth], axis=1) + random.gumbel(size=(ROWS, 3))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Rows(features, shares, np.array(task.schema.classes)[actual.argmax(axis=1)])


def reference(task: Task) -> Reference:
    """What the package says of its model."""
    schema, train, test = task.schema, rows(task, 1), rows(task, 2)
    target = task.encode(test.outcomes)
    settings = Bootstrap(100, 3)
    inside = schema.slices[0].membership(test.features[:, 1])
    subgroups = {
        label: SubgroupEvaluation(
            int(each.sum()),
            task.subgroup_facts(target[each], test.answer[each]),
            estimates(task.prepare(target[each], test.answer[each]), settings),
        )
        for label, each in zip(schema.slices[0].labels, inside.T, strict=True)
    }
    evaluation = Evaluation(
        ROWS, task.facts(target), estimates(task.prepare(target, test.answer), settings), slices={"sex": subgroups}
    )
    return Reference(schema, Baseline.build(schema, train.features.astype(np.float32), train.answer), evaluation)


def collect(folder: Path, task: Task, found: Rows) -> None:
    """Write the lines of a deployment that answered all rows, and what became true of them."""
    moment = (UNTIL - timedelta(hours=1)).isoformat()
    identity = [{"correlation_id": str(at), "row": 0, "time": moment} for at in range(ROWS)]
    asked = [dict(zip(task.schema.names, map(float, each), strict=True)) for each in found.features]
    columns = {name: values.tolist() for name, values in task.columns(found.answer).items()}
    answered = [{**{name: values[at] for name, values in columns.items()}, "model_version": "3"} for at in range(ROWS)]
    for name, data in ((INPUTS, asked), (OUTPUTS, answered)):
        file = folder / "blue" / name / f"{UNTIL - timedelta(hours=1):%Y/%m/%d/%H}" / "a.jsonl"
        file.parent.mkdir(parents=True)
        event: dict[str, Any] = {"data": [each | who for each, who in zip(data, identity, strict=True)]}
        file.write_text(json.dumps(event))
    labels = {"correlation_id": [each["correlation_id"] for each in identity], task.schema.target: found.outcomes}
    pl.DataFrame(labels).write_csv(folder / "labels.csv")


def measured(folder: Path, task: Task, found: Rows) -> Findings:
    collect(folder, task, found)
    collected = read_window(folder, WINDOW, task.schema)
    labels = read_labels(folder / "labels.csv", task.schema)
    return measure(collected, reference(task), labels, SETTINGS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_window_like_training_is_measured_and_quiet(name: str, tmp_path: Path):
    task = task_of(SCHEMAS[name])

    found = measured(tmp_path, task, rows(task, 3))

    assert (found.rows, found.answered, found.labelled) == (ROWS, ROWS, ROWS)
    taken = {*task.monitored(), *prediction_measures(task), *measure_names(task, task.schema.slices)}
    assert {each for each in taken if found.measures[each].state != "measured"} == set()
    assert found.measures["score_drift"].value < 0.1
    for each in (*task.monitored(), *measure_names(task, task.schema.slices)):
        interval = found.measures[each].difference_interval
        assert interval is not None
        assert interval.low < 0 < interval.high, each
    assert {"score", "performance"} <= set(draw(found, 0.1))
    assert found.score is not None
    assert found.score.name == task.represented_as
    assert found.score.histogram.labels[-1] == (task.prediction_bins_names or ("above",))[-1]


@pytest.mark.parametrize("name", SCHEMAS)
def test_other_inputs_drift_the_predictions(name: str, tmp_path: Path):
    task = task_of(SCHEMAS[name])

    found = measured(tmp_path, task, rows(task, 3, shift=1.0))

    assert found.measures["score_drift"].value > 0.25
    assert found.measures[task.change.name].value > 0.15
    assert "before" in found.measures[task.change.name].details[0]


@pytest.mark.parametrize("name", SCHEMAS)
def test_other_outcomes_of_one_subgroup_are_a_worse_and_an_unfair_model(name: str, tmp_path: Path):
    task = task_of(SCHEMAS[name])

    found = measured(tmp_path, task, rows(task, 3, unfair=1.5))

    worse = found.measures[task.metrics[0].name].difference_interval
    unfair = found.measures[f"{task.slice_metrics[0].name}.sex"].difference_interval
    assert worse is not None
    assert worse.low > 0
    assert unfair is not None
    assert unfair.low > 0


def test_outcomes_that_are_no_class_are_counted(tmp_path: Path):
    task = task_of(SCHEMAS["multiclass_classification"])
    file = tmp_path / "labels.csv"
    file.write_text("correlation_id,risk\na,low\nb,huge\nc,\nd,high\nd,low\n")

    found = read_labels(file, task.schema)

    assert found.table["outcome"].to_list() == ["low"]
    assert (found.unusable, found.contradictory) == (2, 1)
