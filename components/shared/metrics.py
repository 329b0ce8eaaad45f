"""Metrics of a binary classifier with bootstrap confidence intervals, all resamples at once. Pure: no I/O.

A resample is a row of weights: how often each test row was drawn. Rows are sorted by probability once, so
every metric of every resample is a cumulative sum. Definitions are scikit-learn's (tests compare); KS is the
largest distance between the score distributions of the two classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
# Values in one block of resamples: few enough that a block's arrays stay in the processor's cache.
_BLOCK_VALUES = 100_000

Floats = npt.NDArray[np.float64]
Metrics = dict[str, Floats]


@dataclass(frozen=True)
class Scored:
    """Test rows by falling probability: `target`, `probability` [rows]; `last` ends runs of equal ones."""

    target: Floats
    probability: Floats
    last: npt.NDArray[np.int64]


def sort_scored(target: npt.ArrayLike, probability: npt.ArrayLike) -> Scored:
    """Sort rows for the metrics. `target` is 0 or 1, `probability` in [0, 1], both [rows]."""
    labels = np.asarray(target, dtype=np.float64)
    scores = np.asarray(probability, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    return Scored(labels[order], scores, last)


def weighted_metrics(scored: Scored, weights: Floats, threshold: float) -> Metrics:
    """Compute each metric for each resample: weights [resamples, rows] → arrays [resamples].

    A metric that a resample does not define (one class only, nothing predicted) is NaN there.
    """
    positive = weights * scored.target
    true_positive = np.cumsum(positive, axis=1)[:, scored.last]
    flagged = np.cumsum(weights, axis=1)[:, scored.last]
    positives, total = true_positive[:, -1:], flagged[:, -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = true_positive / positives
        fall_out = (flagged - true_positive) / (total - positives)
        precision = np.divide(true_positive, flagged, out=np.ones_like(flagged), where=flagged > 0)
        ranked = {
            "roc_auc": np.trapezoid(_from_zero(recall), _from_zero(fall_out), axis=1),
            "average_precision": (np.diff(recall, axis=1, prepend=0.0) * precision).sum(axis=1),
            "ks": np.abs(recall - fall_out).max(axis=1),
            "brier": weights @ (scored.probability - scored.target) ** 2 / total[:, 0],
        }
        return ranked | _at_threshold(scored, weights, positive, threshold)


def _from_zero(curve: Floats) -> Floats:
    return np.concatenate([np.zeros((len(curve), 1)), curve], axis=1)


def _at_threshold(scored: Scored, weights: Floats, positive: Floats, threshold: float) -> Metrics:
    chosen = (scored.probability >= threshold).astype(np.float64)
    hits, flagged = positive @ chosen, weights @ chosen
    positives, total = positive.sum(axis=1), weights.sum(axis=1)
    return {
        "f1": 2 * hits / (flagged + positives),
        "precision": hits / flagged,
        "recall": hits / positives,
        "flagged_rate": flagged / total,
    }


def bootstrap_weights(rows: int, resamples: int, random: np.random.Generator) -> Floats:
    """Draw `resamples` resamples of `rows` rows with replacement, as counts [resamples, rows]."""
    drawn = random.integers(0, rows, (resamples, rows)) + rows * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.float64)


def intervals(
    target: npt.ArrayLike, probability: npt.ArrayLike, threshold: float, resamples: int, seed: int
) -> dict[str, dict[str, float | None]]:
    """Give each metric's value with the percentile bootstrap's bounds: {metric: {value, low, high}}.

    None stands where a metric is not defined, as JSON has no NaN.
    """
    scored = sort_scored(target, probability)
    rows = len(scored.target)
    point = weighted_metrics(scored, np.ones((1, rows)), threshold)
    random = np.random.default_rng(seed)
    drawn: dict[str, list[Floats]] = {name: [] for name in point}
    for size in _block_sizes(rows, resamples):
        weights = bootstrap_weights(rows, size, random)
        for name, values in weighted_metrics(scored, weights, threshold).items():
            drawn[name].append(values)
    return {name: _interval(float(point[name][0]), np.concatenate(drawn[name])) for name in point}


def _block_sizes(rows: int, resamples: int) -> list[int]:
    size = max(1, min(resamples, _BLOCK_VALUES // rows))
    full, rest = divmod(resamples, size)
    return [size] * full + ([rest] if rest else [])


def _interval(value: float, values: Floats) -> dict[str, float | None]:
    defined = values[np.isfinite(values)]
    if not np.isfinite(value) or not len(defined):
        return {"value": value if np.isfinite(value) else None, "low": None, "high": None}
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def roc_auc(target: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Compute the area under the ROC curve; NaN when only one class is there."""
    scored = sort_scored(target, probability)
    return float(weighted_metrics(scored, np.ones((1, len(scored.target))), 0.5)["roc_auc"][0])


def curves(target: npt.ArrayLike, probability: npt.ArrayLike) -> dict[str, Floats]:
    """Give the ROC and precision-recall curves, a point a distinct probability, from none flagged to all."""
    scored = sort_scored(target, probability)
    true_positive = np.cumsum(scored.target)[scored.last]
    flagged = (scored.last + 1).astype(np.float64)
    positives = scored.target.sum()
    return {
        "recall": np.append(0.0, true_positive / positives),
        "fall_out": np.append(0.0, (flagged - true_positive) / (len(scored.target) - positives)),
        "precision": np.append(1.0, true_positive / flagged),
    }


def calibration(target: npt.ArrayLike, probability: npt.ArrayLike, bins: int) -> list[dict[str, float]]:
    """Compare predicted with observed rates in bins of equal size: [{rows, predicted, observed}]."""
    labels, scores = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    groups = [group for group in np.array_split(np.argsort(scores, kind="stable"), bins) if len(group)]
    return [
        {
            "rows": len(group),
            "predicted": float(scores[group].mean()),
            "observed": float(labels[group].mean()),
        }
        for group in groups
    ]
