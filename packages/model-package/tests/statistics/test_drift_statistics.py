"""The statistics of drift agree with scipy's and with what is known of them by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from model_package.baseline import SHARES
from model_package.errors import MeasurementError
from model_package.statistics.histograms import count_between, count_categories
from model_package.statistics.psi import population_stability_index
from model_package.statistics.significance import adjusted_p_values, chi_square

SHIFTS = [pytest.param(0.0, 1.0, id="none"), pytest.param(0.4, 1.0, id="mean"), pytest.param(0.0, 1.6, id="variance")]


def columns(mean: float, spread: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training and window, float32, and edges at training's quantiles."""
    random = np.random.default_rng(seed)
    training = random.normal(size=30_000).astype(np.float32)
    window = random.normal(mean, spread, 8_000).astype(np.float32)
    return training, window, np.quantile(training.astype(np.float64), SHARES)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_counting_is_numpys_histogram_to_the_row(kind: type[np.floating]):
    random = np.random.default_rng(0)
    # Values on edges, infinitely near to them, and edges that no float32 can hold.
    values = random.integers(0, 12, 200_001).astype(kind)
    values[::7] += kind(0.1)
    values[::1_001] = np.nan
    edges = np.array([1, 2.1, 3, 5.05, 9])
    found = count_between(values, edges)
    known = values[np.isfinite(values)].astype(np.float64)
    assert found.counts[1:-1].tolist() == np.histogram(known, edges)[0].tolist()
    assert (found.counts[0], found.counts[-1]) == ((known < 1).sum(), (known > 9).sum())
    assert found.missing == np.isnan(values).sum()
    assert found.rows == len(values)
    coded = count_categories(values, [0, 1, 2])
    assert coded.counts.tolist() == [*((known == code).sum() for code in (0, 1, 2)), (~np.isin(known, [0, 1, 2])).sum()]


@pytest.mark.parametrize(("mean", "spread"), SHIFTS)
def test_chi_square_is_scipys_where_no_cell_is_sparse(mean: float, spread: float):
    training, window, edges = columns(mean, spread)
    old, new = (count_between(values, edges).counts[1:-1] for values in (training, window))

    ours, theirs = chi_square(old, new), stats.chi2_contingency(np.stack([old, new]), correction=False)

    assert (ours.statistic, ours.degrees_of_freedom) == (pytest.approx(theirs.statistic), theirs.dof)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_many_tests_are_adjusted_to_their_false_discovery_rate():
    p_values = [0.01, 0.04, 0.03, 0.5]
    assert adjusted_p_values(p_values) == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])


def test_a_single_row_in_a_bin_that_training_never_had_is_no_evidence():
    training, window = np.array([10_000.0, 10_000.0, 0.0]), np.array([250.0, 249.0, 1.0])
    assert chi_square(training, window).p_value > 0.5
    assert stats.chi2_contingency(np.stack([training, window]), correction=False).pvalue < 1e-5


def test_one_bin_alone_tells_nothing_apart():
    assert chi_square(np.array([10.0, 0.0]), np.array([5.0, 0.0])).p_value == 1.0


def test_the_index_is_the_sum_over_bins():
    shares = [(50.5 / 201, 100.5 / 201), (150.5 / 201, 100.5 / 201)]
    expected = sum((new - old) * math.log(new / old) for old, new in shares)

    assert population_stability_index(np.array([50, 150.0]), np.array([100, 100.0])) == pytest.approx(expected)


def test_a_side_without_rows_cannot_be_compared():
    with pytest.raises(MeasurementError, match="without rows"):
        population_stability_index(np.zeros(3), np.ones(3))
