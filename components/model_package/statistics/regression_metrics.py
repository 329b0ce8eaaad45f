"""Metrics of a regression on weighted rows, many weightings at once. Pure: no I/O.

All are made of sums, in double precision: targets may be large, and R² subtracts squares. Definitions are
scikit-learn's (tests compare).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.measures import slice_metric
from model_package.statistics.weighted_sums import Doubles, Floats, Masks, Values, weighted_sums

_FIXED_TERMS = 8  # rows, error, absolute and squared error, target, squared target, relative error, zero targets
_SUBGROUP_TERMS = 2  # rows, error


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's answers, prepared for weightings: `terms` [rows, columns] are sums that metrics are made of.

    `subgroups` maps a slice to the number of its subgroups, whose columns follow at the end of `terms`.
    """

    terms: Doubles
    subgroups: Mapping[str, int]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.terms)

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings].

        What a weighting does not define (R² of equal targets, a percentage of 0) is NaN there.
        """
        sums = weighted_sums(weights, self.terms)
        rows, error, absolute, squared, target, target_squared, relative, zeros = sums[:, :_FIXED_TERMS].T
        with np.errstate(divide="ignore", invalid="ignore"):
            scatter = target_squared - target**2 / rows
            values = {
                "root_mean_squared_error": np.sqrt(squared / rows),
                "mean_absolute_error": absolute / rows,
                "r2": np.where(scatter > 0, 1 - squared / scatter, np.nan),
                "mean_absolute_percentage_error": np.where(zeros > 0, np.nan, relative / rows),
                "bias": error / rows,
            }
            return values | self._between_subgroups(sums)

    def _between_subgroups(self, sums: Doubles) -> Values:
        values: Values = {}
        at = _FIXED_TERMS
        for name, count in self.subgroups.items():
            rows, error = np.split(sums[:, at : at + _SUBGROUP_TERMS * count], _SUBGROUP_TERMS, axis=1)
            at += _SUBGROUP_TERMS * count
            values[slice_metric("bias_difference", name)] = np.ptp(error / rows, axis=1)
        return values


def prepare(target: npt.ArrayLike, prediction: npt.ArrayLike, slices: Masks | None = None) -> Scored:
    """Prepare rows: `target` and `prediction`, both [rows]; `slices` maps a name to [rows, subgroups]."""
    actual, answer = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    error = answer - actual
    # Far from 0, squares of the target would lose what R² is made of.
    centred = actual - actual.mean() if len(actual) else actual
    zeros = actual == 0
    relative = np.abs(error) / np.where(zeros, 1.0, np.abs(actual))
    fixed = [np.ones_like(actual), error, np.abs(error), error**2, centred, centred**2, relative, zeros.astype(float)]
    columns = [column[:, None] for column in fixed]
    masks = slices or {}
    for inside in masks.values():
        columns += [inside * column[:, None] for column in fixed[:_SUBGROUP_TERMS]]
    return Scored(np.concatenate(columns, axis=1), {name: inside.shape[1] for name, inside in masks.items()})
