"""Metrics of a multiclass classifier on weighted rows, many weightings at once. Pure: no I/O.

Definitions are scikit-learn's (tests compare). A class that a weighting lacks is left out of a mean of the classes.
Calibration error is the mean distance of the label's probability and how often it is right, in bins of equal size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.measures import slice_metric
from model_package.statistics.weighted_sums import Doubles, Floats, Masks, Values, weighted_sums

_FIXED_TERMS = 3  # rows, log loss, correct
# The smallest probability that log loss takes, as scikit-learn's.
_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows by falling probability of one class: `order` [rows], whether they are `members`, and ends of equal ones."""

    order: npt.NDArray[np.intp]
    members: npt.NDArray[np.float32]
    last: npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's answers, prepared for weightings.

    `terms` [rows, columns] are sums that metrics are made of, `rough_terms` the same in single precision for bootstrap
    rounds. `rankings` are one per class, `subgroups` maps a slice to the number of its subgroups.
    """

    terms: Doubles
    rough_terms: npt.NDArray[np.float32]
    rankings: tuple[Ranking, ...]
    bins: int
    subgroups: Mapping[str, int]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.terms)

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings]."""
        sums = weighted_sums(weights, self.terms if weights.dtype == np.float64 else self.rough_terms)
        rows, loss, correct = sums[:, :_FIXED_TERMS].T
        classes = len(self.rankings)
        at = _FIXED_TERMS + self.bins
        gaps, end = sums[:, _FIXED_TERMS:at], at + 3 * classes
        true, members, labelled = np.split(sums[:, at:end], 3, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                "log_loss": loss / rows,
                "accuracy": correct / rows,
                "balanced_accuracy": _mean(true / members),
                # A class that neither is there nor is answered has no F1.
                "f1_macro": _mean(2 * true / (members + labelled)),
                "roc_auc_ovr": _mean(np.stack([_area(each, weights) for each in self.rankings], axis=1)),
                "calibration_error": np.abs(gaps).sum(axis=1) / rows,
            }
            for name, count in self.subgroups.items():
                inside = sums[:, end : end + 2 * classes * count].reshape(len(sums), count, 2, classes)
                end += 2 * classes * count
                recalls = np.stack([_mean(inside[:, each, 0] / inside[:, each, 1]) for each in range(count)], axis=1)
                values[slice_metric("recall_difference", name)] = np.ptp(recalls, axis=1)
        return values


def prepare(target: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10, slices: Masks | None = None) -> Scored:
    """Prepare rows: `target` the place of a class [rows], `probabilities` [rows, classes].

    `slices` maps a name to [rows, subgroups]; `bins` is the number of bins for the calibration error.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    actual = np.asarray(target).astype(np.int64)
    classes, labels = scores.shape[1], scores.argmax(axis=1)
    members = actual[:, None] == np.arange(classes)
    labelled = labels[:, None] == np.arange(classes)
    right = labels == actual
    chosen = np.clip(scores[np.arange(len(actual)), actual], _SMALLEST, 1.0)
    fixed = [np.ones(len(actual)), -np.log(chosen), right.astype(np.float64)]
    columns = [*(column[:, None] for column in fixed), _gaps(right, scores.max(axis=1, initial=0.0), bins)]
    columns += [members & right[:, None], members, labelled]
    masks = slices or {}
    for inside in masks.values():
        for subgroup in inside.T:
            columns += [members & (right & subgroup)[:, None], members & subgroup[:, None]]
    terms = np.concatenate(columns, axis=1).astype(np.float64)
    rankings = tuple(_ranking(scores[:, each], members[:, each]) for each in range(classes))
    counts = {name: inside.shape[1] for name, inside in masks.items()}
    return Scored(terms, terms.astype(np.float32), rankings, bins, counts)


def _gaps(right: npt.NDArray[np.bool_], confidence: Doubles, bins: int) -> Doubles:
    """How far the label's probability and its being right lie apart, in bins of equal size: [rows, bins]."""
    gaps = np.zeros((len(right), bins))
    for index, rows in enumerate(np.array_split(np.argsort(-confidence, kind="stable"), bins)):
        gaps[rows, index] = confidence[rows] - right[rows]
    return gaps


def _ranking(scores: Doubles, members: npt.NDArray[np.bool_]) -> Ranking:
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[order]))
    tied = len(steps) + 1 < len(order)
    return Ranking(order, members[order].astype(np.float32), np.append(steps, len(order) - 1) if tied else None)


def _area(ranking: Ranking, weights: Floats) -> Doubles:
    """Return the area under the ROC curve of one class against the rest [weightings]; NaN where one is missing."""
    drawn = weights[:, ranking.order]
    gained = drawn * ranking.members.astype(drawn.dtype)
    true = np.cumsum(gained, axis=1)
    if ranking.last is not None:
        true, predicted = true[:, ranking.last], np.cumsum(drawn, axis=1)[:, ranking.last]
        gained, drawn = np.diff(true, axis=1, prepend=0), np.diff(predicted, axis=1, prepend=0)
    strips = np.einsum("ij,ij->i", drawn - gained, true - gained / 2)
    positives = gained.sum(axis=1, dtype=np.float64)
    return strips / (positives * (drawn.sum(axis=1, dtype=np.float64) - positives))


def _mean(values: Doubles) -> Doubles:
    """Return the mean of the columns that are defined; NaN where none is: [weightings, classes] → [weightings]."""
    defined = np.isfinite(values)
    return np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1)
