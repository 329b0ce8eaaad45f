"""The evaluation of a model of each task: what it states of features and slices of every kind, and its report."""

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluate_model import evaluate
from evaluation_report import page
from importance import permutation_importance, sample_size
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from model_package.documents import Fields
from model_package.evaluation import Evaluation
from model_package.reports.pages import write_page
from model_package.rows.encoding import Tensors, encode, text_tensor
from model_package.rows.split import Part
from model_package.schema import (
    BINARY_CLASSIFICATION,
    MULTICLASS_CLASSIFICATION,
    REGRESSION,
    Decision,
    Feature,
    Schema,
    Slice,
    Subgroup,
)
from model_package.statistics.bootstrap import Bootstrap
from model_package.steps.sklearn_model import fitting_threads
from model_package.tasks import task_of

TEMPLATE = Path(__file__).parents[2] / "components" / "evaluate_model" / "report.html.j2"
MARKUP = "<script>alert('$x$ & \"y\"')</script>"
CLASSES = ("<b>low</b>", "middle & co", "high $1$")
TASKS = (BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION)
SETTINGS = Bootstrap(rounds=50, seed=3)
ROWS = 1_200


@dataclass(frozen=True)
class Case:
    """A fitted model, and the rows to evaluate it on."""

    model: HistGradientBoostingClassifier | HistGradientBoostingRegressor
    test: Part
    schema: Schema


def make_schema(task: str, *, slices: bool = True) -> Schema:
    features = (
        Feature("amount $ & <i>", "number", nullable=True),
        Feature("plan", "category", categories=("<b>", "Pro"), unknown="other"),
        Feature("member", "boolean"),
        Feature("since", "timestamp"),
    )
    by_plan = Slice("plan", "plan", (Subgroup(MARKUP, categories=("<b>",)), Subgroup("Pro", categories=("Pro",))))
    by_member = Slice("member", "member", (Subgroup("yes", categories=(True,)), Subgroup("no", categories=(False,))))
    by_amount = Slice("amount", "amount $ & <i>", (Subgroup("low", limits=(-9, 0)), Subgroup("none", limits=(50, 60))))
    return Schema(
        identifier="",
        target="price <u>",
        features=features,
        slices=(by_plan, by_member, by_amount) if slices else (),
        task=task,
        positive="<em>yes" if task == BINARY_CLASSIFICATION else None,
        classes=CLASSES if task == MULTICLASS_CLASSIFICATION else (),
        decision=Decision(0.5) if task == BINARY_CLASSIFICATION else None,
    )


def make_case(task: str, *, slices: bool = True) -> Case:
    schema, random = make_schema(task, slices=slices), np.random.default_rng(8)
    amount, plan = random.normal(size=ROWS), random.integers(0, 3, ROWS).astype(float)
    values = np.stack([amount, plan, random.integers(0, 2, ROWS) * 1.0, random.uniform(0, 900, ROWS)], axis=1)
    rows = encode(values, [], schema)
    number = 2 * amount + plan + random.normal(size=ROWS) / 2
    values[::20, 0] = np.nan
    if task == REGRESSION:
        target = 4_000 + 900 * number
        model = HistGradientBoostingRegressor(max_iter=30, random_state=1)
    else:
        target = np.digitize(number, [1.0] if task == BINARY_CLASSIFICATION else [0.0, 2.0])
        model = HistGradientBoostingClassifier(max_iter=30, random_state=1)
    half = ROWS // 2
    with fitting_threads(ROWS):
        model.fit(rows.features[:half], target[:half])
    return Case(model, Part(rows[half:], target[half:]), schema)


def report(case: Case, folder: Path) -> tuple[str, Evaluation]:
    with fitting_threads(ROWS):
        found, answer = evaluate(case.model, case.test, case.schema, SETTINGS)
    write_page(
        folder / "report.html", TEMPLATE, page(found, case.test.target, answer, task_of(case.schema), SETTINGS.rounds)
    )
    return (folder / "report.html").read_text(), found


class Tags(HTMLParser):
    """Collects which tags a page opens, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("task", TASKS)
def test_the_evaluation_has_metrics_importance_and_slices_of_every_kind(task: str, tmp_path: Path):
    case = make_case(task)

    _, found = report(case, tmp_path)

    assert set(found.metrics) == {each.name for each in task_of(case.schema).metrics}
    assert all(each.low is not None for each in found.metrics.values())
    assert max(found.importance, key=lambda name: found.importance[name]) == "amount $ & <i>"
    assert {name: list(each) for name, each in found.slices.items()} == {
        "plan": [MARKUP, "Pro"],
        "member": ["yes", "no"],
        "amount": ["low", "none"],
    }
    assert sum(each.rows for each in found.slices["member"].values()) == found.rows
    assert found.slices["amount"]["none"].rows == 0
    assert Evaluation.parse(Fields(found.as_document(), "evaluation.json")) == found


@pytest.mark.parametrize("task", TASKS)
def test_the_report_speaks_of_its_task_and_runs_nothing_from_the_data(task: str, tmp_path: Path):
    text, found = report(make_case(task), tmp_path)
    page_of = Tags(text)
    words = " ".join(page_of.words)

    assert page_of.tags.isdisjoint({"script", "em", "u", "i"})
    assert MARKUP in words
    assert "price <u>" in words
    assert all(each.title in words and each.name in words for each in task_of(make_schema(task)).metrics)
    assert "client" not in words
    assert "default" not in words
    expected = {
        BINARY_CLASSIFICATION: ("ROC curve", "<em>yes"),
        MULTICLASS_CLASSIFICATION: ("Confusion matrix", "Recall by class", "Calibration by class", *CLASSES),
        REGRESSION: ("Predicted against actual", "Residuals by prediction", "Error by decile of the prediction"),
    }
    assert [each for each in expected[task] if each not in words] == []
    assert found.rows == ROWS // 2


@pytest.mark.parametrize("task", TASKS)
def test_a_schema_without_slices_has_no_empty_section(task: str, tmp_path: Path):
    text, _ = report(make_case(task, slices=False), tmp_path)

    assert "subgroup" not in text
    assert "Results by slice" not in text


def test_a_metric_that_is_not_defined_is_a_dash_with_the_reason(tmp_path: Path):
    case = make_case(REGRESSION)
    target = case.test.target.copy()
    target[0] = 0.0

    text, found = report(Case(case.model, Part(case.test.rows, target), case.schema), tmp_path)

    assert found.metrics["mean_absolute_percentage_error"].value is None
    assert "not defined here: the target is 0 in some rows" in text


def test_a_class_that_the_test_rows_lack_is_said(tmp_path: Path):
    case = make_case(MULTICLASS_CLASSIFICATION)
    kept = case.test.target != 1

    text, found = report(Case(case.model, Part(case.test.rows[kept], case.test.target[kept]), case.schema), tmp_path)

    assert "No row has middle &amp; co" in text
    assert found.metrics["balanced_accuracy"].value is not None


def test_forty_classes_are_readable_and_more_are_the_most_frequent(tmp_path: Path):
    random = np.random.default_rng(2)
    classes = tuple(f"class {each}" for each in range(45))
    schema = Schema("", "kind", (Feature("x", "number"),), task=MULTICLASS_CLASSIFICATION, classes=classes)
    target = np.arange(900) % 45
    features = (target + random.normal(size=900))[:, None].astype(np.float32)
    with fitting_threads(ROWS):
        model = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=8).fit(features, target)

    text, _ = report(Case(model, Part(Tensors(features), target), schema), tmp_path)

    assert "Shown are the 40 most frequent of 45 classes" in text


def test_texts_and_all_parts_of_a_timestamp_count_as_one_feature_each():
    schema = Schema(
        "", "y", (Feature("x", "number"), Feature("when", "timestamp"), Feature("note", "text")), task=REGRESSION
    )
    random = np.random.default_rng(4)
    values = np.stack([random.normal(size=400), random.uniform(0, 900, 400), np.ones(400)], axis=1)
    notes = text_tensor(random.choice(["good", "bad"], 400).tolist())
    rows = encode(values, [notes], schema)

    def answer(given: Tensors) -> np.ndarray:
        # knows the day from its parts, and the note, and nothing of x
        return (given.features[:, 1] / 900 + (given.texts[0][:, 0] == "good")).astype(np.float64)

    found = permutation_importance(answer, Part(rows, answer(rows)), task_of(schema), seed=1)

    assert found["x"] == 0
    assert found["when"] > 0.2
    assert found["note"] > 0.5


def test_many_columns_and_classes_or_long_texts_take_fewer_rows():
    columns = tuple(Feature(f"c{each}", "number") for each in range(54))
    wide = Schema("", "y", columns, task=MULTICLASS_CLASSIFICATION, classes=tuple(map(str, range(40))))
    test = Part(Tensors(np.zeros((15_000, 54), np.float32)), np.zeros(15_000))
    long = Schema("", "y", (Feature("note", "text"),), task=REGRESSION)
    essays = Part(Tensors(np.zeros((2_000, 0), np.float32), (text_tensor(["x" * 10_000] * 2_000),)), np.zeros(2_000))

    assert sample_size(test, wide) == 600_000 // (55 * 40)
    assert sample_size(essays, long) == 400
