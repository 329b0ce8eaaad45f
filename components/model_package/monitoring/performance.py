"""How good the released model still is on rows whose outcome is known by now, against its own evaluation. Pure."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.evaluation import Estimate, Evaluation
from model_package.measures import Interval, Measure
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.tasks import Task

# More rows do not make an interval much shorter; they only take longer to draw from.
MAX_ROWS = 20_000


def performance(
    evaluation: Evaluation,
    task: Task,
    target: npt.NDArray[np.float64],
    answer: npt.NDArray[np.floating[Any]],
    settings: Bootstrap,
) -> tuple[dict[str, Measure], dict[str, Estimate]]:
    """Measure on an encoded target and the answers, both [rows, ...]; return also the metrics' own intervals."""
    chosen = _sample(len(target), settings.seed)
    found = estimates(task.prepare(target[chosen], answer[chosen]), settings)
    return {name: _against(found[name], evaluation.estimate(name)) for name in task.monitored()}, found


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
