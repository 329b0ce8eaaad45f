"""Both models scored on the same held-out rows, and all that follows: metrics, rates by subgroup, latency.

A champion that cannot be scored does not hide what the challenger shows; the comparisons say why. Which metrics and
rates there are, the task says. The difference of a slice is the largest less the smallest rate among its subgroups;
subgroups below the stated size are shown and do not count, because chance decides them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.gates.package_checks import recorded_difference
from mlops.settings.gates import GatesFile, MinSliceSize
from model_package.errors import ExtensionError, MeasurementError, ModelPackageError, NoData
from model_package.evaluation import PYFUNC, Estimate
from model_package.measures import Interval, Measure, slice_metric
from model_package.package import runtime_of, verify
from model_package.rows.encoding import Tensors
from model_package.rows.tables import column, read_column, tensors
from model_package.runtime import Scorer
from model_package.schema import Schema, Slice
from model_package.statistics.bootstrap import Bootstrap, Comparison
from model_package.statistics.weighted_sums import Scored
from model_package.tasks import SliceMetric, Task
from model_package.tasks.added_metrics import compare_with_failures
from model_package.tasks.task import outcome_name

HELD_OUT: Final = "held-out rows"
LATENCIES: Final = {"latency_p50_milliseconds": 50.0, "latency_p99_milliseconds": 99.0}
RECORDED: Final = "recorded_difference"
_MIN_SUBGROUPS: Final = 2
_WARM_UP_CALLS: Final = 50
_TIMED_ROWS: Final = 256

Measures = dict[str, Measure]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Package:
    """A model package, opened for scoring."""

    folder: Path
    scorer: Scorer

    @classmethod
    def open(cls, folder: Path, digest: str) -> Self:
        """Open the package in a folder. Raises PackageError when it cannot be used.

        A model that is code is opened only if the package has the digest that its release promises; of any other it is
        measured, and another gate says that it has not.
        """
        if runtime_of(folder) == PYFUNC:
            verify(folder, digest)
        scorer = Scorer.open(folder)
        # Raises now what would stop every answer later.
        scorer.task.reply_facts()
        return cls(folder, scorer)

    @property
    def task(self) -> Task:
        """The model's task."""
        return self.scorer.task


@dataclass(frozen=True)
class Answers:
    """One model's answers to its rows [rows, features]: the encoded target [rows], and the answer [rows, ...]."""

    package: Package
    rows: Tensors
    target: Floats
    answer: Floats

    @property
    def task(self) -> Task:
        """The model's task."""
        return self.package.task

    @cached_property
    def decisions(self) -> list[Any]:
        """What the model decides of each row; empty where nothing is decided."""
        return self.task.decisions(self.answer) if self.task.decides() else []


# The rates of one model on a subgroup by name; None where the subgroup has no such rows.
Rates = dict[str, float | None]


@dataclass(frozen=True)
class SubgroupResult:
    """One subgroup of a slice and each model's rates; `counted` in the slice's differences, or too small.

    `changed` are the rows that the two models decide differently; None without a champion, or where nothing is decided.
    """

    slice: str
    label: str
    rows: int
    positives: int
    counted: bool
    challenger: Rates
    champion: Rates | None
    changed: int | None = None


@dataclass(frozen=True)
class Impact:
    """What the challenger answers to the rows, beside the champion.

    `decisions` counts the rows by what the challenger decides, `moves` those that the champion decides differently by
    (its decision, the challenger's), the most frequent first. `distance` is the mean distance of two answers, `most`
    the largest; None without a champion.
    """

    rows: int
    decisions: tuple[tuple[str, int], ...]
    moves: tuple[tuple[str, str, int], ...]
    distance: float | None
    most: float | None

    @property
    def changed(self) -> int:
        """How many rows are decided differently."""
        return sum(count for _, _, count in self.moves)


@dataclass(frozen=True)
class Performance:
    """What scoring showed; `champion` is None if it cannot be scored, `failures` are those of extensions/ by metric."""

    measures: Measures
    subgroups: tuple[SubgroupResult, ...]
    challenger: Answers
    champion: Answers | None
    impact: Impact
    failures: Mapping[str, ExtensionError]


def measured_names(gates: GatesFile, task: Task) -> tuple[str, ...]:
    """Return the name of every measure that `measure_performance` takes."""
    by_slice = [slice_metric(metric.name, each.name) for each in gates.slices for metric in task.slice_metrics]
    return (*task.gated(), *by_slice, RECORDED, *LATENCIES)


def measure_performance(
    rows: pl.DataFrame, gates: GatesFile, challenger: Package, champion: Package | None, champion_problem: str
) -> Performance:
    """Score and compare. `champion_problem` says why there is a champion but no scorer of it.

    Raises ModelPackageError when the challenger cannot be scored on the rows.
    """
    own, other, task = _answers(rows, challenger), None, challenger.task
    if champion is not None and champion.task.name != task.name:
        champion_problem = f"the champion's task is {champion.task.name}, the challenger's is {task.name}"
    elif champion is not None:
        try:
            other = _answers(rows, champion)
        except ModelPackageError as error:
            champion_problem = str(error)
    masks, subgroups, measures = _by_slice(rows, gates, own, other)
    against = None if other is None else _prepared(other, gates, masks)
    drawn = Bootstrap(gates.bootstrap.rounds, gates.bootstrap.seed, gates.bootstrap.confidence)
    compared, failures = compare_with_failures(_prepared(own, gates, masks), against, drawn)
    names = (*task.gated(), *(slice_metric(metric.name, name) for name in masks for metric in task.slice_metrics))
    measures |= {name: _measure(compared[name], champion_problem) for name in names}
    measures[RECORDED] = _recorded(own, compared)
    measures |= _latency(own, other, gates.latency_calls, champion_problem)
    return Performance(measures, tuple(subgroups), own, other, _impact(own, other), failures)


def model_input(rows: pl.DataFrame, schema: Schema, name: str) -> Tensors:
    """Return the model's input; `name` is what to call the rows in an error.

    Raises MeasurementError for a column that is missing or holds something else than the schema says.
    """
    try:
        return tensors(rows, schema)
    except MeasurementError as error:
        raise MeasurementError(f"{name}: {error}") from error


def _answers(rows: pl.DataFrame, package: Package) -> Answers:
    schema = package.scorer.schema
    asked, target = model_input(rows, schema, HELD_OUT), _target(rows, package.task)
    return Answers(package, asked, target, package.scorer.score(asked))


def _target(rows: pl.DataFrame, task: Task) -> Floats:
    name = task.schema.target
    if not rows.height:
        raise MeasurementError(f"there are no {HELD_OUT}")
    if name not in rows.columns:
        raise MeasurementError(f"{HELD_OUT}: there is no column '{name}'")
    values = task.encode(rows[name].to_numpy())
    if not np.isfinite(values).all():
        raise MeasurementError(f"{HELD_OUT}: the column '{name}' holds other values than {task.outcomes}")
    return values


def _column(rows: pl.DataFrame, name: str) -> Floats:
    try:
        return column(rows, name)
    except MeasurementError as error:
        raise MeasurementError(f"{HELD_OUT}: {error}") from error


def _prepared(answers: Answers, gates: GatesFile, masks: Mapping[str, Mask]) -> Scored:
    return answers.task.prepare(answers.target, answers.answer, gates.calibration_bins, masks)


def _by_slice(
    rows: pl.DataFrame, gates: GatesFile, own: Answers, other: Answers | None
) -> tuple[dict[str, Mask], list[SubgroupResult], Measures]:
    """Return the subgroups that count, each model's rates on all of them, and the slices that cannot be measured."""
    masks: dict[str, Mask] = {}
    subgroups: list[SubgroupResult] = []
    measures: Measures = {}
    for each in gates.slices:
        try:
            inside = _membership(each, rows, own.package.scorer.schema)
            counted = _large_enough(inside, own, gates.min_slice_size)
            subgroups += _subgroups(each, inside, counted, own, other)
            if counted.sum() < _MIN_SUBGROUPS:
                raise NoData(f"fewer than {_MIN_SUBGROUPS} subgroups of '{each.name}' have enough rows to compare")
            masks[each.name] = inside[:, counted]
        except MeasurementError as error:
            failed = Measure.failed(error)
            measures |= {slice_metric(metric.name, each.name): failed for metric in own.task.slice_metrics}
    return masks, subgroups, measures


def _membership(found: Slice, rows: pl.DataFrame, schema: Schema) -> Mask:
    """Return which row belongs to which subgroup, with categories coded as by the model's own schema."""
    feature = {each.name: each for each in schema.features}.get(found.column)
    if feature is None or feature.is_number:
        return found.membership(_column(rows, found.column))
    try:
        return found.with_codes(feature).membership(read_column(rows, feature).values)
    except MeasurementError as error:
        raise MeasurementError(f"{HELD_OUT}: {error}") from error


def _large_enough(inside: Mask, own: Answers, smallest: MinSliceSize) -> Mask:
    positives = np.array([own.task.positives(own.target[rows]) for rows in inside.T])
    return (inside.sum(axis=0) >= smallest.rows) & (positives >= smallest.positives)


def _impact(own: Answers, other: Answers | None) -> Impact:
    counts = tuple((outcome_name(each), count) for each, count in Counter(own.decisions).most_common())
    if other is None:
        return Impact(len(own.rows), counts, (), None, None)
    moved = Counter(pair for pair in zip(other.decisions, own.decisions, strict=True) if pair[0] != pair[1])
    moves = tuple((outcome_name(old), outcome_name(new), count) for (old, new), count in moved.most_common())
    apart = own.task.distances(other.answer, own.answer) if own.answer.shape == other.answer.shape else None
    distances = (float(apart.mean()), float(apart.max())) if apart is not None else (None, None)
    return Impact(len(own.rows), counts, moves, *distances)


def _subgroups(found: Slice, inside: Mask, counted: Mask, own: Answers, other: Answers | None) -> list[SubgroupResult]:
    now = _rates(inside, own)
    before = None if other is None else _rates(inside, other)
    pairs = zip(other.decisions, own.decisions, strict=True) if other is not None else ()
    changed = np.array([old != new for old, new in pairs])
    return [
        SubgroupResult(
            slice=found.name,
            label=label,
            rows=int(inside[:, index].sum()),
            positives=own.task.positives(own.target[inside[:, index]]),
            counted=bool(counted[index]),
            challenger=now[index],
            champion=before[index] if before else None,
            changed=int(changed[inside[:, index]].sum()) if changed.size else None,
        )
        for index, label in enumerate(found.labels)
    ]


def _rates(inside: Mask, answers: Answers) -> list[Rates]:
    """Return a model's rates on each subgroup: `inside` [rows, subgroups]."""
    return [{each.rate: _rate(each, answers, rows) for each in answers.task.slice_metrics} for rows in inside.T]


def _rate(metric: SliceMetric, answers: Answers, rows: Mask) -> float | None:
    found = answers.task.rate(metric, answers.answer[rows], answers.target[rows])
    return found.value if found.rows else None


def _measure(comparison: Comparison, champion_problem: str) -> Measure:
    own, other, difference = comparison.challenger, comparison.champion, comparison.difference
    return Measure(
        value=_number(own.value),
        interval=_interval(own),
        reference=_number(other.value) if other else None,
        difference_interval=_interval(difference) if difference else None,
        reference_problem=champion_problem,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _interval(estimate: Estimate) -> Interval:
    return Interval(_number(estimate.low), _number(estimate.high))


def _recorded(own: Answers, compared: Mapping[str, Comparison]) -> Measure:
    found = {name: _number(each.challenger.value) for name, each in compared.items()}
    try:
        return recorded_difference(own.package.folder, own.task, own.target, found)
    except ModelPackageError as error:
        return Measure.failed(error)


def _latency(own: Answers, other: Answers | None, calls: int, champion_problem: str) -> Measures:
    times = _latencies([each for each in (own, other) if each is not None], calls)
    measures: Measures = {}
    for name, percentile in LATENCIES.items():
        value, *champion = [float(np.percentile(each, percentile)) for each in times]
        measures[name] = Measure(value, reference=next(iter(champion), None), reference_problem=champion_problem)
    return measures


def _latencies(models: Sequence[Answers], calls: int) -> list[Floats]:
    """Milliseconds of single rows, one array [calls] per model.

    The models take turns, so that a busy machine slows them alike.
    """
    turns = [(each.package.scorer, cycle(_single_rows(each.rows))) for each in models]
    times = np.empty((len(turns), _WARM_UP_CALLS + calls))
    for call in range(times.shape[1]):
        for model, (scorer, rows) in enumerate(turns):
            times[model, call] = _milliseconds(scorer, next(rows))
    return list(times[:, _WARM_UP_CALLS:])


def _single_rows(rows: Tensors) -> list[Tensors]:
    return [rows[at : at + 1] for at in range(min(len(rows), _TIMED_ROWS))]


def _milliseconds(scorer: Scorer, row: Tensors) -> float:
    """Time one row, without the time for which other programs had the processor."""
    start = scorer.processor_seconds()
    scorer.score(row)
    return 1000 * (scorer.processor_seconds() - start)
