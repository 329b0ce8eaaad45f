"""Whether the data can be trusted at all: measured before any drift, because a bug upstream looks like one. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_package.baseline import Distribution
from model_package.collected.folder import Collected
from model_package.collected.labels import Labels
from model_package.measures import Measure, largest, no_measures
from model_package.monitoring.reference import Reference
from model_package.rows.collected_columns import collected_name, feature_name
from model_package.schema import Feature
from model_package.statistics.histograms import Counted
from model_package.tasks import task_of

COLUMN_MEASURES = (
    "missing_features",
    "unknown_columns",
    "constant_features",
    "largest_missing_rise",
    "largest_out_of_range_share",
    "largest_unknown_category_share",
    "largest_unseen_category_share",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A feature in the window: its values float32 [rows], its distribution in training, and the values in its bins."""

    feature: Feature
    values: npt.NDArray[np.float32]
    training: Distribution
    counted: Counted


def count_columns(reference: Reference, collected: Collected) -> list[Column]:
    """Count every feature in the bins of the baseline."""
    columns, task = [], task_of(reference.schema)
    for feature in reference.schema.features:
        values = collected.column(collected_name(feature.name, task))
        training = reference.baseline.features[feature.name]
        columns.append(Column(feature, values, training, training.count(values)))
    return columns


def reading_quality(collected: Collected, labels: Labels | None) -> dict[str, Measure]:
    """Measure what reading came across, as shares."""
    found, rows = collected.found, collected.rows
    measures = {
        "rows": Measure(float(rows)),
        "broken_share": Measure(_share(found.broken, rows + found.broken)),
        "unanswered_share": Measure(_share(collected.unanswered, rows)),
        "skewed_share": Measure(_share(found.skewed, rows + found.skewed)),
    }
    if labels is None:
        return measures | no_measures("there are no labels", "bad_label_share")
    bad = labels.contradictory + labels.unusable
    return measures | {"bad_label_share": Measure(_share(bad, labels.rows))}


def column_quality(reference: Reference, columns: list[Column], collected: Collected) -> dict[str, Measure]:
    """Measure what is wrong in the columns, each measure as the worst column has it."""
    found = collected.found
    absent = sorted(set(reference.schema.names) - {*map(feature_name, found.seen_columns)})
    constant = [each.feature.name for each in columns if _became_constant(each)]
    coded = [each for each in columns if each.training.categories]
    closed = [each for each in coded if not each.feature.is_open]
    return {
        "missing_features": _counted(absent),
        "unknown_columns": _counted(sorted(map(feature_name, found.unknown_columns))),
        "constant_features": _counted(constant),
        "largest_missing_rise": largest(
            {each.feature.name: _missing_rise(each, reference.baseline.rows) for each in columns}
        ),
        "largest_out_of_range_share": largest({each.feature.name: _out_of_range(each) for each in columns}),
        "largest_unknown_category_share": largest(
            {each.feature.name: _share(each.counted.counts[-1], len(each.values)) for each in closed}
        ),
        "largest_unseen_category_share": largest(
            {each.feature.name: _share(_unseen(each), len(each.values)) for each in coded}
        ),
    }


def _counted(names: list[str]) -> Measure:
    return Measure(float(len(names)), details=tuple(names))


def _became_constant(column: Column) -> bool:
    """Tell whether a feature varied in training and has one value now, or none at all."""
    present = column.values[np.isfinite(column.values)]
    is_constant = not len(present) or bool((present == present[0]).all())
    return is_constant and column.training.minimum < column.training.maximum


def _missing_rise(column: Column, training_rows: int) -> float:
    before = _share(column.training.missing, training_rows)
    return max(0.0, _share(column.counted.missing, len(column.values)) - before)


def _out_of_range(column: Column) -> float:
    low, high = column.feature.minimum, column.feature.maximum
    outside = 0
    if low is not None:
        outside += int(np.count_nonzero(column.values < low))
    if high is not None:
        outside += int(np.count_nonzero(column.values > high))
    return _share(outside, len(column.values))


def _unseen(column: Column) -> float:
    """Return how many values are categories that no training row had."""
    before = np.append(column.training.counts, column.training.other)
    return float(column.counted.counts[before == 0].sum())


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
