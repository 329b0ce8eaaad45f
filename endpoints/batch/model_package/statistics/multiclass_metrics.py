"""Metrics of a multiclass classifier on weighted rows, many weightings at once. Pure: no I/O.

Definitions are scikit-learn's (tests compare). A class that a weighting lacks is left out of a mean of the classes.
Calibration error is the mean distance of the label's probability and how often it is right, in bins of equal size.

Where rows times classes are many, ranking each class anew for each weighting would take seconds. There the area under
a ROC curve is the first-order expansion around the rows as they are, which is exact for these and off by less than a
hundredth of an interval's width for a bootstrap round: two more sums per class.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.measures import slice_metric
from model_package.statistics.weighted_sums import Doubles, Floats, Masks, Values, weighted_sums

_FIXED_TERMS = 3  # rows, log loss, correct
_CLASS_TERMS = 5  # correct, actual, labelled, placement of members, placement of others
# The smallest probability that log loss takes, as scikit-learn's.
_SMALLEST = float(np.finfo(np.float64).eps)
# Up to so many rows times classes, the areas of a weighting are exact.
_EXACT_VALUES = 1 << 14

Cells = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows by falling probability of one class: `order` [rows], whether they are `members`, and ends of equal ones."""

    order: npt.NDArray[np.intp]
    members: npt.NDArray[np.float32]
    last: npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class SliceCells:
    """The cell of each row in a slice: its subgroup and class; rows of no subgroup share the last, further cell."""

    cells: Cells
    subgroups: int


@dataclass(frozen=True, slots=True)
class Scored:
    """One model's answers, prepared for weightings.

    `terms` [rows, columns] are sums that metrics are made of, `rough_terms` the same in single precision for bootstrap
    rounds. `rankings` are one per class, none where areas are expanded around `areas` [classes]. `right` [rows] tells
    which labels are correct.
    """

    terms: Doubles
    rough_terms: npt.NDArray[np.float32]
    rankings: tuple[Ranking, ...]
    areas: Doubles
    bins: int
    right: npt.NDArray[np.bool_]
    slices: Mapping[str, SliceCells]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.terms)

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings]."""
        sums = weighted_sums(weights, self.terms if weights.dtype == np.float64 else self.rough_terms)
        rows, loss, correct = sums[:, :_FIXED_TERMS].T
        at = _FIXED_TERMS + self.bins
        gaps = sums[:, _FIXED_TERMS:at]
        true, members, labelled, above, below = np.split(sums[:, at:], _CLASS_TERMS, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.rankings:
                areas = np.stack([_area(each, weights) for each in self.rankings], axis=1)
            else:
                expanded = above / members + below / (rows[:, None] - members) - self.areas
                areas = np.clip(expanded, 0.0, 1.0)
            values = {
                "log_loss": loss / rows,
                "accuracy": correct / rows,
                "balanced_accuracy": _mean(true / members),
                # A class that neither is there nor is answered has no F1.
                "f1_macro": _mean(2 * true / (members + labelled)),
                "roc_auc_ovr": _mean(areas),
                "calibration_error": np.abs(gaps).sum(axis=1) / rows,
            }
            for name, each in self.slices.items():
                values[slice_metric("recall_difference", name)] = self._recall_difference(each, weights)
        return values

    def _recall_difference(self, within: SliceCells, weights: Floats) -> Doubles:
        classes = len(self.areas)
        size = within.subgroups * classes + 1
        members = _counts(within.cells, weights, size)
        right = _counts(within.cells[self.right], weights[:, self.right], size)
        recalls = (right / members)[:, :-1].reshape(len(weights), within.subgroups, classes)
        return np.ptp(np.stack([_mean(each) for each in recalls.swapaxes(0, 1)], axis=1), axis=1)


def prepare(target: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10, slices: Masks | None = None) -> Scored:
    """Prepare rows: `target` the place of a class [rows], `probabilities` [rows, classes].

    `slices` maps a name to [rows, subgroups], where a row belongs to one subgroup at most; `bins` is the number of bins
    for the calibration error.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    actual = np.asarray(target).astype(np.int64)
    classes, labels = scores.shape[1], scores.argmax(axis=1)
    members = actual[:, None] == np.arange(classes)
    labelled = labels[:, None] == np.arange(classes)
    right = labels == actual
    chosen = np.clip(scores[np.arange(len(actual)), actual], _SMALLEST, 1.0)
    rankings = tuple(_ranking(scores[:, each], members[:, each]) for each in range(classes))
    above, below, areas = _placements(rankings, len(actual))
    fixed = [np.ones(len(actual)), -np.log(chosen), right.astype(np.float64)]
    columns = [*(column[:, None] for column in fixed), _gaps(right, scores.max(axis=1, initial=0.0), bins)]
    columns += [members & right[:, None], members, labelled, above, below]
    terms = np.concatenate(columns, axis=1).astype(np.float64)
    exact = len(actual) * classes <= _EXACT_VALUES
    cells = {name: _cells(inside, actual, classes) for name, inside in (slices or {}).items()}
    return Scored(terms, terms.astype(np.float32), rankings if exact else (), areas, bins, right, cells)


def _cells(inside: npt.NDArray[np.bool_], actual: Cells, classes: int) -> SliceCells:
    subgroups = inside.shape[1]
    cells = np.where(inside.any(axis=1), inside.argmax(axis=1) * classes + actual, subgroups * classes)
    return SliceCells(cells, subgroups)


def _counts(cells: Cells, weights: Floats, size: int) -> Doubles:
    """Return the weight of each cell: cells [rows], weights [weightings, rows] → [weightings, size]."""
    places = cells + size * np.arange(len(weights))[:, None]
    counts = np.bincount(places.ravel(), weights.ravel(), minlength=size * len(weights)).astype(np.float64, copy=False)
    return counts.reshape(len(weights), size)


def _placements(rankings: tuple[Ranking, ...], rows: int) -> tuple[Doubles, Doubles, Doubles]:
    """Return per class the share of others below each member and of members above each other row [rows, classes].

    Equal ones count half. The means of both, [classes], are the area under the ROC curve; NaN where a class has no
    members, or all rows.
    """
    above, below = np.zeros((rows, len(rankings))), np.zeros((rows, len(rankings)))
    areas = np.full(len(rankings), np.nan)
    for place, ranking in enumerate(rankings):
        members = ranking.members.astype(np.float64)
        total = members.sum()
        if not 0 < total < rows:
            continue
        last = np.arange(rows) if ranking.last is None else ranking.last
        lengths = np.diff(last, prepend=-1)
        true = np.cumsum(members)[last]
        run_true = np.diff(true, prepend=0.0)
        false = last + 1 - true
        run_false = lengths - run_true
        others = rows - total
        outranked = np.repeat((others - false + run_false / 2) / others, lengths)
        outranking = np.repeat((true - run_true / 2) / total, lengths)
        above[ranking.order, place] = members * outranked
        below[ranking.order, place] = (1 - members) * outranking
        areas[place] = above[:, place].sum() / total
    return above, below, areas


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
