"""The metrics agree with scikit-learn for whole and drawn rows, and the intervals with what theory says of them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as reference

from model_package.evaluation import Estimate
from model_package.statistics.binary_metrics import Scored, measure, prepare
from model_package.statistics.bootstrap import Bootstrap, compare, estimates, point_values
from model_package.statistics.curves import calibration, curves
from model_package.tasks.binary_classification import BinaryClassification

Floats = npt.NDArray[np.float64]
ROWS = 1_000
THRESHOLD = 0.4
SETTINGS = Bootstrap(rounds=300, seed=11)


def roc_auc(target: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    return point_values(prepare(target, probability, THRESHOLD))["roc_auc"]


def drawn(seed: int = 0, digits: int = 9) -> tuple[Floats, Floats]:
    """Targets and probabilities that know something of them; few digits make many ties."""
    random = np.random.default_rng(seed)
    target = (random.random(ROWS) < 0.25).astype(np.float64)
    probability = np.clip(0.3 + 0.2 * target + 0.2 * random.standard_normal(ROWS), 0, 1)
    return target, np.round(probability, digits)


REFERENCES: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "roc_auc": lambda y, p, w: reference.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: reference.average_precision_score(y, p, sample_weight=w),
    "f1": lambda y, p, w: reference.f1_score(y, p >= THRESHOLD, sample_weight=w),
    "precision": lambda y, p, w: reference.precision_score(y, p >= THRESHOLD, sample_weight=w),
    "recall": lambda y, p, w: reference.recall_score(y, p >= THRESHOLD, sample_weight=w),
    "selection_rate": lambda _y, p, w: float(np.average(p >= THRESHOLD, weights=w)),
    "brier": lambda y, p, w: reference.brier_score_loss(y, p, sample_weight=w),
}


@pytest.mark.parametrize("digits", [9, 1, 2], ids=["no ties", "ten scores", "hundred scores"])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_metric_is_scikit_learns_for_whole_and_drawn_rows(name: str, digits: int):
    target, score = drawn(1, digits)
    random = np.random.default_rng(2)
    weights = np.stack([np.ones(ROWS), np.bincount(random.integers(0, ROWS, ROWS), minlength=ROWS) * 1.0])

    exact = measure(prepare(target, score, THRESHOLD), weights)[name]
    rough = measure(prepare(target, score, THRESHOLD), weights.astype(np.float32))[name]

    expected = [REFERENCES[name](target, score, each) for each in weights]
    assert exact == pytest.approx(expected, abs=1e-12)
    assert rough == pytest.approx(expected, abs=1e-4)


def test_no_metric_is_without_a_reference():
    assert {each.name for each in BinaryClassification.metrics} == {*REFERENCES, "calibration_error"}


def test_calibration_error_is_the_mean_distance_in_bins_of_equal_size():
    target = [0, 0, 0, 1, 1, 1, 0, 1]
    score = [0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9]

    # predicted 0.15 and 0.85, observed 0.25 and 0.75
    assert point_values(prepare(target, score, 0.5, bins=2))["calibration_error"] == pytest.approx(0.1)


def test_differences_between_subgroups_are_the_largest_less_the_smallest_rate():
    target = [1, 1, 0, 0, 1, 1, 0, 0]
    score = [0.9, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1]
    halves = np.repeat(np.eye(2, dtype=bool), 4, axis=0)

    values = point_values(prepare(target, score, 0.5, bins=2, slices={"half": halves}))

    assert values["selection_rate_difference.half"] == pytest.approx(0.75 - 0.25)
    assert values["true_positive_rate_difference.half"] == pytest.approx(1.0 - 0.5)


def test_known_extremes():
    target = [0, 0, 1, 1]
    assert roc_auc(target, [0.1, 0.2, 0.8, 0.9]) == 1.0
    assert roc_auc(target, [0.9, 0.8, 0.2, 0.1]) == 0.0
    assert roc_auc(target, [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert np.isnan(roc_auc([1, 1], [0.1, 0.2]))


def test_a_threshold_is_compared_in_the_precision_of_the_probabilities():
    probability = np.array([0.1, 0.2, 0.3], dtype=np.float32)

    assert point_values(prepare([0, 1, 1], probability, float(np.float64(0.3)), bins=1))["recall"] == 0.5


def bounds(estimate: Estimate | None) -> tuple[float, float, float]:
    assert estimate is not None
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.value, estimate.low, estimate.high


def test_intervals_hold_the_value_and_have_the_width_of_theory():
    # given the selection rate, whose standard error is known
    found = estimates(prepare(*drawn(), THRESHOLD), Bootstrap(rounds=2_000, seed=1))
    value, low, high = bounds(found["selection_rate"])
    error = np.sqrt(value * (1 - value) / ROWS)

    # then its interval is two times 1.96 of them wide, and every interval holds its value, also that of a sum of
    # absolute gaps, which nearly every round takes above it
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    for name in (*REFERENCES, "calibration_error"):
        value, low, high = bounds(found[name])
        assert low <= value <= high


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    scored = prepare(*drawn(), THRESHOLD)
    first, again, other = (estimates(scored, Bootstrap(rounds=100, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_what_one_class_alone_does_not_define_has_no_value():
    found = estimates(prepare(np.zeros(20), np.full(20, 0.1), THRESHOLD), Bootstrap(rounds=50, seed=1))
    assert found["roc_auc"] == Estimate()
    assert found["precision"] == Estimate()
    assert found["brier"].value == pytest.approx(0.01)


def test_equal_models_differ_by_exactly_nothing():
    scored = prepare(*drawn(3), THRESHOLD)

    found = compare(scored, scored, SETTINGS)

    assert {bounds(each.difference) for each in found.values()} == {(0.0, 0.0, 0.0)}


def test_equally_good_models_have_an_interval_around_zero():
    target, score = drawn(4)
    other = np.clip(0.3 + 0.2 * target + 0.2 * np.random.default_rng(5).standard_normal(ROWS), 0, 1)

    _, low, high = bounds(auc_difference(target, score, other))

    assert low < 0 < high


def test_the_interval_covers_a_known_difference_about_as_often_as_it_says():
    # given the true difference of two scores, from far more rows than any one sample has
    target, better, worse = pair(seed=0, rows=200_000)
    truth = reference.roc_auc_score(target, better) - reference.roc_auc_score(target, worse)

    # when many samples are drawn
    covered = 0
    samples = 80
    for seed in range(1, samples + 1):
        _, low, high = bounds(auc_difference(*pair(seed, rows=400), rounds=150))
        covered += low <= truth <= high

    # then 95 % intervals hold the truth in 95 % of them, within three standard errors
    assert abs(covered / samples - 0.95) < 3 * np.sqrt(0.95 * 0.05 / samples)


def test_pairs_give_a_narrower_interval_than_the_two_models_apart():
    target, better, worse = pair(seed=9, rows=1_500)
    found = compare(prepare(target, better, THRESHOLD), prepare(target, worse, THRESHOLD), SETTINGS)["roc_auc"]

    widths = [high - low for _, low, high in map(bounds, (found.challenger, found.champion, found.difference))]

    assert widths[2] < 0.8 * np.hypot(widths[0], widths[1])


def pair(seed: int, rows: int) -> tuple[Floats, Floats, Floats]:
    """A target, a score, and a worse score that errs together with it."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.float64)
    common = 1.5 * target - 1 + random.normal(size=rows)
    noisy = common + 0.7 * random.normal(size=rows)
    return target, 1 / (1 + np.exp(-common)), 1 / (1 + np.exp(-noisy))


def auc_difference(target: Floats, one: Floats, other: Floats, rounds: int = 300) -> Estimate | None:
    scored: list[Scored] = [prepare(target, each, THRESHOLD, bins=2) for each in (one, other)]
    return compare(scored[0], scored[1], Bootstrap(rounds=rounds, seed=11))["roc_auc"].difference


def test_curves_are_scikit_learns():
    target, probability = drawn(digits=2)
    curve = curves(target, probability)

    false_positive_rate, recall, _ = reference.roc_curve(target, probability, drop_intermediate=False)
    assert curve["recall"] == pytest.approx(recall)
    assert curve["false_positive_rate"] == pytest.approx(false_positive_rate)
    precision, _, _ = reference.precision_recall_curve(target, probability)
    assert curve["precision"] == pytest.approx(precision[::-1])
    assert np.trapezoid(curve["recall"], curve["false_positive_rate"]) == pytest.approx(roc_auc(target, probability))


def test_calibration_covers_every_row_in_bins_of_equal_size():
    target, probability = drawn()
    bins = calibration(target, probability, 10)
    assert [each.rows for each in bins] == [100] * 10
    assert np.mean([each.observed for each in bins]) == pytest.approx(target.mean())
    assert np.mean([each.predicted for each in bins]) == pytest.approx(probability.mean())
