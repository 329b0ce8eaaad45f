"""Metrics of a binary classifier on weighted rows, many weightings at once. Pure: no I/O, knows no rule.

A weighting says how often each row counts; a bootstrap round is one weighting, the point value is all ones.
Rows are sorted by score once, so that the metrics of a ranking are cumulative sums, and all others are
products of the weights with a matrix. Definitions are scikit-learn's; tests compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.settings.gates import Bootstrap
from mlops.settings.measures import group_measure

Floats = npt.NDArray[np.floating]
Values = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Ranking:
    """Rows by falling score: `order` [rows], their `target`, and `last`, which ends each run of equal scores.

    `last` is None when no two scores are equal.
    """

    order: npt.NDArray[np.intp]
    target: npt.NDArray[np.float32]
    last: npt.NDArray[np.intp] | None


@dataclass(frozen=True)
class Scored:
    """One model's answers on the held-out rows, prepared for weightings.

    `terms` [rows, columns] are sums that metrics are made of, `rough_terms` the same in single precision for
    the rounds, whose intervals are far wider than its error; `bands` maps a group to the number of its bands,
    whose columns follow at the end of `terms` (rows, flagged, positives, found: one column a band each).
    """

    ranking: Ranking
    terms: npt.NDArray[np.float64]
    rough_terms: npt.NDArray[np.float32]
    bins: int
    bands: Mapping[str, int]


_FIXED_TERMS = 5  # rows, positives, flagged, found, squared error
_BAND_TERMS = 4
# OpenBLAS multiplies with threads above this. They win nothing here, and on a busy machine, where they wait for
# each other, they cost twenty times the work.
_SINGLE_THREAD_PRODUCTS = 1 << 18


def prepare(
    target: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    threshold: float,
    bins: int,
    bands: Mapping[str, npt.NDArray[np.bool_]],
) -> Scored:
    """Prepare rows: `target` 0 or 1 and `probability`, both [rows]; `bands` maps group → [rows, bands]."""
    flagged = (probability >= threshold).astype(np.float64)
    order = np.argsort(-probability, kind="stable")
    steps = np.flatnonzero(np.diff(probability[order]))
    tied = len(steps) + 1 < len(order)
    ranking = Ranking(order, target[order].astype(np.float32), np.append(steps, len(order) - 1) if tied else None)
    fixed = [np.ones_like(target), target, flagged, flagged * target, (probability - target) ** 2]
    columns = [*(column[:, None] for column in fixed), _bin_terms(target, probability, order, bins)]
    for inside in bands.values():
        columns += [inside * column[:, None] for column in (fixed[0], flagged, target, flagged * target)]
    counts = {group: inside.shape[1] for group, inside in bands.items()}
    terms = np.concatenate(columns, axis=1)
    return Scored(ranking, terms, terms.astype(np.float32), bins, counts)


def _bin_terms(
    target: npt.NDArray[np.float64],
    probability: npt.NDArray[np.float64],
    order: npt.NDArray[np.intp],
    bins: int,
) -> npt.NDArray[np.float64]:
    """How far prediction and outcome lie apart, in bins of equal size by score: [rows, bins]."""
    terms = np.zeros((len(target), bins))
    for index, rows in enumerate(np.array_split(order, bins)):
        terms[rows, index] = probability[rows] - target[rows]
    return terms


def measure(scored: Scored, weights: Floats) -> Values:
    """Give every metric for every weighting: weights [weightings, rows] → arrays [weightings].

    What a weighting does not define (one class only, nothing flagged) is NaN there.
    """
    terms = scored.terms if weights.dtype == np.float64 else scored.rough_terms
    sums = _product(weights, terms)
    rows, positives, flagged, found, squared = sums[:, :_FIXED_TERMS].T
    gaps = sums[:, _FIXED_TERMS : _FIXED_TERMS + scored.bins]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _ranked(scored.ranking, weights, rows, positives)
        values |= {
            "f1": 2 * found / (flagged + positives),
            "brier": squared / rows,
            "calibration_error": np.abs(gaps).sum(axis=1) / rows,
        }
        return values | _between_bands(scored, sums)


def _product(weights: Floats, terms: Floats) -> npt.NDArray[np.float64]:
    """Multiply [weightings, rows] with [rows, columns], in pieces too small for threads."""
    step = max(1, _SINGLE_THREAD_PRODUCTS // (weights.shape[0] * terms.shape[1]))
    sums = np.zeros((weights.shape[0], terms.shape[1]))
    for start in range(0, weights.shape[1], step):
        sums += weights[:, start : start + step] @ terms[start : start + step]
    return sums


def _ranked(
    ranking: Ranking, weights: Floats, rows: npt.NDArray[np.float64], positives: npt.NDArray[np.float64]
) -> Values:
    drawn = weights[:, ranking.order]
    gained = drawn * ranking.target.astype(drawn.dtype)
    found, flagged = np.cumsum(gained, axis=1), np.cumsum(drawn, axis=1)
    if ranking.last is not None:
        found, flagged = found[:, ranking.last], flagged[:, ranking.last]
        gained, drawn = _increments(found), _increments(flagged)
    negatives = rows - positives
    # A strip of the area under the curve is as wide as the negatives it adds, and as high as its mean height.
    strips = np.einsum("ij,ij->i", drawn - gained, found - gained / 2)
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    distance = _column(1 / positives + 1 / negatives, found) * found - _column(1 / negatives, found) * flagged
    highest = np.maximum(distance.max(axis=1), -distance.min(axis=1))
    return {
        "roc_auc": strips / (positives * negatives),
        "average_precision": np.einsum("ij,ij->i", gained, precision) / positives,
        "ks": highest.astype(np.float64),
    }


def _increments(sums: Floats) -> Floats:
    increments = sums.copy()
    increments[:, 1:] -= sums[:, :-1]
    return increments


def _column(values: npt.NDArray[np.float64], like: Floats) -> Floats:
    return values.astype(like.dtype)[:, None]


def _between_bands(scored: Scored, sums: npt.NDArray[np.float64]) -> Values:
    values: Values = {}
    at = _FIXED_TERMS + scored.bins
    for group, count in scored.bands.items():
        rows, flagged, positives, found = np.split(sums[:, at : at + _BAND_TERMS * count], _BAND_TERMS, axis=1)
        at += _BAND_TERMS * count
        values[group_measure("selection_rate_difference", group)] = np.ptp(flagged / rows, axis=1)
        values[group_measure("true_positive_rate_difference", group)] = np.ptp(found / positives, axis=1)
    return values


# Weights of one block, float32: 512 KB stay in a core's cache.
_BLOCK_VALUES = 1 << 17
# A metric that this share of the rounds does not define has no interval.
_LARGEST_UNDEFINED_SHARE = 0.05


@dataclass(frozen=True)
class Estimate:
    """A point value and the bounds of its percentile interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One metric: the challenger's, the champion's, and challenger minus champion, drawn in pairs."""

    challenger: Estimate
    champion: Estimate | None
    difference: Estimate | None


def compare(challenger: Scored, champion: Scored | None, settings: Bootstrap) -> dict[str, Comparison]:
    """Compare two models' answers on the same rows, metric by metric; without a champion measure one.

    The same seed gives the same intervals.
    """
    models = [challenger] if champion is None else [challenger, champion]
    rows = len(challenger.ranking.order)
    points = [measure(model, np.ones((1, rows))) for model in models]
    drawn: list[list[Values]] = [[] for _ in models]
    for weights in _rounds(rows, settings):
        for index, model in enumerate(models):
            drawn[index].append(measure(model, weights))
    rounds = [{name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]} for blocks in drawn]
    return {name: _comparison(name, points, rounds, settings.confidence) for name in points[0]}


def _joined(blocks: list[Values]) -> Values:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _comparison(name: str, points: list[Values], rounds: list[Values], confidence: float) -> Comparison:
    own = estimate(float(points[0][name][0]), rounds[0][name], confidence)
    if len(points) == 1 or name not in points[1]:
        return Comparison(own, None, None)
    other = estimate(float(points[1][name][0]), rounds[1][name], confidence)
    difference = estimate(own.value - other.value, rounds[0][name] - rounds[1][name], confidence)
    return Comparison(own, other, difference)


def estimate(value: float, rounds: npt.NDArray[np.float64], confidence: float) -> Estimate:
    """A value with the percentile interval of its rounds."""
    defined = rounds[np.isfinite(rounds)]
    if not np.isfinite(value) or len(rounds) - len(defined) > _LARGEST_UNDEFINED_SHARE * len(rounds):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def _rounds(rows: int, settings: Bootstrap) -> Iterator[npt.NDArray[np.float32]]:
    """How often each row is drawn, in blocks [rounds of the block, rows]."""
    random = np.random.default_rng(settings.seed)
    size = max(1, _BLOCK_VALUES // rows)
    for start in range(0, settings.rounds, size):
        count = min(size, settings.rounds - start)
        chosen = random.integers(0, rows, (count, rows)) + rows * np.arange(count)[:, None]
        yield np.bincount(chosen.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float32)
