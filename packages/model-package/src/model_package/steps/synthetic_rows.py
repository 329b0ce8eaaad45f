"""Synthetic rows from a schema alone: valid values for every column, and a target that a model can learn from them.

They stand in where a project's own rows are not at hand: in its tests, and in a demo on another machine. They say
nothing about the real data: each column is drawn by itself, and the target is a sum of effects, noise added.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.schema import (
    BOOLEAN,
    CATEGORY,
    MULTICLASS_CLASSIFICATION,
    REGRESSION,
    TEXT,
    TIMESTAMP,
    Feature,
    Schema,
)
from model_package.tasks import base_task

ROWS: Final = 12_000
SEED: Final = 7
_MISSING_SHARE: Final = 0.05
# Of an open category: values that its list does not have.
_UNLISTED_SHARE: Final = 0.02
_UNLISTED: Final = "unlisted"
_BEGIN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - without a zone, as data files have it
_DAYS: Final = 730
_WORDS: Final = ("order", "ticket", "visit", "letter", "call", "form", "note", "answer", "question", "page")
_GOOD, _BAD = "excellent", "terrible"
# Where the schema states no limit.
_WIDTH: Final = 100.0
_LARGEST_WHOLE: Final = 2.0**53
_DIGITS: Final = 6
# The target: its noise beside effects with a deviation of 1; the log-odds; and the unit of a regression's.
_NOISE: Final = 0.5
_LOG_ODDS: Final = (-0.8, 2.0)
_MEAN, _DEVIATION = 200.0, 20.0

Floats = npt.NDArray[np.float64]


def synthetic_rows(schema: Schema, rows: int = ROWS, seed: int = SEED) -> pl.DataFrame:
    """Return a table with every column of the schema; the same for the same arguments.

    Five in a hundred values of a nullable column are missing, two of an open category are beyond its list. The effects
    of the first features on the target are the largest.
    """
    columns: dict[str, pl.Series] = {}
    if schema.identifier:
        columns[schema.identifier] = pl.Series(schema.identifier, np.arange(1, rows + 1))
    if schema.time and schema.time not in schema.names:
        columns[schema.time] = _times(schema.time, rows)
    total = np.zeros(rows)
    for number, feature in enumerate(schema.features):
        random = np.random.default_rng([seed, number])
        if feature.name == schema.time and feature.type == TIMESTAMP:
            columns[feature.name] = _times(feature.name, rows)
            continue
        column, effect = _column(feature, rows, random)
        missing = random.random(rows) < (_MISSING_SHARE if feature.nullable else 0)
        columns[feature.name] = column.set(pl.Series(missing), None)
        total += np.where(missing, 0.0, _standardized(effect)) / (1 + number)
    columns[schema.target] = _target(schema, _standardized(total), np.random.default_rng([seed, len(schema.features)]))
    return pl.DataFrame([column.alias(name) for name, column in columns.items()])


def csv_of(table: pl.DataFrame) -> str:
    """Return a table as the text of a CSV file, with timestamps in ISO 8601."""
    return table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S")


def _times(name: str, rows: int) -> pl.Series:
    """Moments in order, evenly spread over two years."""
    seconds = np.linspace(0, _DAYS * 86_400, rows).astype(np.int64)
    return pl.Series(name, [_BEGIN]).new_from_index(0, rows) + pl.Series(seconds * 1_000_000).cast(pl.Duration("us"))


def _column(feature: Feature, rows: int, random: np.random.Generator) -> tuple[pl.Series, Floats]:
    """Return valid values of a feature, and their effect on the target [rows]."""
    if feature.type == TEXT:
        return _texts(rows, random)
    if feature.type == TIMESTAMP:
        seconds = random.integers(0, _DAYS * 86_400, rows)
        moments = pl.Series([_BEGIN]).new_from_index(0, rows) + pl.Series(seconds * 1_000_000).cast(pl.Duration("us"))
        return moments, (moments.dt.weekday().to_numpy() > 5).astype(np.float64)
    if feature.type == BOOLEAN:
        truths = random.random(rows) < 0.5
        return pl.Series(truths), truths.astype(np.float64)
    if feature.categories:
        return _categories(feature, feature.categories, rows, random)
    low, high = _limits(feature)
    if feature.is_whole:
        values = random.integers(int(np.ceil(low)), int(np.floor(high)), rows, endpoint=True)
        return pl.Series(values), values.astype(np.float64)
    drawn = random.uniform(low, high, rows)
    digits = _DIGITS - int(np.ceil(np.log10(max(high - low, np.finfo(np.float64).tiny))))
    numbers = np.clip(np.round(drawn, digits), low, high) if abs(digits) < 100 else drawn
    return pl.Series(numbers), numbers


def _categories(
    feature: Feature, listed: tuple[float | str, ...], rows: int, random: np.random.Generator
) -> tuple[pl.Series, Floats]:
    """Return values of the list, and of an open category some others; what counts is the place in the list."""
    values: list[Any] = [each if isinstance(each, str) else int(each) for each in listed]
    places = random.integers(0, len(values), rows)
    effect = places.astype(np.float64)
    if feature.type == CATEGORY and feature.is_open:
        values.append(_UNLISTED if isinstance(values[0], str) else max(values) + 1)
        others = random.random(rows) < _UNLISTED_SHARE
        places = np.where(others, len(values) - 1, places)
        effect = np.where(others, (len(values) - 2) / 2, effect)
    return pl.Series(values).gather(places), effect


def _texts(rows: int, random: np.random.Generator) -> tuple[pl.Series, Floats]:
    """Return short texts, each with a word that matters among those that do not."""
    words = np.array(_WORDS)[random.integers(0, len(_WORDS), (rows, 5))]
    good = random.random(rows) < 0.5
    words[np.arange(rows), random.integers(0, 5, rows)] = ""
    telling = np.where(good, _GOOD, _BAD)
    return pl.Series([" ".join([*filter(None, row), word]) for row, word in zip(words, telling, strict=True)]), (
        good.astype(np.float64)
    )


def _limits(feature: Feature) -> tuple[float, float]:
    low, high = feature.minimum, feature.maximum
    if low is None:
        low = 0.0 if high is None else high - _WIDTH
    if high is None:
        high = low + _WIDTH
    return max(low, -_LARGEST_WHOLE), min(high, _LARGEST_WHOLE)


def _standardized(values: Floats) -> Floats:
    spread = values.std()
    return (values - values.mean()) / spread if spread else np.zeros(len(values))


def _target(schema: Schema, effects: Floats, random: np.random.Generator) -> pl.Series:
    """Return the target in its own words, from the sum of all effects [rows]."""
    if base_task(schema) == REGRESSION:
        noisy = effects + _NOISE * random.standard_normal(len(effects))
        return pl.Series(np.round(_MEAN + _DEVIATION * noisy, 3))
    if base_task(schema) == MULTICLASS_CLASSIFICATION:
        noisy = effects + _NOISE * random.standard_normal(len(effects))
        places = np.argsort(np.argsort(noisy)) * len(schema.classes) // len(noisy)
        return pl.Series(list(schema.classes)).gather(places)
    intercept, slope = _LOG_ODDS
    positive = random.random(len(effects)) < 1 / (1 + np.exp(-intercept - slope * effects))
    return pl.Series([_other_than(schema.positive), _positive(schema.positive)]).gather(positive.astype(np.int64))


def _positive(value: Any) -> Any:
    return 1 if value is None else value


def _other_than(value: Any) -> Any:
    """The other value of a binary target."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"not {value}"
    return 1 if value == 0 and value is not None else 0
