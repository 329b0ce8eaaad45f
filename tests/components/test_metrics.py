"""The metrics agree with scikit-learn, and the intervals with what theory says of them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from shared.metrics import (
    bootstrap_weights,
    calibration,
    curves,
    intervals,
    roc_auc,
    sort_scored,
    weighted_metrics,
)

ROWS = 1_000
THRESHOLD = 0.4


def scored(seed: int = 0, digits: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Give targets and probabilities that know something of them; few digits make many ties."""
    random = np.random.default_rng(seed)
    target = (random.random(ROWS) < 0.25).astype(np.int8)
    probability = np.clip(0.3 + 0.2 * target + 0.2 * random.standard_normal(ROWS), 0, 1)
    return target, np.round(probability, digits)


def once(target: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    weights = np.ones((1, len(target)))
    found = weighted_metrics(sort_scored(target, probability), weights, THRESHOLD)
    return {name: float(values[0]) for name, values in found.items()}


def bounds(entry: dict[str, float | None]) -> tuple[float, float, float]:
    value, low, high = entry["value"], entry["low"], entry["high"]
    assert value is not None
    assert low is not None
    assert high is not None
    return value, low, high


@pytest.mark.parametrize("digits", [pytest.param(9, id="distinct"), pytest.param(1, id="many ties")])
def test_they_agree_with_scikit_learn(digits: int):
    target, probability = scored(digits=digits)
    chosen = probability >= THRESHOLD
    fall_out, recall, _ = reference.roc_curve(target, probability)
    expected = {
        "roc_auc": reference.roc_auc_score(target, probability),
        "average_precision": reference.average_precision_score(target, probability),
        "ks": np.max(recall - fall_out),
        "brier": reference.brier_score_loss(target, probability),
        "f1": reference.f1_score(target, chosen),
        "precision": reference.precision_score(target, chosen),
        "recall": reference.recall_score(target, chosen),
        "flagged_rate": chosen.mean(),
    }
    assert once(target, probability) == pytest.approx(expected, abs=1e-12)


def test_weights_count_as_repeated_rows():
    # Given one resample as weights, and the same resample written out
    target, probability = scored(digits=1)
    weights = bootstrap_weights(ROWS, 1, np.random.default_rng(3))
    order = np.argsort(-probability, kind="stable")
    rows = np.repeat(order, weights[0].astype(int))
    found = weighted_metrics(sort_scored(target, probability), weights, THRESHOLD)
    # Then both give the same metrics
    assert {k: float(v[0]) for k, v in found.items()} == pytest.approx(once(target[rows], probability[rows]))


def test_known_extremes():
    target = np.array([0, 0, 1, 1])
    assert roc_auc(target, [0.1, 0.2, 0.8, 0.9]) == 1.0
    assert roc_auc(target, [0.9, 0.8, 0.2, 0.1]) == 0.0
    assert roc_auc(target, [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert np.isnan(roc_auc([1, 1], [0.1, 0.2]))


def test_intervals_hold_the_value_and_have_the_width_of_theory():
    # Given the flagged share, whose standard error is known
    target, probability = scored()
    found = intervals(target, probability, THRESHOLD, resamples=2_000, seed=1)
    value, low, high = bounds(found["flagged_rate"])
    error = np.sqrt(value * (1 - value) / ROWS)
    # Then its interval is two times 1.96 of them wide, and every interval holds its value
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    for value, low, high in map(bounds, found.values()):
        assert low <= value <= high


def test_the_same_seed_gives_the_same_intervals():
    target, probability = scored()
    first, again, other = (intervals(target, probability, THRESHOLD, 100, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_what_is_not_defined_is_none_and_never_nan():
    found = intervals(np.zeros(20, dtype=np.int8), np.full(20, 0.1), THRESHOLD, 50, 1)
    assert found["roc_auc"] == {"value": None, "low": None, "high": None}
    assert found["precision"]["value"] is None
    assert found["brier"]["value"] == pytest.approx(0.01)


def test_curves_run_from_nothing_flagged_to_all():
    target, probability = scored()
    curve = curves(target, probability)
    assert (curve["recall"][0], curve["fall_out"][0]) == (0, 0)
    assert (curve["recall"][-1], curve["fall_out"][-1]) == (1, 1)
    assert curve["precision"][-1] == pytest.approx(target.mean())
    assert np.trapezoid(curve["recall"], curve["fall_out"]) == pytest.approx(roc_auc(target, probability))


def test_calibration_covers_every_row_in_bins_of_equal_size():
    target, probability = scored()
    bins = calibration(target, probability, 10)
    assert [entry["rows"] for entry in bins] == [100] * 10
    assert np.mean([entry["observed"] for entry in bins]) == pytest.approx(target.mean())
    assert np.mean([entry["predicted"] for entry in bins]) == pytest.approx(probability.mean())
