"""The statistics of drift agree with scipy's, with the gates', and with what is known of them by hand."""

import numpy as np
import pytest
from baseline import BINS, SHARES
from distances import (
    adjusted,
    chi_square,
    count_between,
    count_codes,
    earth_movers_distance,
    largest_gap,
    stability_index,
    upper_tail,
)
from scipy import stats

from mlops.gates import drift as gates

SHIFTS = [pytest.param(0.0, 1.0, id="none"), pytest.param(0.4, 1.0, id="mean"), pytest.param(0.0, 1.6, id="variance")]


def columns(mean: float, spread: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training and window, float32, and edges at training's quantiles."""
    random = np.random.default_rng(seed)
    training = random.normal(size=30_000).astype(np.float32)
    window = random.normal(mean, spread, 8_000).astype(np.float32)
    return training, window, np.quantile(training.astype(np.float64), SHARES)


def counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return count_between(values, edges).counts


def test_counting_is_numpys_histogram_to_the_row():
    random = np.random.default_rng(0)
    # Values on edges, infinitely near to them, and edges that no float32 can hold.
    values = random.integers(0, 12, 200_001).astype(np.float32)
    values[::7] += np.float32(0.1)
    values[::1_001] = np.nan
    edges = np.array([1, 2.1, 3, 5.05, 9])
    found = count_between(values, edges)
    known = values[np.isfinite(values)].astype(np.float64)
    assert found.counts[1:-1].tolist() == np.histogram(known, edges)[0].tolist()
    assert (found.counts[0], found.counts[-1]) == ((known < 1).sum(), (known > 9).sum())
    assert found.missing == np.isnan(values).sum()
    coded = count_codes(values, [0, 1, 2])
    assert coded.counts.tolist() == [*((known == code).sum() for code in (0, 1, 2)), (~np.isin(known, [0, 1, 2])).sum()]


@pytest.mark.parametrize(("mean", "spread"), SHIFTS)
def test_they_agree_with_scipy(mean: float, spread: float):
    training, window, edges = columns(mean, spread)
    old, new = counts(training, edges), counts(window, edges)
    ends = (float(min(training.min(), window.min())), float(max(training.max(), window.max())))
    # Chi-square and its chance: the same, once what lies outside of training is left out, which is too rare to judge.
    ours = chi_square(old[1:-1], new[1:-1])
    theirs = stats.chi2_contingency(np.stack([old, new])[:, 1:-1], correction=False)
    assert (ours.statistic, ours.freedom) == (pytest.approx(theirs.statistic), theirs.dof)
    assert ours.probability == pytest.approx(theirs.pvalue)
    # KS at the edges is at most one bin's share below the rows' own, and never above.
    exact = stats.ks_2samp(training, window).statistic
    assert exact - 1 / BINS <= largest_gap(old, new) <= exact + 1e-9
    # Wasserstein, rows spread evenly within bins: within two hundredths of a standard deviation.
    distance = earth_movers_distance(old, new, edges, ends)
    assert distance == pytest.approx(stats.wasserstein_distance(training, window), abs=0.02)
    # The index is the gates' own.
    assert stability_index(old, new) == pytest.approx(gates.stability_index(old, new), abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 3, 10, 21, 60])
@pytest.mark.parametrize("statistic", [0.0, 0.01, 1.0, 30.0, 700.0, 5_000.0])
def test_chances_are_scipys(statistic: float, freedom: int):
    assert upper_tail(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-9, abs=1e-300)


def test_many_tests_are_adjusted_as_scipy_does():
    chances = np.random.default_rng(1).random(24) ** 3
    assert adjusted(chances) == pytest.approx(stats.false_discovery_control(chances))


def test_a_single_row_in_a_bin_that_training_never_had_is_no_evidence():
    training, window = np.array([10_000.0, 10_000.0, 0.0]), np.array([250.0, 249.0, 1.0])
    assert chi_square(training, window).probability > 0.5
    assert stats.chi2_contingency(np.stack([training, window]), correction=False).pvalue < 1e-5


def test_one_bin_and_empty_sides_do_not_break_it():
    assert chi_square(np.array([10.0, 0.0]), np.array([5.0, 0.0])).probability == 1.0
    with pytest.raises(ValueError, match="without rows"):
        stability_index(np.zeros(3), np.ones(3))
