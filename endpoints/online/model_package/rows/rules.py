"""What values a row may have: the schema as arrays, which check thousands of rows at once. Pure: no I/O.

The same rules hold for rows that train, requests, files of rows and collected rows. Values are numbers, as rows.cells
makes them of every kind of column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from model_package.errors import Finding
from model_package.rows.cells import LARGEST, CellReader, listed, shown
from model_package.schema import NUMBER, Feature, Schema

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FeatureRules:
    """The limits of one feature as numbers: every allowed value lies from `lowest` to `highest`."""

    feature: Feature
    lowest: float
    highest: float

    @classmethod
    def of(cls, feature: Feature) -> Self:
        """Return the rules of a feature."""
        codes = feature.codes or ()
        lows = [bound for bound in (feature.minimum, min(codes, default=None)) if bound is not None]
        highs = [bound for bound in (feature.maximum, max(codes, default=None)) if bound is not None]
        return cls(feature, max([-LARGEST, *lows]), min([LARGEST, *highs]))

    @property
    def allowed(self) -> float:
        """Some value that is allowed."""
        if self.feature.codes is not None:
            return self.feature.codes[0]
        if not self.feature.is_number:
            return 0.0
        return float(np.ceil(self.lowest)) if self.is_whole else self.lowest

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed; codes are whole, but those of a number."""
        return self.feature.is_whole or (self.feature.codes is not None and self.feature.type != NUMBER)

    @property
    def needs_lookup(self) -> bool:
        """Whether range and wholeness alone cannot tell the categories (they have gaps or fractions)."""
        codes = self.feature.codes
        if codes is None:
            return False
        contiguous = len(set(codes)) == max(codes) - min(codes) + 1
        return not (self.is_whole and contiguous)

    def broken_rules(self, values: Values) -> Iterator[tuple[str, Mask]]:
        """Yield each rule as "must be …", with the values [rows] that break it; missing values break none."""
        feature, known = self.feature, ~np.isnan(values)
        if feature.is_whole:
            yield "must be a whole number", known & (values != np.trunc(values))
        if feature.codes is not None:
            yield f"must be one of {self._listed()}", known & ~np.isin(values, feature.codes)
        if feature.minimum is not None:
            yield f"must be at least {shown(feature.minimum)}", values < feature.minimum
        if feature.maximum is not None:
            yield f"must be at most {shown(feature.maximum)}", values > feature.maximum
        yield "must fit a 32-bit float", np.abs(values) > LARGEST

    def reason(self, value: float) -> str:
        """Say why `value`, known to be wrong, is wrong."""
        if np.isnan(value):
            return "must be a finite number, got NaN"
        if not abs(value) <= LARGEST:
            return "must be a finite number that fits a 32-bit float"
        if self.feature.codes is not None:
            return f"{shown(value)} is not one of {self._listed()}"
        if value < self.lowest:
            return f"must be at least {shown(self.lowest)}, got {shown(value)}"
        if value > self.highest:
            return f"must be at most {shown(self.highest)}, got {shown(value)}"
        return f"must be a whole number, got {shown(value)}"

    def _listed(self) -> str:
        return listed(self.feature.labels or tuple(map(shown, sorted(self.feature.codes or ()))))


class RowRules:
    """The rules of all features, in the model's order. Made once per schema, then safe to use from several threads.

    Attributes: `schema`, `names`, `features`, `readers` of cells per feature, and `allowed`: for each feature a value
    that passes. `is_numeric` tells that all features are numbers, `is_plain` that none of them may be missing either,
    `needs_lookup` that range and wholeness do not tell all that is allowed.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = schema.names
        self.features = tuple(FeatureRules.of(feature) for feature in schema.features)
        self.readers = tuple(CellReader(feature) for feature in schema.features)
        self.allowed = tuple(rules.allowed for rules in self.features)
        self.is_numeric = all(feature.is_number for feature in schema.features)
        self.is_plain = self.is_numeric and not any(feature.nullable for feature in schema.features)
        self._lowest = np.array([rules.lowest for rules in self.features])
        self._highest = np.array([rules.highest for rules in self.features])
        self._whole = np.array([rules.is_whole for rules in self.features])
        nullable = [feature.nullable for feature in schema.features]
        self._nullable = np.array(nullable) if any(nullable) else None
        self._lookups = [
            (column, np.array(rules.feature.codes)) for column, rules in enumerate(self.features) if rules.needs_lookup
        ]
        self.needs_lookup = bool(self._lookups)

    def wrong_values(self, matrix: Values) -> Mask:
        """Tell which cells of `matrix` [rows, features] break the rules; infinities do, NaN does unless nullable."""
        # Negated, because every comparison with NaN is false.
        wrong = ~((matrix >= self._lowest) & (matrix <= self._highest))
        wrong |= self._whole & (matrix != np.trunc(matrix))
        for column, codes in self._lookups:
            wrong[:, column] |= ~np.isin(matrix[:, column], codes)
        if self._nullable is not None:
            wrong &= ~(self._nullable & np.isnan(matrix))
        return wrong

    def findings(self, matrix: Values, wrong: Mask, limit: int) -> Iterator[Finding]:
        """Yield what is wrong with the first `limit` wrong cells, row by row."""
        for row, column in np.argwhere(wrong)[:limit]:
            rules = self.features[column]
            yield Finding(int(row), rules.feature.name, rules.reason(float(matrix[row, column])))
