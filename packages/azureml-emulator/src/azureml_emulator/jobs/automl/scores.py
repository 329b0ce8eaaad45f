"""The metrics of a trial, under the names that they have in Azure's AutoML runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn import metrics


def classification_scores(
    truth: npt.NDArray[Any],
    probabilities: npt.NDArray[np.float64],
    classes: npt.NDArray[Any],
    weights: npt.NDArray[np.float64] | None,
) -> dict[str, float]:
    """The metrics of [rows, classes] probabilities; those that the rows do not define are left out."""
    guess = classes[probabilities.argmax(axis=1)]
    known = np.array([label == truth for label in classes]).T.astype(float)
    shares = known.mean(axis=0)
    present = [place for place, share in enumerate(shares) if 0 < share < 1]
    found = {
        "accuracy": metrics.accuracy_score(truth, guess, sample_weight=weights),
        "balanced_accuracy": metrics.recall_score(
            truth, guess, average="macro", zero_division=0, labels=np.unique(truth), sample_weight=weights
        ),
        "matthews_correlation": metrics.matthews_corrcoef(truth, guess, sample_weight=weights),
        "log_loss": metrics.log_loss(truth, probabilities, labels=classes, sample_weight=weights),
    }
    chance = 1 / len(np.unique(truth))
    if chance < 1:
        found["norm_macro_recall"] = (found["balanced_accuracy"] - chance) / (1 - chance)
    for name in ("precision", "recall", "f1"):
        score = getattr(metrics, f"{name}_score")
        for average in ("macro", "weighted"):
            found[f"{name}_score_{average}"] = score(
                truth, guess, average=average, zero_division=0, sample_weight=weights
            )
    if present:
        areas = _per_class(metrics.roc_auc_score, known, probabilities, present, weights)
        precisions = _per_class(metrics.average_precision_score, known, probabilities, present, weights)
        for name, values in (("AUC", areas), ("average_precision_score", precisions)):
            found[f"{name}_macro"] = float(np.mean(values))
            found[f"{name}_weighted"] = float(np.average(values, weights=shares[present]))
    return _numbers(found)


def regression_scores(
    truth: npt.NDArray[np.float64], answers: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None
) -> dict[str, float]:
    """The metrics of [rows] answers; the normalized ones are divided by the range of the truth."""
    spread = float(truth.max() - truth.min()) or math.nan
    root = metrics.root_mean_squared_error(truth, answers, sample_weight=weights)
    absolute = metrics.mean_absolute_error(truth, answers, sample_weight=weights)
    varies = np.ptp(answers) > 0 and np.ptp(truth) > 0
    return _numbers(
        {
            "root_mean_squared_error": root,
            "normalized_root_mean_squared_error": root / spread,
            "mean_absolute_error": absolute,
            "normalized_mean_absolute_error": absolute / spread,
            "median_absolute_error": metrics.median_absolute_error(truth, answers, sample_weight=weights),
            "r2_score": metrics.r2_score(truth, answers, sample_weight=weights),
            "explained_variance": metrics.explained_variance_score(truth, answers, sample_weight=weights),
            "spearman_correlation": float(spearmanr(truth, answers).statistic) if varies else 0.0,
        }
    )


def mean_scores(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over folds of every metric that all of them have."""
    names = set.intersection(*(set(fold) for fold in folds))
    return {name: float(np.mean([fold[name] for fold in folds])) for name in sorted(names)}


def _per_class(
    score: Any,
    known: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64],
    present: list[int],
    weights: npt.NDArray[np.float64] | None,
) -> list[float]:
    return [float(score(known[:, place], probabilities[:, place], sample_weight=weights)) for place in present]


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}
