"""Both models scored on the same held-out rows, and all that follows from the scores: metrics, bands, time.

A champion that cannot be scored does not hide what the challenger shows; the comparisons say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mlops.gates.groups import Band, comparable, counted_bands, treatment
from mlops.gates.metrics import Comparison, Estimate, Scored, compare, prepare
from mlops.gates.package_checks import latencies, recorded_difference
from mlops.gates.rows import Rows
from mlops.models.scoring import Scorer
from mlops.settings.gates import GatesFile
from mlops.settings.measures import Measured, Span, Unmeasurable, group_measure, not_measured

METRICS: Final = ("roc_auc", "average_precision", "ks", "f1", "brier", "calibration_error")
GROUP_MEASURES: Final = ("selection_rate_difference", "true_positive_rate_difference")
LATENCIES: Final = {"latency_p50_milliseconds": 50.0, "latency_p99_milliseconds": 99.0}
RECORDED: Final = "recorded_difference"

Measures = dict[str, Measured]
Masks = dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Answers:
    """One model's answers: its rows [rows, features], their target, probability and decision, each [rows]."""

    scorer: Scorer
    features: npt.NDArray[np.float32]
    target: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]

    @property
    def decided(self) -> npt.NDArray[np.float64]:
        """The decisions at the model's own threshold, 0.0 or 1.0."""
        return (self.probability >= self.scorer.threshold).astype(np.float64)


@dataclass(frozen=True)
class Performance:
    """What scoring showed; `champion` is None when there is none or it cannot be scored."""

    measures: Measures
    bands: tuple[Band, ...]
    challenger: Answers
    champion: Answers | None


def performance_measures(gates: GatesFile) -> tuple[str, ...]:
    """The names of all that scoring gives."""
    by_group = [group_measure(measure, each.name) for each in gates.slices for measure in GROUP_MEASURES]
    return (*METRICS, *by_group, RECORDED, *LATENCIES)


def measure_performance(
    rows: Rows, gates: GatesFile, challenger: Scorer, champion: Scorer | None, champion_problem: str
) -> Performance:
    """Score and compare. `champion_problem` says why there is a champion but no scorer of it.

    Raises Unmeasurable when the challenger cannot be scored on the rows.
    """
    own, other = _answers(rows, challenger), None
    if champion is not None:
        try:
            other = _answers(rows, champion)
        except Unmeasurable as error:
            champion_problem = str(error)
    masks, bands, measures = _bands(rows, gates, own, other)
    against = None if other is None else _prepared(other, gates, masks)
    compared = compare(_prepared(own, gates, masks), against, gates.bootstrap)
    measures |= {name: _measured(each, champion_problem) for name, each in compared.items()}
    measures[RECORDED] = _recorded(own, compared)
    measures |= _latency(own, other, gates.latency_calls, champion_problem)
    return Performance(measures, tuple(bands), own, other)


def _answers(rows: Rows, scorer: Scorer) -> Answers:
    features, target = rows.features(scorer.schema), rows.target(scorer.schema)
    return Answers(scorer, features, target, scorer.score(features))


def _prepared(answers: Answers, gates: GatesFile, masks: Masks) -> Scored:
    threshold = answers.scorer.threshold
    return prepare(answers.target, answers.probability, threshold, gates.calibration_bins, masks)


def _bands(rows: Rows, gates: GatesFile, own: Answers, other: Answers | None) -> tuple[Masks, list[Band], Measures]:
    """Give the bands that count, how each model treats every band, and the groups that cannot be measured."""
    masks: Masks = {}
    bands: list[Band] = []
    measures: Measures = {}
    for each in gates.slices:
        name = each.name
        try:
            inside = each.membership(rows.column(each.column))
            counted = counted_bands(inside, own.target, gates.min_slice_size)
            bands += _treated(name, each.labels, inside, counted, own, other)
            masks[name] = comparable(name, inside, counted)
        except Unmeasurable as error:
            measures |= {group_measure(measure, name): not_measured(error) for measure in GROUP_MEASURES}
    return masks, bands, measures


def _treated(
    group: str,
    labels: tuple[str, ...],
    inside: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
    own: Answers,
    other: Answers | None,
) -> list[Band]:
    now = treatment(inside, own.target, own.decided)
    before = None if other is None else treatment(inside, other.target, other.decided)
    return [
        Band(
            group=group,
            label=label,
            rows=int(inside[:, band].sum()),
            positives=int(own.target @ inside[:, band]),
            counted=bool(counted[band]),
            challenger=now[band],
            champion=before[band] if before else None,
        )
        for band, label in enumerate(labels)
    ]


def _measured(comparison: Comparison, champion_problem: str) -> Measured:
    own, other, difference = comparison.challenger, comparison.champion, comparison.difference
    return Measured(
        value=own.value,
        span=_span(own),
        champion=other.value if other else None,
        difference=difference.value if difference else None,
        difference_span=_span(difference) if difference else None,
        champion_problem=champion_problem,
    )


def _span(estimate: Estimate) -> Span:
    return Span(estimate.low, estimate.high)


def _recorded(own: Answers, compared: Mapping[str, Comparison]) -> Measured:
    found = {name: each.challenger.value for name, each in compared.items()}
    try:
        return recorded_difference(own.scorer.folder, own.scorer.threshold, own.target, found)
    except Unmeasurable as error:
        return not_measured(error)


def _latency(own: Answers, other: Answers | None, calls: int, champion_problem: str) -> Measures:
    timed = [(each.scorer, each.features) for each in (own, other) if each is not None]
    times = latencies(timed, calls)
    measures: Measures = {}
    for name, percentile in LATENCIES.items():
        values = [float(np.percentile(each, percentile)) for each in times]
        champion = values[1] if len(values) > 1 else None
        measures[name] = Measured(
            value=values[0],
            champion=champion,
            difference=None if champion is None else values[0] - champion,
            champion_problem=champion_problem,
        )
    return measures
