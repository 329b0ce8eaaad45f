"""The numbers themselves: metrics against scikit-learn, intervals against what is known to be true."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score, roc_curve

from mlops.gates.metrics import compare, measure, prepare
from mlops.settings.gates import Bootstrap

Floats = npt.NDArray[np.float64]
ROWS = 1_500
SETTINGS = Bootstrap(rounds=300, confidence=0.95, seed=11)
THRESHOLD = 0.4


def drawn(seed: int, noise: float = 1.0, rows: int = ROWS) -> tuple[Floats, Floats]:
    """Targets and scores; less noise ranks better."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.float64)
    return target, 1 / (1 + np.exp(-(1.5 * target - 1 + noise * random.normal(size=rows))))


def ks(target: Floats, score: Floats) -> float:
    fall_out, recall, _ = roc_curve(target, score, drop_intermediate=False)
    return float(np.abs(recall - fall_out).max())


REFERENCES: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "roc_auc": lambda y, p, w: roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: average_precision_score(y, p, sample_weight=w),
    "brier": lambda y, p, w: brier_score_loss(y, p, sample_weight=w),
    "f1": lambda y, p, w: f1_score(y, p >= THRESHOLD, sample_weight=w),
    "ks": lambda y, p, w: ks(np.repeat(y, w.astype(int)), np.repeat(p, w.astype(int))),
}


@pytest.mark.parametrize("digits", [None, 1, 2], ids=["no ties", "ten scores", "hundred scores"])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_metric_is_scikit_learns_for_whole_and_drawn_rows(name: str, digits: int | None) -> None:
    target, score = drawn(1)
    score = score if digits is None else np.round(score, digits)
    random = np.random.default_rng(2)
    weights = np.stack([np.ones(ROWS), np.bincount(random.integers(0, ROWS, ROWS), minlength=ROWS) * 1.0])

    exact = measure(prepare(target, score, THRESHOLD, 10, {}), weights)[name]
    rough = measure(prepare(target, score, THRESHOLD, 10, {}), weights.astype(np.float32))[name]

    expected = [REFERENCES[name](target, score, each) for each in weights]
    assert exact == pytest.approx(expected, abs=1e-12)
    assert rough == pytest.approx(expected, abs=1e-4)


def test_calibration_error_is_the_mean_distance_in_bins_of_equal_size() -> None:
    target = np.array([0.0, 0, 0, 1, 1, 1, 0, 1])
    score = np.array([0.1, 0.1, 0.2, 0.2, 0.8, 0.8, 0.9, 0.9])

    value = measure(prepare(target, score, 0.5, 2, {}), np.ones((1, 8)))["calibration_error"]

    # predicted 0.15 and 0.85, observed 0.25 and 0.75
    assert value == pytest.approx([0.1])


def test_differences_between_bands_are_the_largest_less_the_smallest_rate() -> None:
    target = np.array([1.0, 1, 0, 0, 1, 1, 0, 0])
    score = np.array([0.9, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1])
    bands = np.repeat(np.eye(2, dtype=bool), 4, axis=0)

    values = measure(prepare(target, score, 0.5, 2, {"half": bands}), np.ones((1, 8)))

    assert values["selection_rate_difference.half"] == pytest.approx([0.75 - 0.25])
    assert values["true_positive_rate_difference.half"] == pytest.approx([1.0 - 0.5])


def test_equal_models_differ_by_exactly_nothing() -> None:
    target, score = drawn(3)
    scored = prepare(target, score, THRESHOLD, 10, {})

    found = compare(scored, scored, SETTINGS)

    assert {(each.difference.low, each.difference.high) for each in found.values() if each.difference} == {(0, 0)}


def test_equally_good_models_have_an_interval_around_zero() -> None:
    target, score = drawn(4)
    other = 1 / (1 + np.exp(-(1.5 * target - 1 + np.random.default_rng(5).normal(size=ROWS))))

    difference = auc_difference(target, score, other)

    assert difference.low < 0 < difference.high


def test_the_interval_covers_a_known_difference_about_as_often_as_it_says() -> None:
    # given the true difference of two scores, from far more rows than any one sample has
    target, better, worse = pair(seed=0, rows=200_000)
    truth = roc_auc_score(target, better) - roc_auc_score(target, worse)

    # when many samples are drawn
    covered = 0
    samples = 80
    for seed in range(1, samples + 1):
        difference = auc_difference(*pair(seed, rows=400), rounds=150)
        covered += difference.low <= truth <= difference.high

    # then 95 % intervals hold the truth in 95 % of them, within three standard errors
    assert abs(covered / samples - 0.95) < 3 * np.sqrt(0.95 * 0.05 / samples)


def pair(seed: int, rows: int) -> tuple[Floats, Floats, Floats]:
    """A target, a score, and a worse score that errs together with it."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.float64)
    shared = 1.5 * target - 1 + random.normal(size=rows)
    noisy = shared + 0.7 * random.normal(size=rows)
    return target, 1 / (1 + np.exp(-shared)), 1 / (1 + np.exp(-noisy))


def auc_difference(target: Floats, one: Floats, other: Floats, rounds: int = 300) -> Any:
    settings = Bootstrap(rounds=rounds, confidence=0.95, seed=11)
    scored = [prepare(target, each, THRESHOLD, 2, {}) for each in (one, other)]
    return compare(scored[0], scored[1], settings)["roc_auc"].difference


def test_pairs_give_a_narrower_interval_than_the_two_models_apart() -> None:
    target, better, worse = pair(seed=9, rows=ROWS)
    scored = [prepare(target, each, THRESHOLD, 10, {}) for each in (better, worse)]

    found = compare(scored[0], scored[1], SETTINGS)["roc_auc"]

    assert found.champion is not None
    assert found.difference is not None
    apart = np.hypot(found.challenger.high - found.challenger.low, found.champion.high - found.champion.low)
    assert found.difference.high - found.difference.low < 0.8 * apart


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    target, score = drawn(6)
    scored = prepare(target, score, THRESHOLD, 10, {})
    other = SETTINGS.model_copy(update={"seed": 12})

    assert compare(scored, None, SETTINGS) == compare(scored, None, SETTINGS)
    assert compare(scored, None, SETTINGS) != compare(scored, None, other)


def test_one_class_only_leaves_what_it_does_not_define_without_a_number() -> None:
    _, score = drawn(7)

    found = compare(prepare(np.zeros(ROWS), score, THRESHOLD, 10, {}), None, SETTINGS)

    assert np.isnan(found["roc_auc"].challenger.value)
    assert np.isnan(found["roc_auc"].challenger.low)
    assert np.isfinite(found["brier"].challenger.value)
