"""All measures of a window as one document: the order stands here, each kind in its own file. Pure: no I/O.

What cannot be measured says why, and stops nothing else. Whether a value is good is not said here.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from collected import KEY, MODEL_VERSION, PROBABILITY, Collected, Window
from drift import (
    FEATURE_MEASURES,
    SCORE_MEASURES,
    Moved,
    Sensitivity,
    by_share,
    count_columns,
    drift_measures,
    feature_drift,
    score_drift,
)
from fairness import FLAGGED, FOUND, difference, names, rates
from labels import Labels
from measures import FORMAT, Measure, nothing
from outcomes import METRICS, performance
from package import Package
from quality import COLUMN_MEASURES, column_quality, reading_quality

from shared.metrics import CONFIDENCE
from shared.schema import Group

ANY_VERSION = "any"
_SHOWN_NAMES = 10


@dataclass(frozen=True)
class Settings:
    """How to measure: fewer rows or labels than these say nothing; smaller bands do not count."""

    model_version: str
    fewest_rows: int
    fewest_labels: int
    smallest_band: int
    sensitivity: Sensitivity
    resamples: int
    seed: int


@dataclass(frozen=True)
class Answered:
    """Rows that the released model answered: their table, probability and decision at its threshold, each [rows]."""

    frame: pl.DataFrame
    probability: np.ndarray
    flagged: np.ndarray


@dataclass
class _Findings:
    """Measures while they are gathered, and what only a report needs."""

    measures: dict[str, Measure]
    features: list[Moved]
    score: Moved | None = None
    performance: dict[str, Any] | None = None
    labelled: int = 0


def measure(
    collected: Collected,
    package: Package,
    labels: Labels | None,
    groups: tuple[Group, ...],
    settings: Settings,
) -> tuple[dict[str, Any], list[Moved]]:
    """Take every measure of a window; give measures.json without its window, and the features for pictures."""
    found = _Findings(reading_quality(collected, labels), [])
    _columns(found, collected, package, settings)
    answered = _answered(collected, package, settings.model_version)
    _scores(found, answered, package, settings)
    known = None if labels is None else answered.frame.join(labels.frame, on=KEY, how="inner", maintain_order="left")
    _performance(found, known, package, settings)
    _fairness(found, answered, known, package, groups, settings)
    document = {
        "format": FORMAT,
        "rows": collected.rows,
        "answered": len(answered.probability),
        "labelled": found.labelled,
        "files": collected.found.files,
        "versions": _versions(collected),
        "notes": _notes(collected, labels, found.labelled),
        "measures": {name: each.as_document() for name, each in sorted(found.measures.items())},
        "features": [asdict(each) for each in by_share(found.features)],
        "score": asdict(found.score) if found.score else None,
        "performance": found.performance,
    }
    return document, found.features


def window_document(window: Window) -> dict[str, str]:
    """The window as measures.json holds it."""
    return {"since": window.since.isoformat(), "until": window.until.isoformat()}


def _columns(found: _Findings, collected: Collected, package: Package, settings: Settings) -> None:
    if not collected.rows:
        found.measures |= nothing("there are no rows in the window", *COLUMN_MEASURES, *FEATURE_MEASURES)
        return
    columns = count_columns(package, collected)
    if collected.rows < settings.fewest_rows:
        reason = _too_few(collected.rows, settings.fewest_rows)
        found.measures |= nothing(reason, *COLUMN_MEASURES, *FEATURE_MEASURES)
        return
    found.measures |= column_quality(package, columns, collected)
    found.features = feature_drift(package, columns, settings.sensitivity)
    found.measures |= drift_measures(found.features)


def _answered(collected: Collected, package: Package, version: str) -> Answered:
    mine = pl.col(PROBABILITY).is_not_null()
    if version != ANY_VERSION:
        mine &= pl.col(MODEL_VERSION) == version
    frame = collected.frame.filter(mine)
    probability = frame[PROBABILITY].to_numpy()
    return Answered(frame, probability, probability >= np.float32(package.threshold))


def _scores(found: _Findings, answered: Answered, package: Package, settings: Settings) -> None:
    rows = len(answered.probability)
    if rows < settings.fewest_rows:
        found.measures |= nothing(_too_few(rows, settings.fewest_rows, " of this model"), *SCORE_MEASURES)
        return
    measures, found.score = score_drift(package, answered.probability)
    found.measures |= measures


def _performance(found: _Findings, known: pl.DataFrame | None, package: Package, settings: Settings) -> None:
    found.labelled = 0 if known is None else known.height
    if known is None or known.height < settings.fewest_labels:
        reason = (
            "there are no labels" if known is None else _too_few(known.height, settings.fewest_labels, " with labels")
        )
        found.measures |= nothing(reason, *METRICS)
        return
    target, probability = known[package.target].to_numpy(), known[PROBABILITY].to_numpy()
    measures, found.performance = performance(
        package.evaluation, target, probability, package.threshold, settings.resamples, settings.seed
    )
    found.measures |= measures


def _fairness(
    found: _Findings,
    answered: Answered,
    known: pl.DataFrame | None,
    package: Package,
    groups: tuple[Group, ...],
    settings: Settings,
) -> None:
    found.measures |= nothing("there are no labels", *names(groups))
    for group in groups:
        if group.column not in package.names:
            found.measures |= nothing(f"the model has no feature {group.column}", *names((group,)))
            continue
        whole = rates(group, package.evaluation, _numbers(answered.frame, group.column), answered.flagged, None)
        found.measures[f"{FLAGGED}.{group.name}"] = _drawn(whole, settings)
        if known is None or known.height < settings.fewest_labels:
            continue
        flagged = known[PROBABILITY].to_numpy() >= np.float32(package.threshold)
        target = known[package.target].to_numpy()
        part = rates(group, package.evaluation, _numbers(known, group.column), flagged, target)
        found.measures[f"{FOUND}.{group.name}"] = _drawn(part, settings)


def _drawn(all_rates: list, settings: Settings) -> Measure:
    return difference(all_rates, settings.smallest_band, settings.resamples, settings.seed, CONFIDENCE)


def _numbers(frame: pl.DataFrame, name: str) -> np.ndarray:
    return frame[name].cast(pl.Float32).fill_null(float("nan")).to_numpy()


def _too_few(rows: int, fewest: int, which: str = "") -> str:
    return f"there are {rows} rows{which}; fewer than {fewest} say nothing"


def _versions(collected: Collected) -> dict[str, int]:
    """How many rows each version of the model answered."""
    counts = collected.frame.group_by(MODEL_VERSION).len().drop_nulls().sort(MODEL_VERSION)
    return dict(counts.iter_rows())


def _notes(collected: Collected, labels: Labels | None, labelled: int) -> list[str]:
    found = collected.found
    counted = [
        (found.broken, "collected lines or rows are half-written or of another shape and were left out"),
        (found.repeated, "collected rows are there more than once and count once"),
        (found.skewed, "collected rows are filed hours away from their own time: is a server's clock wrong?"),
    ]
    if labels is not None:
        counted += [
            (labels.repeated, "labels are there more than once and count once"),
            (labels.contradictory, "labels contradict themselves and count as none"),
            (labels.unusable, "rows of the labels have no id or no outcome of 0 or 1"),
            (labels.frame.height - labelled, "labels belong to no prediction of this model in the window"),
        ]
    notes = [f"{count:,} {what}" for count, what in counted if count]
    unknown = sorted(found.unknown_columns)
    if unknown:
        notes.append(f"columns that the model does not know: {', '.join(unknown[:_SHOWN_NAMES])}")
    return notes
