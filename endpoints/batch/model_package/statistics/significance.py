"""Whether two histograms differ by more than chance: Pearson's chi-square test, and many tests at once. Pure.

Needs scipy (extra `monitoring`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

# Cells that expect fewer rows than this are judged together: chi-square exaggerates what happens in them (Cochran).
MIN_EXPECTED = 5.0

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """The statistic, its degrees of freedom, and the probability of at least as much by chance."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


def chi_square(training: Counts, recent: Counts) -> ChiSquare:
    """Test whether two counts [bins] are drawn from one distribution; sparse cells together, without correction."""
    table = _without_sparse_cells(np.stack([training, recent]))
    if table.shape[1] < 2:
        return ChiSquare(0.0, 0, 1.0)
    found = stats.chi2_contingency(table, correction=False)
    return ChiSquare(float(found.statistic), int(found.dof), float(found.pvalue))


def adjusted_p_values(p_values: npt.ArrayLike) -> Counts:
    """Return Benjamini-Hochberg's adjustment for many tests [tests]: each test's false discovery rate."""
    return np.asarray(stats.false_discovery_control(p_values), dtype=np.float64)


def _expected(table: Counts) -> Counts:
    return table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()


def _without_sparse_cells(table: Counts) -> Counts:
    """Return the table [2, cells] with sparse cells added up in one, and that with the next smallest while sparse."""
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return table
    sparse = _expected(table).min(axis=0) < MIN_EXPECTED
    if not sparse.any():
        return table
    full, rest = table[:, ~sparse], table[:, sparse].sum(axis=1, keepdims=True)
    smaller_share = table.sum(axis=1).min() / table.sum()
    order = np.argsort(full.sum(axis=0), kind="stable")
    used = 0
    while used < len(order) and rest.sum() * smaller_share < MIN_EXPECTED:
        rest = rest + full[:, order[used] : order[used] + 1]
        used += 1
    return np.concatenate([full[:, np.sort(order[used:])], rest], axis=1)
