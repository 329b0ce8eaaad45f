"""The mean target of each category of a column that has many: what their codes, in any order, do not say.

Rows that fit are given means to which they did not contribute: a category of one row would otherwise tell its target.
Every mean is drawn towards that of all rows, the more the fewer rows a category has.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_package.schema import CATEGORY, Schema
from model_package.steps.table_model import CategoryMeans, Doubles, Floats

# A column of fewer categories is split into its groups by the codes.
MANY_CATEGORIES = 16
# As if each category had this many rows more, whose mean is that of all rows.
_PRIOR_ROWS = 10.0
# Means of a row come from the other parts.
_PARTS = 5


def columns_of_many(schema: Schema) -> list[tuple[int, int]]:
    """Return the place in the matrix, and the number of codes, of each column of many categories."""
    return [
        (schema.matrix_columns.index(feature.name), len(feature.codes or ()))
        for feature in schema.features
        if feature.type == CATEGORY and len(feature.codes or ()) > MANY_CATEGORIES
    ]


def averaged(target: Doubles, classes: int) -> Doubles:
    """Return what is averaged of an encoded target [rows]: [rows, 1], or per class whether it is this one."""
    return np.eye(classes)[target.astype(np.int64)] if classes > 2 else target[:, None]


def fit_means(
    features: Floats, targets: Doubles, columns: Sequence[tuple[int, int]], seed: int
) -> tuple[CategoryMeans, Floats]:
    """Return the means of the columns, given as place and number of codes, and the matrix that boosting is fitted to.

    `features` are [rows, columns]; `targets` [rows, means per category].
    """
    deviations = targets - targets.mean(axis=0)
    spread = deviations.std(axis=0)
    scaled = deviations / np.where(spread > 0, spread, 1)
    parts = np.random.default_rng(seed).permutation(len(targets)) % _PARTS
    values, fitted = [], [features]
    for column, codes in columns:
        # The last place is for what is missing.
        places = np.where(np.isnan(features[:, column]), codes, features[:, column]).astype(np.int64)
        cells, size = parts * (codes + 1) + places, _PARTS * (codes + 1)
        counts = np.bincount(cells, minlength=size).reshape(_PARTS, -1)
        for each in scaled.T:
            sums = np.bincount(cells, each, size).reshape(_PARTS, -1)
            values.append(_shrunk(sums.sum(axis=0), counts.sum(axis=0)))
            others = _shrunk(sums.sum(axis=0) - sums, counts.sum(axis=0) - counts)
            fitted.append(others[parts, places][:, None])
    places_of_means = tuple(column for column, _ in columns for _ in scaled.T)
    return CategoryMeans(places_of_means, tuple(values)), np.concatenate(fitted, axis=1)


def _shrunk(sums: Doubles, counts: npt.NDArray[np.int64]) -> Floats:
    return (sums / (counts + _PRIOR_ROWS)).astype(np.float32)
