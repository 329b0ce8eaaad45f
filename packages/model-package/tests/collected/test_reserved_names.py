"""Features and targets that are called like a column of the collected data: each keeps its values and its own name."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_package.collected.folder import read_window
from model_package.collected.labels import outcome_column, read_labels
from model_package.collected.newest import NewestRows, read_newest
from model_package.collected.window import Window
from model_package.rows.collected_columns import INPUTS, OUTPUTS, collected_name, feature_name, reserved
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION, Decision, Feature, Schema
from model_package.tasks import Task, task_of

MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
WINDOW = Window(MOMENT.replace(minute=0), MOMENT.replace(minute=59))
CLASSES = {MULTICLASS_CLASSIFICATION: ("a", "b", "c")}
ANSWERS = {
    BINARY_CLASSIFICATION: {"probability": 0.25, "decision": 1},
    MULTICLASS_CLASSIFICATION: {"label": "b", "probability_a": 0.25, "probability_b": 0.5, "probability_c": 0.25},
    REGRESSION: {"prediction": 12.5},
}


def make_task(name: str, target: str = "y") -> Task:
    classes = CLASSES.get(name, ())
    plain = Schema("", target, (Feature("x", "number"),), task=name, classes=classes, decision=Decision(0.5))
    names = sorted({*reserved(task_of(plain)), "data.row", "data.data.row", "plain"} - {target})
    features = tuple(Feature(each, "number") for each in names)
    return task_of(Schema("", target, features, task=name, classes=classes, decision=Decision(0.5)))


def write_collected(task: Task, folder: Path) -> None:
    """As an endpoint does."""
    identity = {"correlation_id": "request", "row": 3, "time": MOMENT.isoformat()}
    asked = {collected_name(name, task): float(at) for at, name in enumerate(task.schema.names)}
    answered = {**ANSWERS[task.name], "model_version": "7"}
    for collection, columns in ((INPUTS, asked), (OUTPUTS, answered)):
        file = folder / "blue" / collection / "2026/03/01/12/one.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"data": [columns | identity]}) + "\n")


class Here:
    """One collection of one file."""

    hour = MOMENT.replace(minute=0)

    def __init__(self, file: Path) -> None:
        self.file = file

    def chunks(self):
        yield self.file.read_bytes()

    def hours(self, window: Window):
        yield [self]


def newest(task: Task, folder: Path) -> NewestRows:
    return read_newest(
        ["blue"], lambda name, kind: [Here(folder / name / kind / "2026/03/01/12/one.jsonl")], task, WINDOW
    )


@pytest.mark.parametrize("name", ANSWERS)
def test_every_feature_is_read_under_its_own_name_beside_the_answer(name: str, tmp_path: Path):
    task = make_task(name)
    write_collected(task, tmp_path)
    expected = {each: float(at) for at, each in enumerate(task.schema.names)}

    window = read_window(tmp_path, WINDOW, task.schema)
    found = newest(task, tmp_path)

    assert {each: window.column(collected_name(each, task))[0] for each in task.schema.names} == expected
    assert window.found.broken == window.unanswered == 0
    assert found.inputs.row(0, named=True) == expected
    assert set(found.features) == set(task.schema.names)
    assert {each: found.table[each][0] for each in ANSWERS[name]} == ANSWERS[name]
    assert (found.table["row"][0], found.table["deployment"][0]) == (3, "blue")


@pytest.mark.parametrize("name", ANSWERS)
def test_no_two_features_share_a_column_and_each_is_found_again(name: str):
    task = make_task(name)
    columns = [collected_name(each, task) for each in task.schema.names]

    assert len(set(columns)) == len(columns)
    assert reserved(task).isdisjoint(columns)
    assert tuple(map(feature_name, columns)) == task.schema.names
    assert collected_name("plain", task) == "plain"


@pytest.mark.parametrize(("target", "column"), [("row", "data.row"), ("label", "label"), ("outcome", "outcome")])
def test_outcomes_of_a_target_with_such_a_name_are_read(target: str, column: str, tmp_path: Path):
    task = make_task(BINARY_CLASSIFICATION, target)
    file = tmp_path / "labels.csv"
    file.write_text(f"correlation_id,row,{column}\nrequest,3,1\n")

    assert outcome_column(task.schema) == column
    assert read_labels(file, task.schema).table.rows() == [("request", 3, 1)]
