"""Decides how a column becomes numbers, and makes the scikit-learn transformer that does it.

Categories become codes, missing values stay missing: trees lose nothing by it. Linear models get a column per category,
scaled numbers, and the median in place of what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from azureml_emulator.jobs.definitions.automl import CATEGORICAL, IGNORE, NUMERIC

_MAX_SHOWN_CATEGORIES = 50
# A text column with more distinct values, and with so many per row, names the rows rather than describe them.
_FEW_VALUES = 100
_MOST_DISTINCT = 0.5


@dataclass(frozen=True)
class Features:
    """The columns that a model reads, and the reasons why it does not read the others."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    left_out: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The columns that the model reads, numbers first."""
        return [*self.numbers, *self.categories]

    def transformer(self, *, linear: bool) -> ColumnTransformer:
        """From a data frame with these columns to numbers."""
        if linear:
            numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
            categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_MAX_SHOWN_CATEGORIES)
        else:
            numbers = "passthrough"
            categories = OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
            )
        return ColumnTransformer(
            [("numbers", numbers, list(self.numbers)), ("categories", categories, list(self.categories))]
        )


def choose_features(
    table: pd.DataFrame, without: set[str], purposes: Mapping[str, str], *, featurize: bool
) -> Features:
    """The features of a table. Without featurization only numbers are read. Raises ValueError if none is left."""
    numbers, categories, left_out = [], [], {}
    for name in table.columns:
        if name in without:
            continue
        kind, reason = _purpose(table[name], purposes.get(name))
        if kind == CATEGORICAL and not featurize and name not in purposes:
            kind, reason = IGNORE, "it has no numbers, and featurization is off"
        if kind == IGNORE:
            left_out[name] = reason
        else:
            (numbers if kind == NUMERIC else categories).append(name)
    if not numbers and not categories:
        raise ValueError(
            f"No column is left to learn from: {', '.join(map(str, left_out)) or 'the table has no other'}."
        )
    return Features(tuple(numbers), tuple(categories), left_out)


def prepare(table: pd.DataFrame, features: Features) -> pd.DataFrame:
    """The columns of the features, in types that models are saved with: float64 for numbers, object for categories."""
    found = table[features.names].copy()
    for name in features.numbers:
        found[name] = found[name].astype("float64")
    for name in features.categories:
        texts = found[name].astype(object)
        found[name] = texts.where(texts.notna(), np.nan).map(str, na_action="ignore")
    return found


def _purpose(column: pd.Series, given: str | None) -> tuple[str, str]:
    if given == IGNORE:
        return IGNORE, "the job says so"
    if given is not None:
        return given, ""
    distinct = column.nunique(dropna=True)
    if distinct <= 1:
        return IGNORE, "it has one value only"
    if types.is_datetime64_any_dtype(column):
        return IGNORE, "the emulator's AutoML does not read times: add their parts as columns"
    if types.is_numeric_dtype(column):
        return NUMERIC, ""
    if distinct > _FEW_VALUES and distinct > _MOST_DISTINCT * len(column):
        return IGNORE, "nearly every row has another text"
    return CATEGORICAL, ""
