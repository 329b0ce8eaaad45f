"""One trial by each learner: the saved model answers as the trained one, and the search goes on from trial to trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("flaml", reason="AutoML needs the emulator's extra: uv sync --group automl")

import mlflow.pyfunc

from azureml_emulator.jobs.automl.learners import Choice, Tried, choose, unfitted, usable
from azureml_emulator.jobs.automl.scores import classification_scores, regression_scores
from azureml_emulator.jobs.automl.settings import read_automl
from azureml_emulator.jobs.automl.trial import read_data, save, train
from azureml_emulator.jobs.definitions.automl import ALGORITHMS, TRAINING, AutomlSettings

# FLAML, MLflow and the learners take seconds to import.
pytestmark = pytest.mark.long

MLTABLE = "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 rows with three classes, a price, and missing values."""
    random = np.random.default_rng(5)
    table = pd.DataFrame({"size": random.normal(size=300), "kind": random.choice(["flat", "house", "barn"], 300)})
    table["price"] = 3 * table["size"] + 2 * (table["kind"] == "house") + random.normal(scale=0.1, size=300)
    table["band"] = pd.cut(table["price"], 3, labels=["low", "middle", "high"]).astype(str)
    table.loc[::7, "size"] = np.nan
    table.loc[::11, "kind"] = None
    folder = tmp_path_factory.mktemp("table")
    table.to_csv(folder / "rows.csv", index=False)
    (folder / "MLTable").write_text(MLTABLE)
    return folder


def settings_of(task: str, target: str, **given: Any) -> AutomlSettings:
    other = {"price": "band", "band": "price"}[target]
    purposes = {"columnNameAndTypes": {other: "Ignore"}}
    search = read_automl({"taskType": task, "targetColumnName": target, "featurizationSettings": purposes, **given})
    assert search.automl is not None
    return search.automl


LEARNERS = [
    (task, target, algorithm)
    for task, target in (("classification", "band"), ("regression", "price"))
    for algorithm in ALGORITHMS[task]
]


@pytest.mark.parametrize(("task", "target", "algorithm"), LEARNERS)
def test_the_saved_model_answers_as_the_trained_one(
    folder: Path, tmp_path: Path, task: str, target: str, algorithm: str
) -> None:
    settings = settings_of(task, target, validationDataSize=0.3)
    data = read_data(settings, {TRAINING: folder}, seed=7)
    choice = choose([algorithm], task, 0, [], data.shape, seed=7)

    model, scores = train(data, choice, settings, seed=7)
    save(model, data, tmp_path / "model")

    assert scores["AUC_weighted" if task == "classification" else "spearman_correlation"] > 0.7
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    rows = data.train.features.assign(kind=data.train.features["kind"].replace("barn", "tent"))
    np.testing.assert_array_equal(np.asarray(loaded.predict(rows)), model.predict(rows))
    assert rows.isna().to_numpy().any()


def test_light_gbm_is_left_out_where_values_are_missing(folder: Path) -> None:
    settings = settings_of("regression", "price")

    assert read_data(settings, {TRAINING: folder}, seed=7).has_missing
    assert "LightGBM" not in usable(settings.algorithms, has_missing=True)
    assert "LightGBM" in usable(settings.algorithms, has_missing=False)


def test_every_learner_is_tried_then_the_best_one_most(folder: Path) -> None:
    algorithms = ["LightGBM", "GradientBoosting", "RandomForest"]
    losses = {"lgbm": 0.5, "histgb": 0.1, "rf": 0.3}
    earlier: list[Tried] = []
    for number in range(11):
        choice = choose(algorithms, "classification", number, earlier, (300, 2), seed=7)
        again = choose(algorithms, "classification", number, earlier, (300, 2), seed=7)
        assert choice == again
        earlier.append(Tried(choice.learner, choice.config, losses[choice.learner] - number / 1000))

    learners = [tried.learner for tried in earlier]
    assert learners[:3] == ["lgbm", "histgb", "rf"]
    assert learners[3:] == ["histgb", "rf", "histgb", "lgbm", "histgb", "rf", "histgb", "histgb"]
    boosted = [tried.config for tried in earlier if tried.learner == "histgb"]
    assert len({str(config) for config in boosted}) == len(boosted)
    assert all(isinstance(value, int | float | str) for config in boosted for value in config.values())


def test_a_search_that_has_converged_tries_a_point_at_random() -> None:
    start = Tried("lrl2", {"C": 1.0}, 0.5)
    tried = [start, *(Tried("lrl2", {"C": 1.0 + number}, 0.5) for number in range(40))]

    choice = choose(["LogisticRegression"], "classification", 41, tried, (300, 2), seed=7)

    assert isinstance(choice.config["C"], float)


def test_folds_and_parts_are_as_the_job_asks(folder: Path) -> None:
    one_part = read_data(settings_of("classification", "band", validationDataSize=0.3), {TRAINING: folder}, seed=7)
    folds = settings_of("classification", "band", nCrossValidations={"mode": "Custom", "value": 4}, testDataSize=0.2)
    several = read_data(folds, {TRAINING: folder}, seed=7)
    by_default = read_data(settings_of("classification", "band"), {TRAINING: folder}, seed=7)

    assert one_part.validation is not None
    assert (len(one_part.train), len(one_part.validation)) == (210, 90)
    assert several.validation is None
    assert several.test is not None
    assert (several.folds, len(several.train), len(several.test)) == (4, 240, 60)
    assert (by_default.folds, by_default.test) == (10, None)
    model, scores = train(several, Choice("RandomForest", "rf", {"n_estimators": 5, "max_leaves": 8}), folds, seed=7)
    assert {"AUC_weighted", "test_AUC_weighted"} <= set(scores)
    assert len(model.classes_) == 3


def test_metrics_have_azures_names_and_values() -> None:
    truth = np.array(["a", "a", "b", "b"], dtype=object)
    found = classification_scores(
        truth, np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]), np.array(["a", "b"], dtype=object), None
    )
    assert (found["accuracy"], found["AUC_weighted"], found["norm_macro_recall"]) == (0.75, 1.0, 0.5)
    of_one_class = classification_scores(
        truth[:2], np.array([[0.9, 0.1], [0.4, 0.6]]), np.array(["a", "b"], dtype=object), None
    )
    assert "AUC_weighted" not in of_one_class
    numbers = regression_scores(np.array([0.0, 5.0, 10.0]), np.array([1.0, 5.0, 9.0]), None)
    assert numbers["normalized_mean_absolute_error"] == pytest.approx(2 / 3 / 10)
    assert (numbers["spearman_correlation"], round(numbers["r2_score"], 2)) == (1.0, 0.96)


def test_classes_of_any_type_are_answered_as_they_are() -> None:
    features = np.array([[0.0], [1.0], [0.0], [1.0]])
    model = unfitted(Choice("XGBoostClassifier", "xgboost", {"n_estimators": 4, "max_leaves": 4}), "classification", 1)

    assert set(model.fit(features, ["no", "yes", "no", "yes"]).predict(features)) <= {"no", "yes"}
