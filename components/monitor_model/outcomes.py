"""How good the released model still is, on rows whose outcome is known by now, against its own evaluation. Pure."""

import math
from typing import Any

import numpy as np
from measures import Measure

from shared.metrics import intervals

METRICS = ("roc_auc", "average_precision", "f1", "brier")
# More rows do not make an interval much shorter; they only take longer to draw from.
MOST_ROWS = 20_000


def performance(
    evaluation: dict[str, Any], target: np.ndarray, probability: np.ndarray, threshold: float, resamples: int, seed: int
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Measure on target (0 or 1) and probability, both [rows]; give also the metrics' own intervals."""
    chosen = _sample(len(target), seed)
    found = intervals(target[chosen], probability[chosen], threshold, resamples, seed)
    stated = evaluation["metrics"]
    return {name: _against(found[name], stated.get(name, {})) for name in METRICS}, found


def _sample(rows: int, seed: int) -> np.ndarray:
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_ROWS])


def _against(now: dict[str, float | None], stated: dict[str, float | None]) -> Measure:
    """The difference from the evaluation; its interval joins both intervals as those of independent rows."""
    value = now["value"]
    if value is None:
        return Measure(reason="the labelled rows do not define it (one class only?)")
    before = stated.get("value")
    ends = [now["low"], now["high"], stated.get("low"), stated.get("high")]
    if before is None or any(end is None for end in ends):
        return Measure(value, reference=before)
    low, high, low_before, high_before = (float(end) for end in ends if end is not None)
    difference = value - before
    # Zou and Donner's method (MOVER): squares of the distances to the ends add up.
    down = math.hypot(value - low, high_before - before)
    up = math.hypot(high - value, before - low_before)
    return Measure(value, before, difference - down, difference + up)
