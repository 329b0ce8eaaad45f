"""Takes all measures of a window, in this order; each kind of measure has its own module. Pure: no I/O.

What cannot be measured says why, and stops nothing else. Whether a value is good is decided elsewhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.collected.folder import Collected
from model_package.collected.labels import Labels
from model_package.collected.rows import row_keys
from model_package.measures import Measure, no_measures, slice_metric
from model_package.monitoring.drift import (
    FEATURE_MEASURES,
    Sensitivity,
    drift_measures,
    feature_drift,
    prediction_drift,
    prediction_measures,
)
from model_package.monitoring.fairness import difference, measure_names, rates_by_subgroup
from model_package.monitoring.findings import Findings
from model_package.monitoring.performance import performance
from model_package.monitoring.quality import COLUMN_MEASURES, column_quality, count_columns, reading_quality
from model_package.monitoring.reference import Reference
from model_package.rows.collected_columns import KEY, MODEL_VERSION, OUTCOME, collected_name, feature_name
from model_package.rows.tables import matrix
from model_package.statistics.bootstrap import Bootstrap
from model_package.tasks import task_of
from model_package.tasks.extensions import MEASURES_FILE, call, extensions

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
    """Rows that the released model answered: their table, and the answers [rows, ...]."""

    table: pl.DataFrame
    answer: npt.NDArray[np.floating[Any]]


def measure(collected: Collected, reference: Reference, labels: Labels | None, settings: Settings) -> Findings:
    """Take every measure of a window."""
    found = Findings(
        rows=collected.rows,
        files=collected.found.files,
        versions=_versions(collected),
        measures=reading_quality(collected, labels),
        notes=_notes(collected, labels, task_of(reference.schema).outcomes),
    )
    _measure_columns(found, collected, reference, settings)
    _measure_own(found, collected, settings)
    answered = _answered(collected.table, reference, settings.model_version)
    found.answered = answered.table.height
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


def _measure_own(found: Findings, collected: Collected, settings: Settings) -> None:
    """Take the measures of extensions/. Raises ExtensionError where their code fails."""
    for own in extensions().monitor:
        if collected.rows < settings.min_rows:
            found.measures |= no_measures(_too_few(collected.rows, settings.min_rows), own.name)
        else:
            found.measures[own.name] = Measure(call(MEASURES_FILE, own.name, own.function, collected.table))


def _measure_predictions(found: Findings, answered: _Answered, reference: Reference, settings: Settings) -> None:
    if found.answered < settings.min_rows:
        reason = _too_few(found.answered, settings.min_rows, " of this model")
        found.measures |= no_measures(reason, *prediction_measures(task_of(reference.schema)))
        return
    measures, found.score = prediction_drift(reference, answered.answer)
    found.measures |= measures


def _measure_performance(found: Findings, labelled: _Answered | None, reference: Reference, settings: Settings) -> None:
    task = task_of(reference.schema)
    if labelled is None or found.labelled < settings.min_labels:
        reason = _NO_LABELS if labelled is None else _too_few(found.labelled, settings.min_labels, " with labels")
        found.measures |= no_measures(reason, *task.monitored())
        return
    measures, found.performance = performance(
        reference.evaluation, task, _target(labelled, reference), labelled.answer, settings.bootstrap
    )
    found.measures |= measures


def _measure_fairness(
    found: Findings, answered: _Answered, labelled: _Answered | None, reference: Reference, settings: Settings
) -> None:
    task, schema = task_of(reference.schema), reference.schema
    found.measures |= no_measures(_NO_LABELS, *measure_names(task, schema.slices))
    enough = labelled if found.labelled >= settings.min_labels else None
    for each in schema.slices:
        for metric in task.slice_metrics:
            rows = enough if metric.needs_target else answered
            if rows is None:
                continue
            values = matrix(rows.table, [collected_name(each.column, task)], np.float32)[:, 0]
            target = _target(rows, reference) if metric.needs_target else None
            rates = rates_by_subgroup(task, metric, each, reference.evaluation, values, rows.answer, target)
            name = slice_metric(metric.name, each.name)
            found.measures[name] = difference(metric, rates, settings.min_slice_rows, settings.bootstrap)


def _answered(table: pl.DataFrame, reference: Reference, version: str) -> _Answered:
    task = task_of(reference.schema)
    mine = pl.col(MODEL_VERSION).is_not_null()
    if version != ANY_VERSION:
        mine &= pl.col(MODEL_VERSION) == version
    rows = table.filter(mine)
    numbers = {name: rows[name].to_numpy() for name, kind in task.column_kinds.items() if kind == "number"}
    return _Answered(rows, task.answer_of(numbers))


def _target(labelled: _Answered, reference: Reference) -> npt.NDArray[np.float64]:
    """Return the outcomes as metrics take them [rows]."""
    return task_of(reference.schema).encode(labelled.table[OUTCOME].to_numpy())


def _labelled(answered: _Answered, labels: Labels, reference: Reference) -> _Answered:
    outcomes = labels.table.select(row_keys(), OUTCOME)
    joined = answered.table.join(outcomes, on=KEY, how="inner", maintain_order="left")
    return _answered(joined, reference, ANY_VERSION)


def _too_few(rows: int, needed: int, which: str = "") -> str:
    return f"there are {rows} rows{which}; fewer than {needed} say nothing"


def _versions(collected: Collected) -> dict[str, int]:
    """Return how many rows each version of the model answered."""
    counts = collected.table.group_by(MODEL_VERSION).len().drop_nulls().sort(MODEL_VERSION)
    return dict(counts.iter_rows())


def _notes(collected: Collected, labels: Labels | None, outcomes: str) -> list[str]:
    found = collected.found
    notes = [*found.notes]
    if found.unknown_columns:
        unknown = sorted(map(feature_name, found.unknown_columns))[:_SHOWN_NAMES]
        notes.append(f"columns that are no features of the model: {', '.join(unknown)}")
    if labels is not None:
        notes += [
            *_note(labels.repeated, "labels are there more than once and count once"),
            *_note(labels.contradictory, "labels contradict themselves and count as none"),
            *_note(labels.unusable, f"rows of the labels have no id or no outcome of {outcomes}"),
        ]
    return notes


def _note(count: int, what: str) -> list[str]:
    return [f"{count:,} {what}"] if count else []
