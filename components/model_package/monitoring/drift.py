"""How far inputs and predictions have drifted from training, feature by feature, and how much that matters. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.baseline import Distribution
from model_package.measures import Measure, largest
from model_package.monitoring.findings import ColumnDrift, HistogramPair, by_contribution
from model_package.monitoring.quality import Column
from model_package.monitoring.reference import Reference
from model_package.rows.cells import ORIGIN, shown
from model_package.schema import TEXT, TIMESTAMP
from model_package.statistics.histograms import Counted, Counts
from model_package.statistics.psi import population_stability_index
from model_package.statistics.significance import adjusted_p_values, chi_square
from model_package.tasks import Task, task_of

FEATURE_MEASURES = ("largest_feature_drift", "drifted_share", "weighted_drift")
SCORE_DRIFT = "score_drift"
# From here on a bin's begin is read well enough without a fraction.
_EXACT_FROM = 100


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A feature has drifted when its PSI reaches a threshold and chance is excluded at a false discovery rate."""

    psi_threshold: float
    false_discovery_rate: float


def feature_drift(reference: Reference, columns: list[Column], sensitivity: Sensitivity) -> list[ColumnDrift]:
    """Compare every feature with training; which ones drifted is decided after adjusting for their number."""
    compared = [compare(each.feature.name, each.training, each.counted) for each in columns]
    p_values = adjusted_p_values([each.p_value for each in compared])
    weights = reference.evaluation.importance_weights(reference.schema.names)
    total = sum(weights[each.name] * each.psi for each in compared)
    return [
        replace(
            each,
            p_value=float(p_value),
            drifted=bool(each.psi >= sensitivity.psi_threshold and p_value < sensitivity.false_discovery_rate),
            weight=weights[each.name],
            contribution=weights[each.name] * each.psi / total if total else 0.0,
        )
        for each, p_value in zip(compared, p_values, strict=True)
    ]


def compare(name: str, known: Distribution, counted: Counted) -> ColumnDrift:
    """Compare one column, before any adjustment. Raises MeasurementError when either side has no rows."""
    training, recent = known.compared(counted)
    test = chi_square(training, recent)
    return ColumnDrift(
        name=name,
        psi=population_stability_index(training, recent),
        chi_square=test.statistic,
        degrees_of_freedom=test.degrees_of_freedom,
        p_value=test.p_value,
        missing=counted.missing,
        histogram=_histogram(known, counted.counts),
    )


def drift_measures(columns: list[ColumnDrift]) -> dict[str, Measure]:
    """Measure what rules can ask of the features."""
    drifted = [each.name for each in columns if each.drifted]
    largest_first = by_contribution(columns)
    return {
        "largest_feature_drift": largest({each.name: each.psi for each in columns}),
        "drifted_share": Measure(len(drifted) / len(columns), details=tuple(drifted)),
        "weighted_drift": Measure(
            sum(each.weight * each.psi for each in columns),
            details=tuple(
                f"{each.name} {100 * each.contribution:.0f} %" for each in largest_first[:3] if each.contribution
            ),
        ),
    }


def prediction_measures(task: Task) -> tuple[str, ...]:
    """Return the names of what `prediction_drift` measures."""
    return (SCORE_DRIFT, task.change.name)


def prediction_drift(
    reference: Reference, answer: npt.NDArray[np.floating[Any]]
) -> tuple[dict[str, Measure], ColumnDrift]:
    """Compare the released model's answers [rows, ...] with those of its training."""
    task, known = task_of(reference.schema), reference.baseline.predictions
    drift = compare(task.represented_as, known, known.count(task.represent(answer)))
    if names := task.prediction_bins_names:
        # Every answer is one of the classes: there are no others.
        shares = drift.histogram
        drift = replace(drift, histogram=HistogramPair(names, shares.training[:-1], shares.window[:-1]))
    change = task.prediction_change(answer, reference.evaluation, known)
    return {SCORE_DRIFT: Measure(drift.psi), task.change.name: change}, drift


def _histogram(known: Distribution, recent: Counts) -> HistogramPair:
    inner = [float(count) for count in known.counts]
    if known.categories:
        labels = known.labels or tuple(map(shown, known.categories))
        return HistogramPair((*labels, "other"), _shares([*inner, float(known.other)]), _shares(recent))
    begins = map(_date if known.kind == TIMESTAMP else _label, known.edges[:-1])
    # Of a text its length is counted.
    below, above = ("shorter", "longer") if known.kind == TEXT else ("below", "above")
    return HistogramPair((below, *begins, above), _shares([0.0, *inner, 0.0]), _shares(recent))


def _shares(counts: list[float] | Counts) -> tuple[float, ...]:
    total = max(1.0, float(np.sum(counts)))
    return tuple(float(count) / total for count in counts)


def _label(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= _EXACT_FROM else f"{value:.3g}"


def _date(days: float) -> str:
    moment = ORIGIN + timedelta(days=days)
    return f"{moment:%Y-%m-%d}" if moment.hour == moment.minute == 0 else f"{moment:%Y-%m-%d %H:%M}"
