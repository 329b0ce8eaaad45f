"""Whether subgroups are still treated as alike as when the model was evaluated. Pure: no I/O.

The difference of a slice is the largest less the smallest rate among its subgroups. Only subgroups that are large
enough now and then count, and only these are compared.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.evaluation import Evaluation
from model_package.measures import Interval, Measure, slice_metric
from model_package.schema import Slice
from model_package.statistics.binary_metrics import SLICE_METRICS
from model_package.statistics.bootstrap import Bootstrap, percentile_interval

_MIN_SUBGROUPS = 2

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A subgroup's rate: `part` of `whole` rows now, and the same of the evaluation."""

    label: str
    part: int
    whole: int
    part_before: float
    whole_before: int


def measure_names(slices: tuple[Slice, ...]) -> list[str]:
    """Return every measure that is taken here."""
    return [slice_metric(metric, each.name) for metric in SLICE_METRICS for each in slices]


def selection_rates(found: Slice, evaluation: Evaluation, values: Floats, decided: Integers) -> list[Rate]:
    """Return the share decided as 1 in each subgroup; the slice's column and the decisions are [rows]."""
    rates = []
    for label, inside in zip(found.labels, found.membership(values).T, strict=True):
        stated = evaluation.slices.get(found.name, {}).get(label)
        rate = None if stated is None else stated.metrics["selection_rate"].value
        if stated is not None and rate is not None:
            rates.append(_rate(label, inside, decided, rate, stated.rows))
    return rates


def true_positive_rates(
    found: Slice, evaluation: Evaluation, values: Floats, decided: Integers, target: npt.NDArray[np.int8]
) -> list[Rate]:
    """Return the share decided as 1 among the positives of each subgroup; `target` is 0 or 1, all [rows]."""
    rates = []
    for label, inside in zip(found.labels, found.membership(values).T, strict=True):
        stated = evaluation.slices.get(found.name, {}).get(label)
        rate = None if stated is None else stated.metrics["recall"].value
        if stated is not None and rate is not None:
            positives = round(stated.rows * (stated.positive_rate or 0.0))
            rates.append(_rate(label, inside & (target == 1), decided, rate, positives))
    return rates


def difference(rates: list[Rate], min_rows: int, settings: Bootstrap) -> Measure:
    """Return the difference among the subgroups of at least `min_rows` rows, drawn again to tell chance apart."""
    counted = [each for each in rates if min(each.whole, each.whole_before) >= min_rows]
    if len(counted) < _MIN_SUBGROUPS:
        return Measure.nothing(f"fewer than {_MIN_SUBGROUPS} subgroups have {min_rows} rows to compare")
    whole = np.array([each.whole for each in counted])
    now = np.array([each.part for each in counted]) / whole
    before_whole = np.array([each.whole_before for each in counted])
    before = np.clip(np.array([each.part_before for each in counted]) / before_whole, 0.0, 1.0)
    random = np.random.default_rng(settings.seed)
    drawn = _spread(random.binomial(whole, now, (settings.rounds, len(counted))) / whole)
    drawn -= _spread(random.binomial(before_whole, before, (settings.rounds, len(counted))) / before_whole)
    return Measure(
        value=float(_spread(now)),
        reference=float(_spread(before)),
        difference_interval=Interval(*percentile_interval(drawn, settings.confidence)),
        details=tuple(f"{each.label} {100 * each.part / each.whole:.1f} %" for each in counted),
    )


def _rate(label: str, inside: npt.NDArray[np.bool_], decided: Integers, before: float, whole_before: int) -> Rate:
    part = int(np.count_nonzero(inside & (decided == 1)))
    return Rate(label, part, int(inside.sum()), before * whole_before, whole_before)


def _spread(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values.max(axis=-1) - values.min(axis=-1)
