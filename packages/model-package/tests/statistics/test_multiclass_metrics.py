"""The metrics of a multiclass classifier agree with scikit-learn's for whole and drawn rows, with ties and without."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as reference

from model_package.statistics.bootstrap import Bootstrap, compare, point_values
from model_package.statistics.multiclass_metrics import prepare
from model_package.tasks.multiclass_classification import MulticlassClassification

Floats = npt.NDArray[np.float64]
ROWS, CLASSES = 600, 4


def drawn(digits: int = 9, strength: float = 1.5) -> tuple[npt.NDArray[np.int64], Floats]:
    random = np.random.default_rng(4)
    target = random.choice(CLASSES, ROWS, p=[0.5, 0.3, 0.15, 0.05])
    scores = random.normal(size=(ROWS, CLASSES)) + strength * np.eye(CLASSES)[target]
    shares = np.round(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), digits) + 10.0**-digits
    return target, shares / shares.sum(axis=1, keepdims=True)


REFERENCES: dict[str, Callable[[npt.NDArray[np.int64], Floats, Floats], float]] = {
    "log_loss": lambda y, p, w: reference.log_loss(y, p, sample_weight=w),
    "accuracy": lambda y, p, w: reference.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: reference.balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=w),
    "f1_macro": lambda y, p, w: reference.f1_score(y, p.argmax(axis=1), average="macro", sample_weight=w),
    # scikit-learn takes weights for two classes only: one class against the rest, and the mean.
    "roc_auc_ovr": lambda y, p, w: float(
        np.mean([reference.roc_auc_score(y == each, p[:, each], sample_weight=w) for each in range(CLASSES)])
    ),
}


@pytest.mark.parametrize("digits", [9, 1], ids=["no ties", "ties"])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_metric_is_scikit_learns_for_whole_and_drawn_rows(name: str, digits: int):
    target, shares = drawn(digits)
    random = np.random.default_rng(2)
    weights = np.stack([np.ones(ROWS), np.bincount(random.integers(0, ROWS, ROWS), minlength=ROWS) * 1.0])
    expected = [REFERENCES[name](target, shares, each) for each in weights]

    assert prepare(target, shares).measure(weights)[name] == pytest.approx(expected, abs=1e-12)
    assert prepare(target, shares).measure(weights.astype(np.float32))[name] == pytest.approx(expected, abs=1e-4)


def test_the_mean_of_one_class_against_the_rest_is_scikit_learns():
    target, shares = drawn()

    found = point_values(prepare(target, shares))["roc_auc_ovr"]

    assert found == pytest.approx(reference.roc_auc_score(target, shares, multi_class="ovr"), abs=1e-12)


@pytest.mark.parametrize("digits", [9, 1], ids=["no ties", "ties"])
def test_many_rows_and_classes_have_the_same_areas_at_less_cost(digits: int):
    random = np.random.default_rng(5)
    rows, classes = 4_000, 12
    target = random.choice(classes, rows, p=np.arange(1, classes + 1) / 78)
    scores = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[target]
    shares = np.round(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), digits) + 10.0**-digits
    shares /= shares.sum(axis=1, keepdims=True)
    drawn_rows = np.bincount(random.integers(0, rows, rows), minlength=rows) * 1.0
    each = [
        reference.roc_auc_score(target == place, shares[:, place], sample_weight=drawn_rows) for place in range(classes)
    ]

    scored = prepare(target, shares)

    assert not scored.rankings
    assert point_values(scored)["roc_auc_ovr"] == pytest.approx(
        reference.roc_auc_score(target, shares, multi_class="ovr"), abs=1e-12
    )
    # an interval of these rows is about 0.01 wide
    assert scored.measure(drawn_rows[None])["roc_auc_ovr"] == pytest.approx(np.mean(each), abs=1e-4)


def test_no_metric_is_without_a_reference():
    assert {each.name for each in MulticlassClassification.metrics} == {*REFERENCES, "calibration_error"}


def test_calibration_error_is_the_mean_distance_in_bins_of_equal_size():
    shares = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]

    # the labels are right once of two at 0.9, twice of two at 0.6
    assert point_values(prepare([0, 1, 0, 0], shares, bins=2))["calibration_error"] == pytest.approx(0.4)


def test_a_class_that_the_rows_lack_is_left_out_of_the_means():
    values = point_values(prepare([0, 0, 1, 1], [[0.8, 0.1, 0.1]] * 2 + [[0.1, 0.8, 0.1]] * 2))

    assert values["balanced_accuracy"] == values["f1_macro"] == values["roc_auc_ovr"] == 1.0


def test_recall_by_subgroup_is_the_mean_of_the_classes():
    halves = np.repeat(np.eye(2, dtype=bool), 3, axis=0)
    shares = np.eye(2)[[0, 0, 1, 0, 1, 1]]

    values = point_values(prepare([0, 0, 1, 0, 0, 1], shares, slices={"half": halves}))

    # both classes right in the first half; half of class 0 and all of class 1 in the second
    assert values["recall_difference.half"] == pytest.approx(1.0 - 0.75)


def test_a_worse_model_is_told_apart_by_the_paired_bootstrap():
    target, good = drawn(strength=2.0)
    worse = 0.5 * good + 0.5 * np.random.default_rng(1).dirichlet(np.ones(CLASSES), ROWS)

    found = compare(prepare(target, worse), prepare(target, good), Bootstrap(rounds=200, seed=1))

    for name in ("log_loss", "roc_auc_ovr"):
        difference = found[name].difference
        assert difference is not None
        assert difference.low is not None
        assert difference.high is not None
        assert difference.low > 0 or difference.high < 0
