"""What a request's values must be: the package's schema.json as arrays that check thousands of rows at once.

How a body becomes a matrix is request_reader.py's business.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
INTEGER = "integer"
TYPES = (INTEGER, "number")
LARGEST_PLAIN = 1e15
# The model reads float32: a larger number would reach it as infinity.
LARGEST = float(np.finfo(np.float32).max)


class SchemaError(Exception):
    """schema.json is not what this scoring code understands."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the model's input."""

    name: str
    type: str
    minimum: float | None
    maximum: float | None
    categories: tuple[float, ...] | None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read one entry of schema.json's `features`. Raises SchemaError for an unknown type."""
        if document["type"] not in TYPES:
            raise SchemaError(f"feature {document['name']}: type {document['type']!r} is none of {', '.join(TYPES)}")
        categories = document.get("categories")
        return cls(
            name=document["name"],
            type=document["type"],
            minimum=document.get("minimum"),
            maximum=document.get("maximum"),
            categories=None if categories is None else tuple(sorted(categories)),
        )

    @property
    def lowest(self) -> float:
        """The smallest value allowed."""
        bounds = [-LARGEST, self.minimum, min(self.categories) if self.categories else None]
        return max(bound for bound in bounds if bound is not None)

    @property
    def highest(self) -> float:
        """The largest value allowed."""
        bounds = [LARGEST, self.maximum, max(self.categories) if self.categories else None]
        return min(bound for bound in bounds if bound is not None)

    @property
    def allowed(self) -> float:
        """Some value that is allowed."""
        if self.categories is not None:
            return self.categories[0]
        return float(np.ceil(self.lowest)) if self.is_whole else self.lowest

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed."""
        return self.type == INTEGER

    @property
    def needs_lookup(self) -> bool:
        """Whether range and wholeness alone cannot tell the categories (they have gaps or fractions)."""
        if self.categories is None:
            return False
        contiguous = len(set(self.categories)) == self.categories[-1] - self.categories[0] + 1
        return not (self.is_whole and contiguous)

    def reason(self, value: float) -> str:
        """Say why `value`, known to be wrong, is wrong."""
        if np.isnan(value):
            return "must be a finite number, got NaN"
        if not abs(value) <= LARGEST:
            return "must be a finite number that fits a 32-bit float"
        if self.categories is not None:
            expected = ", ".join(map(_shown, self.categories))
            return f"unknown category {_shown(value)}; expected one of {expected}"
        if value < self.lowest:
            return f"must be at least {_shown(self.lowest)}, got {_shown(value)}"
        if value > self.highest:
            return f"must be at most {_shown(self.highest)}, got {_shown(value)}"
        return f"must be a whole number, got {_shown(value)}"


class RequestSchema:
    """The features in the model's order, with the bounds of all of them as arrays.

    Attributes: `features`, `names`, `allowed` (a value for each that is allowed; all in the model's order),
    `threshold` (probability from which on the decision is 1), `identifier` (the column that names a row in files).
    """

    def __init__(self, features: tuple[Feature, ...], threshold: float, identifier: str | None = None) -> None:
        if not features or len({feature.name for feature in features}) != len(features):
            raise SchemaError("schema.json must list at least one feature, and each only once")
        self.features = features
        self.names = tuple(feature.name for feature in features)
        self.allowed = tuple(feature.allowed for feature in features)
        self.threshold = threshold
        self.identifier = identifier
        self._lowest = np.array([feature.lowest for feature in features])
        self._highest = np.array([feature.highest for feature in features])
        self._whole = np.array([feature.is_whole for feature in features])
        self._lookups = [
            (column, np.array(feature.categories)) for column, feature in enumerate(features) if feature.needs_lookup
        ]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read schema.json. Raises SchemaError when it has another format."""
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise SchemaError(
                f"{path} has format {document.get('format')!r}, this scoring code reads format {FORMAT}: "
                "deploy the model with the endpoints/ folder of the commit that trained it"
            )
        try:
            features = tuple(Feature.parse(feature) for feature in document["features"])
            threshold = float(document["decision"]["threshold"])
        except KeyError as error:
            raise SchemaError(f"{path} lacks the key {error}: package the model again") from error
        return cls(features, threshold, document.get("id"))

    def wrong_values(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which cells of `matrix` [rows, features] break the schema; NaN and infinities do."""
        # Negated, because every comparison with NaN is false.
        wrong = ~((matrix >= self._lowest) & (matrix <= self._highest))
        wrong |= self._whole & (matrix != np.trunc(matrix))
        for column, categories in self._lookups:
            wrong[:, column] |= ~np.isin(matrix[:, column], categories)
        return wrong

    def reasons(
        self, matrix: NDArray[np.float64], wrong: NDArray[np.bool_], limit: int
    ) -> Iterator[tuple[int, str, str]]:
        """Yield (row, field, reason) for the first `limit` wrong cells, row by row."""
        for row, column in np.argwhere(wrong)[:limit]:
            feature = self.features[column]
            yield int(row), feature.name, feature.reason(float(matrix[row, column]))


def _shown(value: float) -> str:
    """Write a number as a caller would: 5 rather than 5.0."""
    return str(int(value)) if float(value).is_integer() and abs(value) < LARGEST_PLAIN else repr(value)
