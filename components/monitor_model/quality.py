"""Whether the data can be believed at all: judged before any drift, because a bug upstream looks like one. Pure."""

from dataclasses import dataclass

import numpy as np
from collected import DECISION, Collected
from distances import Counted
from labels import Labels
from measures import Measure, largest, nothing
from package import Feature, Package

COLUMN_MEASURES = (
    "missing_features",
    "unknown_columns",
    "constant_features",
    "largest_missing_rise",
    "largest_out_of_range_share",
    "largest_unknown_category_share",
    "largest_unseen_category_share",
)


@dataclass(frozen=True)
class Column:
    """A feature in the window: its values float32 [rows], and how they were counted in the baseline's bins."""

    feature: Feature
    values: np.ndarray
    counted: Counted


def reading_quality(collected: Collected, labels: Labels | None) -> dict[str, Measure]:
    """What reading came across, as shares."""
    found, rows = collected.found, collected.rows
    unanswered = collected.frame[DECISION].null_count()
    measures = {
        "rows": Measure(float(rows)),
        "broken_share": Measure(_share(found.broken, rows + found.broken)),
        "unanswered_share": Measure(_share(unanswered, rows)),
        "skewed_share": Measure(_share(found.skewed, rows + found.skewed)),
    }
    if labels is None:
        return measures | nothing("there are no labels", "bad_label_share")
    bad = labels.contradictory + labels.unusable
    return measures | {"bad_label_share": Measure(_share(bad, labels.rows))}


def column_quality(package: Package, columns: list[Column], collected: Collected) -> dict[str, Measure]:
    """What is wrong in the columns, each measure as the worst column has it."""
    baseline = package.baseline["features"]
    found = collected.found
    absent = sorted(set(package.names) - found.seen_columns)
    unknown = sorted(found.unknown_columns)
    return {
        "missing_features": Measure(float(len(absent)), details=tuple(absent)),
        "unknown_columns": Measure(float(len(unknown)), details=tuple(unknown)),
        "constant_features": _constant(columns, baseline),
        "largest_missing_rise": largest({each.feature.name: _missing_rise(each, package) for each in columns}),
        "largest_out_of_range_share": largest({each.feature.name: _out_of_range(each) for each in columns}),
        "largest_unknown_category_share": largest(
            {each.feature.name: _codes_share(each, each.feature.categories or ()) for each in _coded(columns)}
        ),
        "largest_unseen_category_share": largest(
            {each.feature.name: _codes_share(each, _seen(baseline[each.feature.name])) for each in _coded(columns)}
        ),
    }


def _constant(columns: list[Column], baseline: dict) -> Measure:
    """Features that varied in training and have one value now, or none at all."""
    names = [
        each.feature.name
        for each in columns
        if baseline[each.feature.name]["minimum"] < baseline[each.feature.name]["maximum"] and _is_constant(each)
    ]
    return Measure(float(len(names)), details=tuple(names))


def _is_constant(column: Column) -> bool:
    present = column.values[np.isfinite(column.values)]
    return not len(present) or bool((present == present[0]).all())


def _missing_rise(column: Column, package: Package) -> float:
    before = _share(package.baseline["features"][column.feature.name]["missing"], package.baseline["rows"])
    return max(0.0, _share(column.counted.missing, len(column.values)) - before)


def _out_of_range(column: Column) -> float:
    low, high = column.feature.minimum, column.feature.maximum
    outside = 0
    if low is not None:
        outside += int(np.count_nonzero(column.values < low))
    if high is not None:
        outside += int(np.count_nonzero(column.values > high))
    return _share(outside, len(column.values))


def _coded(columns: list[Column]) -> list[Column]:
    return [each for each in columns if each.feature.categories is not None]


def _codes_share(column: Column, codes: tuple[int, ...]) -> float:
    """The share of rows with a value that is none of the codes."""
    present = int(np.count_nonzero(np.isfinite(column.values)))
    known = sum(int(np.count_nonzero(column.values == code)) for code in codes)
    return _share(present - known, len(column.values))


def _seen(baseline: dict) -> tuple[int, ...]:
    pairs = zip(baseline.get("categories", ()), baseline["counts"], strict=False)
    return tuple(code for code, count in pairs if count)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
