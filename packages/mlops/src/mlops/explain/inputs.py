"""The rows of a scoring request as the model's input. What the endpoint refuses besides, score.py says."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mlops.core.errors import InputError
from mlops.models.package_documents import Baseline, Feature, FeatureBaseline, Schema
from mlops.settings.measures import Unmeasurable

_ROWS_KEY: Final = "input_data"
# Each row costs thousands of scores.
MOST_ROWS: Final = 100
_SHAPE: Final = (
    f'Give a request as `mlops score` takes it: {{"{_ROWS_KEY}": [{{feature: number, …}}, …]}}, one such object, '
    'or {"columns": […], "data": [[…], …]}.'
)


def read_request(body: bytes, schema: Schema) -> npt.NDArray[np.float64]:
    """The rows [rows, features] in the schema's order. Raises InputError that names row and feature."""
    try:
        document = json.loads(body)
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"the request is not JSON: {error}", _SHAPE) from error
    if not isinstance(document, dict) or _ROWS_KEY not in document:
        raise InputError(f"the request has no `{_ROWS_KEY}`", _SHAPE)
    rows = _rows(document[_ROWS_KEY])
    if not rows:
        raise InputError("the request has no rows", _SHAPE)
    if len(rows) > MOST_ROWS:
        raise InputError(f"the request has {len(rows)} rows; at most {MOST_ROWS} are explained", "Send fewer.")
    return np.array([_values(number, row, schema.names) for number, row in enumerate(rows)], dtype=np.float64)


def _rows(data: Any) -> list[Any]:
    if isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):
        columns, rows = data["columns"], data["data"]
        return [
            dict(zip(columns, row, strict=True)) if isinstance(row, list) and len(row) == len(columns) else row
            for row in rows
        ]
    return data if isinstance(data, list) else [data]


def _values(number: int, row: Any, names: list[str]) -> list[float]:
    if not isinstance(row, dict):
        raise InputError(f"row {number} is not an object with a number for each feature", _SHAPE)
    unknown = sorted(str(name) for name in row.keys() - set(names))
    if unknown:
        raise InputError(f"row {number} has '{unknown[0]}', which is no feature of the model", _SHAPE)
    return [_value(number, name, row.get(name)) for name in names]


def _value(number: int, name: str, value: Any) -> float:
    if value is None:
        raise InputError(f"row {number} has no {name}", "Give every feature of schema.json.")
    if type(value) not in (int, float) or not _fits(value):
        raise InputError(f"row {number}: {name} is {value!r}, which is no number", "Give numbers, categories by code.")
    return float(value)


def _fits(value: float) -> bool:
    # The model reads float32; a larger integer cannot even become a float.
    return abs(value) <= float(np.finfo(np.float32).max) and math.isfinite(value)


Floats = npt.NDArray[np.float64]


def draw_background(schema: Schema, baseline: Baseline, count: int, random: np.random.Generator) -> Floats:
    """Rows [count, features] in the schema's order; each feature's values are spread evenly over its distribution.

    Raises Unmeasurable when the baseline does not know a feature.
    """
    return np.column_stack([_draw(feature, baseline, _spread(count, random)) for feature in schema.features])


def _spread(count: int, random: np.random.Generator) -> Floats:
    """One number from each of `count` equal parts of 0 to 1, in random order."""
    return (random.permutation(count) + random.random(count)) / count


def _draw(feature: Feature, baseline: Baseline, shares: Floats) -> Floats:
    known = baseline.features.get(feature.name)
    if known is None or not sum(known.counts):
        raise Unmeasurable(f"the package's baseline knows no values of '{feature.name}'")
    reached = np.cumsum(known.counts) / sum(known.counts)
    if known.categories is not None:
        return _codes(feature, known)[np.searchsorted(reached, shares, side="right")]
    if known.edges is None or len(known.edges) != len(known.counts) + 1:
        raise Unmeasurable(f"the package's baseline has no edges that fit the counts of '{feature.name}'")
    values = np.interp(shares, np.concatenate([[0.0], reached]), known.edges)
    return np.rint(values) if feature.type == "integer" else values


def _codes(feature: Feature, known: FeatureBaseline) -> Floats:
    codes = np.array(known.categories, dtype=np.float64)
    if len(codes) != len(known.counts):
        raise Unmeasurable(f"the package's baseline has not as many codes as counts of '{feature.name}'")
    return codes
