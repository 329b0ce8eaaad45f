"""The weights that add raw scores up to the model's answer, fitted on rows that the scores' models did not see.

For one score of a binary classification that is Platt's sigmoid, for several classes a temperature: an intercept per
class would fit chance. A penalty holds the weights near what they would be without it, so that few rows change little.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from model_package.steps.table_model import Doubles, class_probabilities

# As if this many rows were certain that nothing needs to be calibrated.
_PRIOR_ROWS = 5.0


@dataclass(frozen=True)
class Calibration:
    """`weights` [parts] of the raw scores, and `intercepts` [scores]; `gain` is how much lower the loss became."""

    weights: Doubles
    intercepts: Doubles
    gain: float

    def as_document(self) -> dict[str, Any]:
        """Return what training.json says of it."""
        return {"weights": self.weights.tolist(), "intercepts": self.intercepts.tolist(), "gain": self.gain}


def calibrate(scores: Doubles, target: Doubles, classes: int) -> Calibration:
    """Fit to raw scores [parts, rows, scores], the first of which is boosting's, and the encoded target [rows].

    The numbers of a regression are combined only if there is more than one part.
    """
    parts, _, width = scores.shape
    neutral = np.concatenate([[1.0], np.zeros(parts - 1), np.zeros(width)])
    if not classes:
        return _combined(scores[:, :, 0], target) if parts > 1 else Calibration(neutral[:1], neutral[1:], 0.0)
    truth = np.eye(classes)[target.astype(np.int64)]
    rows = len(target)

    def loss(values: Doubles) -> tuple[float, Doubles]:
        found = np.tensordot(values[:parts], scores, axes=1) + values[parts:]
        known = class_probabilities(found, classes)
        error = (known - truth) if width > 1 else (known - truth)[:, 1:]
        intercepts = error.sum(axis=0) if width == 1 else np.zeros(width)
        slope = np.concatenate([np.tensordot(scores, error, axes=2), intercepts])
        away = values - neutral
        fit = -np.log(np.maximum((known * truth).sum(axis=1), 1e-300)).sum() + _PRIOR_ROWS * (away**2).sum()
        return fit / rows, (slope + 2 * _PRIOR_ROWS * away) / rows

    best = minimize(loss, neutral, jac=True, method="L-BFGS-B").x
    gain = loss(neutral)[0] - loss(best)[0]
    if not gain > 0:
        best, gain = neutral, 0.0
    return Calibration(best[:parts], best[parts:], float(gain))


def _combined(scores: Doubles, target: Doubles) -> Calibration:
    """The least squares of scores [parts, rows] and an intercept."""
    scale = float(target.std()) or 1.0
    columns = np.column_stack([*(scores - target.mean()) / scale, np.ones(len(target))])
    # The texts' scores are differences, not values.
    columns[:, 1 : len(scores)] = (scores[1:] / scale).T
    found, *_ = np.linalg.lstsq(columns, (target - target.mean()) / scale)
    weights = found[:-1]
    intercept = float(found[-1]) * scale + float(target.mean()) * (1 - float(weights[0]))
    before = float(np.mean((target - scores[0]) ** 2))
    after = float(np.mean((target - weights @ scores - intercept) ** 2))
    return Calibration(weights, np.array([intercept]), before - after)


def finite_rows(scores: Doubles) -> npt.NDArray[np.bool_]:
    """Tell which rows [rows] of [parts, rows, scores] have all scores."""
    return np.asarray(np.isfinite(scores).all(axis=(0, 2)))
