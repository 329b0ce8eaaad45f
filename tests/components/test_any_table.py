"""Every task and every kind of column goes through the steps to a package whose graph answers as the model does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import polars as pl
import pytest
from category_means import fit_means
from chain import step_command
from onnx_graph import convert, largest_difference
from programs import run_scripts
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation
from train_model import Trained, Tuning, fit

from model_package.package import ModelPackage
from model_package.rows.encoding import Tensors, text_tensor
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.rows.split import Part
from model_package.runtime import Scorer
from model_package.schema import Decision, Feature, Schema
from model_package.steps.sklearn_model import answer, fitting_threads, load_model, save_model
from model_package.steps.table_model import class_probabilities

BINARY, MULTICLASS, REGRESSION = "binary_classification", "multiclass_classification", "regression"
TOLERANCE = 1e-5
FEW_TREES = Tuning(iterations=12)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with fitting_threads(1):
        yield


FEATURES = """\
features:
  - {name: count, type: integer, nullable: true}
  - {name: size, type: number, nullable: true}
  - {name: member, type: boolean, nullable: true}
  - {name: plan, type: category, categories: [Basic, Pro], nullable: true}
  - {name: city, type: category, categories: [Ulm, Köln], unknown: other}
  - {name: seen, type: timestamp, nullable: true}
  - {name: note, type: text, nullable: true}
"""
HEADS = {
    BINARY: 'target: y\npositive: "yes"\n',
    MULTICLASS: f"task: {MULTICLASS}\ntarget: y\nclasses: [low, middle, high]\n",
    REGRESSION: f"task: {REGRESSION}\ntarget: y\n",
}
WORDS = np.array(["good", "Bad", "fine", "schön", "ÄRGER", "don't", "née", "日本", "", "a"])


def every_kind(task: str, rows: int = 240) -> pl.DataFrame:
    """A table with a column of every kind, values missing, and a target that follows from several of them."""
    random = np.random.default_rng(3)
    size = random.normal(size=rows)
    words = random.integers(0, len(WORDS), (rows, 3))
    score = size + (words == 0).sum(axis=1) + random.normal(size=rows) / 3
    targets: dict[str, Any] = {
        BINARY: np.where(score > 0.3, "yes", "no"),
        MULTICLASS: np.array(["low", "middle", "high"])[np.digitize(score, [-0.3, 0.8])],
        REGRESSION: 5e8 + 1e8 * score,
    }
    frame = pl.DataFrame(
        {
            "count": random.integers(0, 9, rows),
            "size": size,
            "member": random.random(rows) < 0.5,
            "plan": np.array(["Basic", "Pro"])[random.integers(0, 2, rows)],
            "city": np.array(["Ulm", "Köln", "Rom"])[random.integers(0, 3, rows)],
            "seen": [f"2026-{1 + at % 12:02}-{1 + at % 28:02}T{at % 24:02}:30:00" for at in range(rows)],
            "note": [" ".join(WORDS[each]) for each in words],
            "y": targets[task],
        }
    )
    gaps = [name for name in frame.columns if name not in ("city", "y")]
    holes = {name: pl.Series(random.random(rows) < 0.1) for name in gaps}
    return frame.with_columns(pl.when(holes[name]).then(None).otherwise(pl.col(name)).alias(name) for name in gaps)


@pytest.mark.parametrize("task", HEADS)
def test_columns_of_every_kind_go_from_a_csv_to_a_model(tmp_path: Path, task: str):
    # Given a CSV and its schema
    (tmp_path / "schema.yml").write_text(f"format: 1\n{HEADS[task]}{FEATURES}", encoding="utf-8")
    every_kind(task).write_csv(tmp_path / "rows.csv")
    # When the steps run, in one process
    made = {name: tmp_path / name for name in ("rows", "report", "split", "model", "evaluation", "package")}
    split, model = {"split_data": made["split"]}, {"trained_model": made["model"]}
    evaluation, package = {"evaluation": made["evaluation"]}, {"model_package": made["package"]}
    source: dict[str, Path] = {"data": tmp_path / "rows.csv", "schema": tmp_path / "schema.yml"}
    done = run_scripts(
        step_command("validate_data", **source, validated_data=made["rows"], validation_report=made["report"]),
        step_command("prepare_data", validated_data=made["rows"], **split),
        step_command("train_model", **split, **model, iterations=12),
        step_command("evaluate_model", **split, **model, **evaluation, bootstrap_resamples=20),
        step_command("package_model", **split, **model, **evaluation, **package),
    )
    assert done.returncode == 0, done.stderr
    # Then the package has learnt something, and answers its own golden requests
    found = ModelPackage.read(made["package"])
    parity = json.loads((made["package"] / "evaluation.json").read_text())["onnx_parity"]
    assert parity["maximum_difference"] <= TOLERANCE
    metrics = json.loads((made["model"] / "training.json").read_text())["metrics"]
    better = {BINARY: "held_out_roc_auc", MULTICLASS: "held_out_accuracy", REGRESSION: "held_out_r2"}[task]
    assert metrics[better] > 0.5
    scorer = Scorer.open(made["package"])
    case = found.golden.cases[-1]
    again = scorer.score(request_tensors(case.request, RowRules(scorer.schema)))
    recorded = scorer.task.recorded_answer(case.answers)
    assert scorer.task.distances(recorded, again).max() <= found.golden.tolerance
    # And MLflow answers its own example as the package does
    loaded = mlflow.pyfunc.load_model(str(made["package"]))
    asked: Any = loaded.input_example
    answered: Any = loaded.predict(asked)
    texts = tuple(map(text_tensor, [asked["text_0"][:, 0]]))
    expected = scorer.score(Tensors(asked["features"], texts))
    np.testing.assert_allclose(np.squeeze(answered[scorer.task.output]), expected, rtol=1e-6)


def agreed(model: Any, rows: Tensors, schema: Schema) -> float:
    """How far the graph's answers lie from the model's."""
    decided = schema.with_decision(Decision(0.5)) if schema.task == BINARY else schema
    found = Scorer(decided, convert(model, schema).SerializeToString()).score(rows)
    return largest_difference(answer(model, rows, schema), found, schema)


def make_schema(task: str, columns: int, texts: int = 0, classes: int = 3) -> Schema:
    features = [Feature(f"x{at}", "number", nullable=True) for at in range(columns)]
    features += [Feature(f"note{at}", "text", nullable=True) for at in range(texts)]
    names = tuple(f"c{at}" for at in range(classes)) if task == MULTICLASS else ()
    return Schema("", "y", tuple(features), task=task, classes=names)


def make_part(features: np.ndarray, target: Any, texts: tuple[list[str], ...] = ()) -> Part:
    return Part(Tensors(features.astype(np.float32), tuple(map(text_tensor, texts))), np.asarray(target))


def trained(train: Part, validation: Part, schema: Schema, tuning: Tuning = FEW_TREES) -> Trained:
    """Fit, store and load, and require the graph's agreement on both parts and where everything is missing."""
    found = fit(train, validation, schema, tuning)
    missing = Tensors(np.full_like(train.features[:2], np.nan), tuple(text_tensor(["", "é"]) for _ in train.rows.texts))
    for rows in (train.rows, validation.rows, missing):
        assert agreed(found.model, rows, schema) <= TOLERANCE
    return found


@pytest.mark.parametrize("task", HEADS)
def test_values_on_thresholds_and_missing_ones_go_the_same_way(task: str):
    # Given columns of few different float32 values, between which every threshold lies
    random = np.random.default_rng(5)
    features = random.choice(random.normal(size=40).astype(np.float32), (400, 4))
    features[random.random(features.shape) < 0.1] = np.nan
    score = np.nan_to_num(features[:, 0]) + random.normal(size=400) / 4
    target = score if task == REGRESSION else np.digitize(score, [0.0] if task == BINARY else [-0.5, 0.5])
    schema = make_schema(task, 4)
    found = trained(make_part(features[:300], target[:300]), make_part(features[300:], target[300:]), schema)
    # When rows hold the thresholds themselves, and their neighbours
    nodes = np.concatenate([tree.nodes for trees in found.model.members[0].boosting._predictors for tree in trees])
    limits = nodes["num_threshold"][nodes["is_leaf"] == 0].astype(np.float32)
    around = np.concatenate([limits, np.nextafter(limits, np.float32(9)), np.nextafter(limits, np.float32(-9))])
    rows = random.choice(np.append(around, np.nan), (2_000, 4)).astype(np.float32)
    # Then
    assert agreed(found.model, Tensors(rows), schema) <= 1e-6


def test_a_class_that_training_lacks_has_no_probability():
    random = np.random.default_rng(1)
    features, target = random.normal(size=(120, 3)), np.repeat([0, 2], 60)
    schema = make_schema(MULTICLASS, 3, classes=4)
    found = trained(make_part(features, target), make_part(features[::3], target[::3]), schema)
    probability = answer(found.model, make_part(features, target).rows, schema)
    assert probability.shape == (120, 4)
    assert probability[:, [1, 3]].max() == 0
    assert probability.sum(axis=1) == pytest.approx(1)


def test_only_one_class_is_certain():
    schema, rows = make_schema(MULTICLASS, 2, texts=1), np.zeros((4, 2))
    part = make_part(rows, [1] * 4, (["a b"] * 4,))
    assert answer(trained(part, part, schema).model, part.rows, schema)[:, 1].tolist() == [1.0] * 4


def test_forty_classes_of_which_some_have_one_row():
    random = np.random.default_rng(2)
    target = np.concatenate([random.integers(0, 38, 600), [38, 39]])
    features = np.stack([target + random.normal(size=602), random.normal(size=602)], axis=1)
    schema = make_schema(MULTICLASS, 2, classes=40)
    found = trained(make_part(features[:400], target[:400]), make_part(features[400:], target[400:]), schema)
    assert len(found.model.classes_) == 40


@pytest.mark.parametrize("target", [[7.0] * 60, list(range(60)), [1e9 + each for each in range(60)], [-1e-9] * 60])
def test_a_regression_of_any_size_and_of_a_constant(target: list[float]):
    features = np.stack([np.arange(60.0), np.full(60, np.nan), np.zeros(60)], axis=1)
    part = make_part(features, target)
    schema = make_schema(REGRESSION, 3)
    found = answer(trained(part, part, schema).model, part.rows, schema)
    assert found.min() >= min(target) - 1e-6 * abs(min(target)) - 1e-12
    assert found.max() <= max(target) + 1e-6 * abs(max(target)) + 1e-12


@pytest.mark.parametrize("task", HEADS)
def test_parts_of_two_rows(task: str):
    schema = make_schema(task, 2, texts=1)
    part = make_part(np.eye(2), [0, 1], (["good", ""],))
    trained(part, part, schema)


def test_five_thousand_categories_and_a_wide_table():
    random = np.random.default_rng(4)
    features = random.normal(size=(600, 55))
    features[:, 0] = random.permutation(np.arange(600) * 8)
    target = (features[:, 0] > 2_000).astype(int)
    schema = make_schema(BINARY, 54)
    many = Feature("many", "category", categories=tuple(f"c{at}" for at in range(5_000)), unknown="other")
    schema = Schema("", "y", (many, *schema.features))
    found = trained(make_part(features[:450], target[:450]), make_part(features[450:], target[450:]), schema)
    assert np.mean((found.answer > 0.5) == found.target) > 0.95


def many_categories(task: str, rows: int) -> tuple[Schema, Part, Part]:
    """Two columns whose 40 codes are in no order, the first of them open, with values missing."""
    random = np.random.default_rng(8)
    names = tuple(f"c{at:02}" for at in range(40))
    shop = Feature("shop", "category", categories=names, unknown="other", nullable=True)
    columns = (Feature("size", "number"), shop, replace(shop, name="town", unknown="refuse"))
    schema = Schema("", "y", columns, task=task, classes=("a", "b", "c") if task == MULTICLASS else ())
    features = np.column_stack([random.normal(size=rows), random.integers(0, 39, (rows, 2))])
    score = random.normal(size=40)[features[:, 1].astype(int)] + random.normal(size=40)[features[:, 2].astype(int)]
    features[random.random(rows) < 0.1, 1:] = np.nan
    target = {REGRESSION: 1e6 + score, BINARY: score > 0, MULTICLASS: np.digitize(score, [-0.7, 0.7])}[task]
    held_out = np.arange(rows) % 4 == 0
    return schema, make_part(features[~held_out], target[~held_out]), make_part(features[held_out], target[held_out])


@pytest.mark.parametrize(
    ("task", "rows", "members"),
    [(BINARY, 200, 4), (REGRESSION, 200, 4), (BINARY, 3_200, 1), (REGRESSION, 3_200, 1), (MULTICLASS, 3_200, 1)],
)
def test_the_means_of_many_categories_are_looked_up_in_the_graph(task: str, rows: int, members: int):
    schema, train, validation = many_categories(task, rows)

    found = trained(train, validation, schema)

    columns = (1, 1, 1, 2, 2, 2) if task == MULTICLASS else (1, 2)
    assert [member.means.columns for member in found.model.members] == [columns] * members
    # Values that training lacked, other ones, missing ones.
    strange = [[0, 40, 39], [0, 39, np.nan], [0, np.nan, 0], [np.nan] * 3]
    assert agreed(found.model, make_part(np.array(strange), [0] * 4).rows, schema) <= TOLERANCE


@pytest.mark.parametrize("task", [BINARY, MULTICLASS])
def test_means_tell_more_than_codes_in_any_order(task: str):
    schema, train, validation = many_categories(task, 3_200)
    plain = replace(schema, features=tuple(Feature(name, "number", nullable=True) for name in schema.names))

    by_means, by_codes = (fit(train, validation, each, FEW_TREES) for each in (schema, plain))

    losses = [
        log_loss(each.target, class_probabilities(each.scores, len(each.model.classes_)))
        for each in (by_means, by_codes)
    ]
    assert losses[0] < 0.9 * losses[1]


def test_a_category_of_one_row_does_not_tell_its_target():
    features, target = np.array([[0], [1], [1], [2], [np.nan]], np.float32), np.array([9.0, 1, 2, 3, 3.5])
    means, fitted = fit_means(features, target[:, None], [(0, 5)], seed=1)
    # The mean of all rows is 0, which also a code that training lacked has.
    assert fitted[[0, 3, 4], 1].tolist() == [0, 0, 0]
    assert fitted[1:3, 1].max() < 0
    first, second, third, *lacked, missing = means.values[0]
    assert first > 0 > missing > third > second
    assert lacked == [0, 0]


def test_many_classes_have_no_means():
    category = Feature("shop", "category", categories=tuple(f"c{at}" for at in range(30)))
    schema = Schema("", "y", (category,), task=MULTICLASS, classes=tuple("abcdef"))
    part = make_part(np.arange(90)[:, None] % 30, np.arange(90) % 6)
    assert fit(part, part, schema, Tuning(iterations=2)).model.members[0].means.columns == ()


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize(
    "notes", [["", ""], ["!", "?"], ["naïve CAFÉ", "straße 東京 x_1"], ["Good day", "bad\tday\u00a0x"]]
)
def test_texts_alone_of_any_kind(task: str, notes: list[str]):
    schema = make_schema(task, 0, texts=2)
    target = np.arange(40) % 2
    part = make_part(np.empty((40, 0)), target, (notes * 20, ["same words"] * 40))
    found = trained(part, part, schema)
    assert found.model.members == ()


PLAIN = {
    "boosting": (make_schema(MULTICLASS, 4), HistGradientBoostingClassifier(max_iter=20)),
    "boosting of numbers": (make_schema(REGRESSION, 4), HistGradientBoostingRegressor(max_iter=20)),
    "scaled, linear": (make_schema(REGRESSION, 4), make_pipeline(StandardScaler(), Ridge())),
    "scaled, logistic": (make_schema(MULTICLASS, 4), make_pipeline(StandardScaler(), LogisticRegression())),
    "not calibrated": (make_schema(BINARY, 4), LogisticRegression()),
}


@pytest.mark.parametrize(("schema", "model"), PLAIN.values(), ids=PLAIN.keys())
def test_another_estimator_is_converted_for_every_task(schema: Schema, model: Any, tmp_path: Path):
    random = np.random.default_rng(6)
    features = random.normal(size=(500, 4)).astype(np.float32)
    score = features[:, 0] + random.normal(size=500) / 4
    # Class 1 is absent from training.
    target = {REGRESSION: score, BINARY: score > 0, MULTICLASS: 2 * (score > 0)}[schema.task]
    save_model(model.fit(features, target), tmp_path)
    assert agreed(load_model(tmp_path), Tensors(features), schema) <= TOLERANCE


def test_a_plain_text_model_reads_a_table_of_one_text():
    notes, target = ["good day", "bad day", "so good", "all bad"] * 10, [1, 0, 1, 0] * 10
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(notes, target)
    rows = Tensors(np.empty((40, 0), np.float32), (text_tensor(notes),))
    assert agreed(model, rows, make_schema(BINARY, 0, texts=1)) <= TOLERANCE


@pytest.mark.parametrize(
    ("model", "schema", "reason"),
    [
        (HistGradientBoostingClassifier(categorical_features=[0]), make_schema(BINARY, 2), "categorical_features"),
        (LabelPropagation(), make_schema(BINARY, 2), "cannot be converted"),
        (Ridge(), make_schema(BINARY, 2), "does not fit the task"),
        (LogisticRegression(), make_schema(BINARY, 2, texts=1), "cannot read texts beside other columns"),
    ],
    ids=["native categories", "no converter", "regressor", "texts"],
)
def test_what_would_become_a_wrong_graph_is_refused(model: Any, schema: Schema, reason: str):
    features = np.random.default_rng(7).integers(0, 5, (80, 2)).astype(np.float32)
    model.fit(features, features[:, 0] > 2)
    with pytest.raises(ValueError, match=reason):
        convert(model, schema)
