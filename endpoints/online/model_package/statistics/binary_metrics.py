"""Metrics of a binary classifier on weighted rows, many weightings at once. Pure: no I/O.

A weighting says how often each row counts: a bootstrap round is one weighting, the point value is all ones.
Rows are sorted by score once, so that the metrics of a ranking are cumulative sums, and all others are
products of the weights with a matrix. Definitions are scikit-learn's (tests compare); calibration error is the
mean distance of prediction and outcome in bins of equal size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.measures import slice_metric
from model_package.statistics.threshold import decide
from model_package.statistics.weighted_sums import Doubles, Floats, Masks, Values, weighted_sums

# Demographic parity and equal opportunity difference.
SELECTION_RATE_DIFFERENCE = "selection_rate_difference"
TRUE_POSITIVE_RATE_DIFFERENCE = "true_positive_rate_difference"
_FIXED_TERMS = 5  # rows, positives, predicted positives, true positives, squared error
_SUBGROUP_TERMS = 4


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows by falling score: `order` [rows], their `target`, and `last`, which ends each run of equal scores.

    `last` is None when no two scores are equal.
    """

    order: npt.NDArray[np.intp]
    target: npt.NDArray[np.float32]
    last: npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's answers, prepared for weightings.

    `terms` [rows, columns] are sums that metrics are made of, `rough_terms` the same in single precision for
    bootstrap rounds, whose intervals are far wider than its error. `subgroups` maps a slice to the number of its
    subgroups, whose columns follow at the end of `terms`.
    """

    ranking: Ranking
    terms: Doubles
    rough_terms: npt.NDArray[np.float32]
    bins: int
    subgroups: Mapping[str, int]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.ranking.order)

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting, as `measure` does."""
        return measure(self, weights)


def prepare(
    target: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    bins: int = 10,
    slices: Masks | None = None,
) -> Scored:
    """Prepare rows: `target` 0 or 1 and `probability`, both [rows]; `slices` maps a name to [rows, subgroups].

    `bins` is the number of bins for the calibration error.
    """
    labels, scores = np.asarray(target, dtype=np.float64), np.asarray(probability)
    predicted = decide(scores, threshold).astype(np.float64)
    scores = scores.astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[order]))
    tied = len(steps) + 1 < len(order)
    ranking = Ranking(order, labels[order].astype(np.float32), np.append(steps, len(order) - 1) if tied else None)
    fixed = [np.ones_like(labels), labels, predicted, predicted * labels, (scores - labels) ** 2]
    columns = [*(column[:, None] for column in fixed), _bin_terms(labels, scores, order, bins)]
    masks = slices or {}
    for inside in masks.values():
        columns += [inside * column[:, None] for column in fixed[:_SUBGROUP_TERMS]]
    terms = np.concatenate(columns, axis=1)
    counts = {name: inside.shape[1] for name, inside in masks.items()}
    return Scored(ranking, terms, terms.astype(np.float32), bins, counts)


def measure(scored: Scored, weights: Floats) -> Values:
    """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings].

    What a weighting does not define (one class only, nothing predicted positive) is NaN there.
    """
    terms = scored.terms if weights.dtype == np.float64 else scored.rough_terms
    sums = weighted_sums(weights, terms)
    rows, positives, predicted, true, squared = sums[:, :_FIXED_TERMS].T
    gaps = sums[:, _FIXED_TERMS : _FIXED_TERMS + scored.bins]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _ranked(scored.ranking, weights, rows, positives)
        values |= {
            "f1": 2 * true / (predicted + positives),
            "precision": true / predicted,
            "recall": true / positives,
            "selection_rate": predicted / rows,
            "brier": squared / rows,
            "calibration_error": np.abs(gaps).sum(axis=1) / rows,
        }
        return values | _between_subgroups(scored, sums)


def _bin_terms(target: Doubles, scores: Doubles, order: npt.NDArray[np.intp], bins: int) -> Doubles:
    """How far prediction and outcome lie apart, in bins of equal size by score: [rows, bins]."""
    terms = np.zeros((len(target), bins))
    for index, rows in enumerate(np.array_split(order, bins)):
        terms[rows, index] = scores[rows] - target[rows]
    return terms


def _ranked(ranking: Ranking, weights: Floats, rows: Doubles, positives: Doubles) -> Values:
    drawn = weights[:, ranking.order]
    gained = drawn * ranking.target.astype(drawn.dtype)
    true, predicted = np.cumsum(gained, axis=1), np.cumsum(drawn, axis=1)
    if ranking.last is not None:
        true, predicted = true[:, ranking.last], predicted[:, ranking.last]
        gained, drawn = _increments(true), _increments(predicted)
    negatives = rows - positives
    # A strip of the area under the curve is as wide as the negatives it adds, and as high as its mean height.
    strips = np.einsum("ij,ij->i", drawn - gained, true - gained / 2)
    precision = np.divide(true, predicted, out=np.zeros_like(true), where=predicted > 0)
    return {
        "roc_auc": strips / (positives * negatives),
        "average_precision": np.einsum("ij,ij->i", gained, precision) / positives,
    }


def _increments(sums: Floats) -> Floats:
    increments = sums.copy()
    increments[:, 1:] -= sums[:, :-1]
    return increments


def _between_subgroups(scored: Scored, sums: Doubles) -> Values:
    values: Values = {}
    at = _FIXED_TERMS + scored.bins
    for name, count in scored.subgroups.items():
        end = at + _SUBGROUP_TERMS * count
        rows, positives, predicted, true = np.split(sums[:, at:end], _SUBGROUP_TERMS, axis=1)
        at = end
        values[slice_metric(SELECTION_RATE_DIFFERENCE, name)] = np.ptp(predicted / rows, axis=1)
        values[slice_metric(TRUE_POSITIVE_RATE_DIFFERENCE, name)] = np.ptp(true / positives, axis=1)
    return values
