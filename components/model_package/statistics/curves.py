"""What the plots of a binary classifier show: ROC and precision-recall curves, and calibration. Pure: no I/O."""

import numpy as np
import numpy.typing as npt

from model_package.evaluation import CalibrationBin

Doubles = npt.NDArray[np.float64]


def curves(target: npt.ArrayLike, probability: npt.ArrayLike) -> dict[str, Doubles]:
    """Return `recall`, `false_positive_rate` and `precision`, one point per distinct probability.

    From nothing predicted positive to everything; `target` is 0 or 1, both [rows].
    """
    labels, scores = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(labels[order])[last]
    predicted = (last + 1).astype(np.float64)
    positives = labels.sum()
    return {
        "recall": np.append(0.0, true / positives),
        "false_positive_rate": np.append(0.0, (predicted - true) / (len(labels) - positives)),
        "precision": np.append(1.0, true / predicted),
    }


def calibration(target: npt.ArrayLike, probability: npt.ArrayLike, bins: int) -> tuple[CalibrationBin, ...]:
    """Compare predicted with observed rates in bins of equal size."""
    labels, scores = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    groups = [group for group in np.array_split(np.argsort(scores, kind="stable"), bins) if len(group)]
    return tuple(
        CalibrationBin(len(group), float(scores[group].mean()), float(labels[group].mean())) for group in groups
    )
