"""Rows as a pandas table: a column per feature, by its name, with values as a caller sends them.

What an MLflow pyfunc model is trained on and answers. The types follow from the schema alone, never from the values.
Needs pandas.
"""

from typing import Any

import numpy as np
import pandas as pd

from model_package.rows.cells import MILLISECONDS_PER_DAY, ORIGIN, CellReader
from model_package.rows.encoding import ModelInput, Values, as_tensors, decode
from model_package.schema import BOOLEAN, CATEGORY, INTEGER, TEXT, TIMESTAMP, Feature, Schema


def as_frame(given: ModelInput, schema: Schema) -> pd.DataFrame:
    """Return the rows of a model's input as a table.

    A number is float64, an integer int64, a boolean bool, a timestamp datetime64, a category one of its values, and a
    text str. A nullable integer is float64 with NaN, a nullable boolean or category an object with None; a missing text
    is "".
    """
    tensors = as_tensors(given)
    texts = iter(tensors.texts)
    return pd.DataFrame(
        {
            feature.name: next(texts)[:, 0] if feature.type == TEXT else _column(feature, values)
            for feature, values in zip(schema.features, decode(tensors, schema).T, strict=True)
        }
    )


def _column(feature: Feature, values: Values) -> Any:
    if feature.type == TIMESTAMP:
        known = np.isfinite(values)
        moments = np.rint(np.where(known, values, 0) * MILLISECONDS_PER_DAY).astype("timedelta64[ms]")
        found = (np.datetime64(ORIGIN, "ms") + moments).astype("datetime64[ns]")
        return np.where(known, found, np.datetime64("NaT"))
    if feature.type in (BOOLEAN, CATEGORY):
        return _looked_up(feature, values)
    return values.astype(np.int64) if feature.type == INTEGER and not feature.nullable else values


def _looked_up(feature: Feature, values: Values) -> Any:
    """Return the values that codes stand for; the last one stands for a missing value."""
    reader = CellReader(feature)
    cells = np.array([*map(reader.cell, feature.codes or ()), None], dtype=object)
    found = cells[np.where(np.isfinite(values), values, len(cells) - 1).astype(np.intp)]
    kinds = set(map(type, cells[:-1]))
    return found if feature.nullable or str in kinds else found.astype(kinds.pop())
