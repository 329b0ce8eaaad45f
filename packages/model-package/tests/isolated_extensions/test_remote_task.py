"""A task of extensions/ answers from its process as it does when it is loaded here, member by member."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_package.baseline import Baseline
from model_package.errors import ModelError
from model_package.evaluation import Estimate, Evaluation, SubgroupEvaluation
from model_package.isolated_extensions import use_isolated_extensions
from model_package.isolated_extensions.remote_task import _ATTRIBUTES, _METHODS
from model_package.schema import Decision, Feature, Schema
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import Task, task_of, use_extensions
from model_package.tasks.extensions import load_extensions

TASKS = """
from model_package.errors import ModelError
from model_package.tasks.binary_classification import BinaryClassification
from model_package.tasks.multiclass_classification import MulticlassClassification
from model_package.tasks.regression import Regression

class Counts(Regression):
    name = "counts"

    def checked_answer(self, answer, rows):
        found = super().checked_answer(answer, rows)
        if (found < 0).any():
            raise ModelError("a count must not be below 0")
        return found

class Churn(BinaryClassification):
    name = "churn"

class Grades(MulticlassClassification):
    name = "grades"

TASKS = [Counts, Churn, Grades]
"""
CLASSES = ("low", "middle", "high")
SCHEMAS = {
    "counts": Schema("", "y", (Feature("x"),), task="counts"),
    "churn": Schema("", "y", (Feature("x"),), task="churn", positive="left", decision=Decision(0.4)),
    "grades": Schema("", "y", (Feature("x"),), task="grades", classes=CLASSES),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("own") / "extensions"
    folder.mkdir()
    (folder / "tasks.py").write_text(TASKS)
    yield folder
    use_extensions(folder / "none")


def tasks(folder: Path, name: str) -> tuple[Task, Task]:
    """A task from its process, and loaded here."""
    use_isolated_extensions(folder)
    here = {each.name: each for each in load_extensions(folder).tasks}
    return task_of(SCHEMAS[name]), here[name](SCHEMAS[name])


def rows(name: str) -> tuple[Any, Any]:
    """Outcomes as written, and what a graph answers."""
    random = np.random.default_rng(3)
    if name == "counts":
        return random.random(200) * 9, random.random((200, 1)) * 9
    if name == "churn":
        return np.where(random.random(200) < 0.4, "left", "stayed").astype(object), random.random((200, 1))
    return random.choice(CLASSES, 200).astype(object), random.dirichlet(np.ones(3), 200)


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    match expected:
        case np.ndarray():
            np.testing.assert_array_equal(found, expected)
        case dict():
            assert found.keys() == expected.keys()
            for key, each in expected.items():
                same(found[key], each)
        case list() | tuple():
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                same(one, other)
        case _ if dataclasses.is_dataclass(expected):
            assert repr(found) == repr(expected)
        case _:
            assert found == expected


@pytest.mark.parametrize(
    "name", ["grades", pytest.param("counts", marks=pytest.mark.long), pytest.param("churn", marks=pytest.mark.long)]
)
def test_every_member_answers_as_the_task_itself(name: str, folder: Path) -> None:
    remote, here = tasks(folder, name)
    written, graph = rows(name)
    target, answer = here.encode(written), here.checked_answer(graph, 200)
    columns, replies = here.columns(answer), here.predictions(answer)
    recorded = {key: [each[key] for each in replies] for key in replies[0]}
    metric = here.slice_metrics[0]
    stated = SubgroupEvaluation(200, {}, {metric.evaluated_as: Estimate(0.5, 0.4, 0.6)})
    baseline = Baseline.build(SCHEMAS[name], np.zeros((200, 1), np.float32), answer)
    evaluation = Evaluation(200, {"threshold": 0.4, **here.facts(target)}, {})
    arguments: dict[str, tuple[Any, ...]] = {
        "encode": (written,),
        "class_counts": (target,),
        "positives": (target,),
        "checked_answer": (graph, 200),
        "predictions": (answer,),
        "columns": (answer,),
        "answer_of": (columns,),
        "recorded_answer": (recorded,),
        "decisions": (answer,),
        "represent": (answer,),
        "explained": (answer, answer[0]),
        "described": (replies[0],),
        "distances": (answer, answer[::-1]),
        "calibration": (target, answer, 10),
        "facts": (target,),
        "subgroup_facts": (target, answer),
        "rate": (metric, answer, target),
        "rate_before": (metric, stated),
        "prediction_change": (answer, evaluation, baseline.predictions),
        "draw": (here.charts[0], target, answer),
        "decisions_of": (replies,),
        "reply_facts": (),
    }

    assert arguments.keys() == _METHODS.keys()
    for member, given in arguments.items():
        same(getattr(remote, member)(*given), getattr(here, member)(*given))
    for member in _ATTRIBUTES:
        same(getattr(remote, member), getattr(here, member))
    for member in ("metrics", "slice_metrics", "change", "charts", "words", "output", "main_metric", "base"):
        assert getattr(remote, member) == getattr(here, member)
    assert remote.decides() == here.decides()
    slices = {"part": np.stack([np.arange(200) < 90, np.arange(200) >= 90], axis=1)}
    drawn = Bootstrap(50, 7)
    same(
        estimates(remote.prepare(target, answer, 10, slices), drawn),
        estimates(here.prepare(target, answer, 10, slices), drawn),
    )


def test_what_it_refuses_is_refused_as_by_the_task_itself(folder: Path) -> None:
    remote, _ = tasks(folder, "counts")

    with pytest.raises(ModelError, match="a count must not be below 0"):
        remote.checked_answer(np.array([[-1.0]]), 1)


def test_every_abstract_member_of_a_task_is_asked_for() -> None:
    assert {*Task.__abstractmethods__} - {"prepare"} <= {*_METHODS, *_ATTRIBUTES}
