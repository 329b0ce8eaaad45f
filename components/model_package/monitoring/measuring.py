"""Takes all measures of a window, in this order; each kind of measure has its own module. Pure: no I/O.

What cannot be measured says why, and stops nothing else. Whether a value is good is decided elsewhere.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.binary_classification import PROBABILITY, decide
from model_package.collected.folder import Collected
from model_package.collected.labels import Labels
from model_package.collected.lines import MODEL_VERSION
from model_package.collected.rows import KEY, row_keys
from model_package.measures import no_measures
from model_package.monitoring.drift import (
    FEATURE_MEASURES,
    PREDICTION_MEASURES,
    Sensitivity,
    drift_measures,
    feature_drift,
    prediction_drift,
)
from model_package.monitoring.fairness import difference, measure_names, selection_rates, true_positive_rates
from model_package.monitoring.findings import Findings
from model_package.monitoring.performance import METRICS, performance
from model_package.monitoring.quality import COLUMN_MEASURES, column_quality, count_columns, reading_quality
from model_package.monitoring.reference import Reference
from model_package.rows.tables import matrix
from model_package.statistics.binary_metrics import (
    SELECTION_RATE_DIFFERENCE,
    TRUE_POSITIVE_RATE_DIFFERENCE,
    slice_metric,
)
from model_package.statistics.bootstrap import Bootstrap

ANY_VERSION = "any"
_SHOWN_NAMES = 10
_NO_LABELS = "there are no labels"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure: fewer rows or labels than these say nothing; smaller subgroups do not count.

    `model_version` is the version whose answers count.
    """

    model_version: str
    min_rows: int
    min_labels: int
    min_slice_rows: int
    sensitivity: Sensitivity
    bootstrap: Bootstrap


@dataclass(frozen=True, slots=True)
class _Answered:
    """Rows that the released model answered: their table, probability and decision at its threshold, each [rows]."""

    table: pl.DataFrame
    probability: npt.NDArray[np.float32]
    decided: npt.NDArray[np.int64]


def measure(collected: Collected, reference: Reference, labels: Labels | None, settings: Settings) -> Findings:
    """Take every measure of a window."""
    found = Findings(
        rows=collected.rows,
        files=collected.found.files,
        versions=_versions(collected),
        measures=reading_quality(collected, labels),
        notes=_notes(collected, labels),
    )
    _measure_columns(found, collected, reference, settings)
    answered = _answered(collected.table, reference, settings.model_version)
    found.answered = len(answered.probability)
    _measure_predictions(found, answered, reference, settings)
    labelled = None if labels is None else _labelled(answered, labels, reference)
    if labels is not None and labelled is not None:
        found.labelled = labelled.table.height
        found.notes += _note(
            labels.table.height - found.labelled, "labels belong to no prediction of this model in the window"
        )
    _measure_performance(found, labelled, reference, settings)
    _measure_fairness(found, answered, labelled, reference, settings)
    return found


def _measure_columns(found: Findings, collected: Collected, reference: Reference, settings: Settings) -> None:
    if collected.rows < settings.min_rows:
        reason = _too_few(collected.rows, settings.min_rows) if collected.rows else "there are no rows in the window"
        found.measures |= no_measures(reason, *COLUMN_MEASURES, *FEATURE_MEASURES)
        return
    columns = count_columns(reference, collected)
    found.measures |= column_quality(reference, columns, collected)
    found.columns = feature_drift(reference, columns, settings.sensitivity)
    found.measures |= drift_measures(found.columns)


def _measure_predictions(found: Findings, answered: _Answered, reference: Reference, settings: Settings) -> None:
    if found.answered < settings.min_rows:
        reason = _too_few(found.answered, settings.min_rows, " of this model")
        found.measures |= no_measures(reason, *PREDICTION_MEASURES)
        return
    measures, found.score = prediction_drift(reference, answered.probability)
    found.measures |= measures


def _measure_performance(found: Findings, labelled: _Answered | None, reference: Reference, settings: Settings) -> None:
    if labelled is None or found.labelled < settings.min_labels:
        reason = _NO_LABELS if labelled is None else _too_few(found.labelled, settings.min_labels, " with labels")
        found.measures |= no_measures(reason, *METRICS)
        return
    measures, found.performance = performance(
        reference.evaluation,
        labelled.table[reference.schema.target].to_numpy(),
        labelled.probability,
        reference.schema.threshold,
        settings.bootstrap,
    )
    found.measures |= measures


def _measure_fairness(
    found: Findings, answered: _Answered, labelled: _Answered | None, reference: Reference, settings: Settings
) -> None:
    schema, evaluation = reference.schema, reference.evaluation
    found.measures |= no_measures(_NO_LABELS, *measure_names(schema.slices))
    for each in schema.slices:
        values = matrix(answered.table, [each.column], np.float32)[:, 0]
        rates = selection_rates(each, evaluation, values, answered.decided)
        name = slice_metric(SELECTION_RATE_DIFFERENCE, each.name)
        found.measures[name] = difference(rates, settings.min_slice_rows, settings.bootstrap)
        if labelled is None or found.labelled < settings.min_labels:
            continue
        values = matrix(labelled.table, [each.column], np.float32)[:, 0]
        target = labelled.table[schema.target].to_numpy()
        rates = true_positive_rates(each, evaluation, values, labelled.decided, target)
        name = slice_metric(TRUE_POSITIVE_RATE_DIFFERENCE, each.name)
        found.measures[name] = difference(rates, settings.min_slice_rows, settings.bootstrap)


def _answered(table: pl.DataFrame, reference: Reference, version: str) -> _Answered:
    mine = pl.col(PROBABILITY).is_not_null()
    if version != ANY_VERSION:
        mine &= pl.col(MODEL_VERSION) == version
    rows = table.filter(mine)
    probability = rows[PROBABILITY].to_numpy()
    return _Answered(rows, probability, decide(probability, reference.schema.threshold))


def _labelled(answered: _Answered, labels: Labels, reference: Reference) -> _Answered:
    outcomes = labels.table.select(row_keys(), reference.schema.target)
    joined = answered.table.join(outcomes, on=KEY, how="inner", maintain_order="left")
    return _answered(joined, reference, ANY_VERSION)


def _too_few(rows: int, needed: int, which: str = "") -> str:
    return f"there are {rows} rows{which}; fewer than {needed} say nothing"


def _versions(collected: Collected) -> dict[str, int]:
    """Return how many rows each version of the model answered."""
    counts = collected.table.group_by(MODEL_VERSION).len().drop_nulls().sort(MODEL_VERSION)
    return dict(counts.iter_rows())


def _notes(collected: Collected, labels: Labels | None) -> list[str]:
    found = collected.found
    notes = [*found.notes]
    if found.unknown_columns:
        unknown = sorted(found.unknown_columns)[:_SHOWN_NAMES]
        notes.append(f"columns that are no features of the model: {', '.join(unknown)}")
    if labels is not None:
        notes += [
            *_note(labels.repeated, "labels are there more than once and count once"),
            *_note(labels.contradictory, "labels contradict themselves and count as none"),
            *_note(labels.unusable, "rows of the labels have no id or no outcome of 0 or 1"),
        ]
    return notes


def _note(count: int, what: str) -> list[str]:
    return [f"{count:,} {what}"] if count else []
