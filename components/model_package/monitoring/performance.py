"""How good the released model still is on rows whose outcome is known by now, against its own evaluation. Pure."""

import math

import numpy as np
import numpy.typing as npt

from model_package.evaluation import Estimate, Evaluation
from model_package.measures import Interval, Measure
from model_package.statistics.binary_metrics import prepare
from model_package.statistics.bootstrap import Bootstrap, estimates

METRICS = ("roc_auc", "average_precision", "f1", "brier")
# More rows do not make an interval much shorter; they only take longer to draw from.
MAX_ROWS = 20_000


def performance(
    evaluation: Evaluation,
    target: npt.NDArray[np.int8],
    probability: npt.NDArray[np.float32],
    threshold: float,
    settings: Bootstrap,
) -> tuple[dict[str, Measure], dict[str, Estimate]]:
    """Measure on target (0 or 1) and probability, both [rows]; return also the metrics' own intervals."""
    chosen = _sample(len(target), settings.seed)
    found = estimates(prepare(target[chosen], probability[chosen], threshold), settings)
    return {name: _against(found[name], evaluation.estimate(name)) for name in METRICS}, found


def _sample(rows: int, seed: int) -> npt.NDArray[np.intp]:
    if rows <= MAX_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MAX_ROWS])


def _against(now: Estimate, stated: Estimate) -> Measure:
    """Return the difference from the evaluation; its interval joins both as those of independent rows."""
    if now.value is None:
        return Measure.nothing("the labelled rows do not define it (only one class?)")
    if stated.value is None or now.low is None or now.high is None or stated.low is None or stated.high is None:
        return Measure(now.value, reference=stated.value)
    difference = now.value - stated.value
    # Zou and Donner's method (MOVER): squares of the distances to the ends add up.
    down = math.hypot(now.value - now.low, stated.high - stated.value)
    up = math.hypot(now.high - now.value, stated.value - stated.low)
    interval = Interval(difference - down, difference + up)
    return Measure(now.value, reference=stated.value, difference_interval=interval)
