"""Whether subgroups are still treated as alike as when the model was evaluated. Pure: no I/O.

The difference of a slice is the largest less the smallest rate among its subgroups; which rates there are, the task
says. Only subgroups that are large enough now and then count, and only these are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.evaluation import Evaluation
from model_package.measures import Interval, Measure, slice_metric
from model_package.schema import Slice
from model_package.statistics.bootstrap import Bootstrap, centred_interval
from model_package.tasks import SliceMetric, Task
from model_package.tasks.task import SubgroupRate

_MIN_SUBGROUPS = 2

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rates:
    """A subgroup's rate now, and in the evaluation."""

    label: str
    now: SubgroupRate
    before: SubgroupRate


def measure_names(task: Task, slices: tuple[Slice, ...]) -> list[str]:
    """Return every measure that is taken here."""
    return [slice_metric(metric.name, each.name) for metric in task.slice_metrics for each in slices]


def rates_by_subgroup(
    task: Task,
    metric: SliceMetric,
    found: Slice,
    evaluation: Evaluation,
    values: npt.NDArray[np.float32],
    answer: npt.NDArray[np.floating[Any]],
    target: Doubles | None,
) -> list[Rates]:
    """Return the rates of each subgroup that the evaluation knows; column, answers and target are [rows, ...]."""
    rates = []
    for label, inside in zip(found.labels, found.membership(values).T, strict=True):
        stated = evaluation.slices.get(found.name, {}).get(label)
        before = None if stated is None else task.rate_before(metric, stated)
        if before is not None:
            now = task.rate(metric, answer[inside], None if target is None else target[inside])
            rates.append(Rates(label, now, before))
    return rates


def difference(metric: SliceMetric, rates: list[Rates], min_rows: int, settings: Bootstrap) -> Measure:
    """Return the difference among the subgroups of at least `min_rows` rows, drawn again to tell chance apart."""
    counted = [each for each in rates if min(each.now.rows, each.before.rows) >= min_rows]
    if len(counted) < _MIN_SUBGROUPS:
        return Measure.nothing(f"fewer than {_MIN_SUBGROUPS} subgroups have {min_rows} rows to compare")
    now, before = [each.now for each in counted], [each.before for each in counted]
    random = np.random.default_rng(settings.seed)
    drawn = _spread(_drawn(now, random, settings.rounds)) - _spread(_drawn(before, random, settings.rounds))
    value, reference = float(_spread(_values(now))), float(_spread(_values(before)))
    return Measure(
        value=value,
        reference=reference,
        difference_interval=Interval(*centred_interval(value - reference, drawn, settings.confidence)),
        details=tuple(f"{each.label} {_shown(metric, each.now.value)}" for each in counted),
    )


def _drawn(rates: Sequence[SubgroupRate], random: np.random.Generator, rounds: int) -> Doubles:
    """Draw each rate as chance might have given it: [rounds, subgroups]."""
    values, size = _values(rates), (rounds, len(rates))
    if any(each.error is not None for each in rates):
        return random.normal(values, np.array([each.error or 0.0 for each in rates]), size)
    rows = np.array([each.rows for each in rates])
    return random.binomial(rows, np.clip(values, 0.0, 1.0), size) / rows


def _values(rates: Sequence[SubgroupRate]) -> Doubles:
    return np.array([each.value for each in rates])


def _shown(metric: SliceMetric, value: float) -> str:
    return f"{100 * value:.1f} %" if metric.share else f"{value:.4g}"


def _spread(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values.max(axis=-1) - values.min(axis=-1)
