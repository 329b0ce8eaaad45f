"""The rows that a demo's callers send: held-out rows as requests, and the same rows on a made-up bad day. No I/O.

The bad day follows from the table and its schema alone, so that any project has one: numbers go towards the upper end
of their range, a rare category becomes frequent, dates and times later, and texts longer. The values stay valid, and
numbers keep their order, so that a newer model can learn from the day. Monitoring must find drift, not broken data:
nothing is missing more often, no column has one value only, and no category is new.

Where the newest rows test a model, the day would test the newer one alone. There, the day repeats the rows whose most
telling features are high, a week later, so that features and target relate as before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from model_package.rows.cells import CellReader
from model_package.schema import BOOLEAN, TEXT, TIMESTAMP, Feature, Schema

ROWS: Final = 2_000
_SEED: Final = 29
# How far numbers go towards the end of their range, and which share of the rows get a rare category.
_TOWARDS_THE_END: Final = 0.5
_REWEIGHTED: Final = 0.35
# Which share of the missing values is filled.
_FILLED: Final = 0.5
# Beyond it are outliers.
_END: Final = 0.99
# With fewer different values a number is a category.
_FEW_VALUES: Final = 12
# A category that fewer rows have may be unknown to the model.
_RAREST_SHARE: Final = 0.02
_RAREST_ROWS: Final = 3
_ANY_NUMBER: Final = 1e6
_WEEK: Final = timedelta(weeks=1)
_SHORTEST_DELAY: Final = 9 * _WEEK
# How many of the most telling features decide which rows are repeated, how strongly, and which share of the rows that
# is. None is drawn twice: a newer model would learn the noise of a few rows.
_TELLING: Final = 3
_STRENGTH: Final = 2.5
_REPEATED_SHARE: Final = 0.4
# Fewer are too few to retrain on.
_LEAST_ROWS: Final = 600
_LATEST: Final = datetime(9000, 1, 1)  # noqa: DTZ001 - timestamps of a table have no zone


def request_bodies(table: pl.DataFrame, schema: Schema) -> list[bytes]:
    """Return a request of one row for each row, in a caller's words: null, true, ISO 8601, texts as they are."""
    return [json.dumps({"input_data": [row]}).encode() for row in _cells(table, schema)]


def shifted(table: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return ROWS rows of a typed table, drawn again where it has fewer, with every feature shifted; always the same.

    The target stays: a row is what it was, and only looks different. Of a table whose newest rows test a model, the
    day has a share of the rows, at least _LEAST_ROWS in all and at most ROWS.
    """
    if schema.time in schema.names and (score := _telling(table, schema)) is not None:
        return _repeated(table, schema, score)
    drawn = table.sample(ROWS, with_replacement=table.height < ROWS, shuffle=True, seed=_SEED)
    random = np.random.default_rng(_SEED)
    return drawn.with_columns(_shift(drawn[feature.name], feature, random) for feature in schema.features)


def _repeated(table: pl.DataFrame, schema: Schema, score: np.ndarray) -> pl.DataFrame:
    """Return rows drawn by their score [rows], each as often as the others, a week later."""
    weight = np.exp(_STRENGTH * np.clip((score - score.mean()) / score.std(), -3, 3))
    count = min(ROWS, math.ceil(_REPEATED_SHARE * table.height))
    chosen = np.random.default_rng(_SEED).choice(table.height, count, replace=False, p=weight / weight.sum())
    drawn = table[np.tile(chosen, math.ceil(_LEAST_ROWS / count))]
    times = [feature.name for feature in schema.features if feature.type == TIMESTAMP]
    return drawn.with_columns(
        (drawn[name].cast(pl.Datetime("us")) + _WEEK).cast(drawn[name].dtype).alias(name) for name in times
    )


def _telling(table: pl.DataFrame, schema: Schema) -> np.ndarray | None:
    """Return the sum of the features that follow the target most, standardised [rows]; None if none varies."""
    target = _standardised(table[schema.target].rank("dense").cast(pl.Float64))
    found = []
    for feature in schema.features:
        if feature.type in (TEXT, TIMESTAMP):
            continue
        column = table[feature.name]
        if not feature.is_number or feature.codes is not None:
            # A category by the mean target of its rows.
            pairs = pl.DataFrame({"category": column, "target": target})
            mean = pl.col("target").mean().over("category")
            column = pairs.select(pl.when(pl.col("category").is_not_null()).then(mean)).to_series()
        numbers = _standardised(column.cast(pl.Float64))
        if numbers.any():
            found.append((abs(float(np.mean(numbers * target))), numbers))
    found.sort(key=lambda each: -each[0])
    total = np.sum([numbers for _, numbers in found[:_TELLING]], axis=0)
    return total if np.any(total) else None


def _standardised(column: pl.Series) -> np.ndarray:
    """Return numbers with mean 0 and deviation 1, and 0 for what is missing or does not vary."""
    numbers = column.fill_nan(None).to_numpy().astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    deviation = known.std() if len(known) else 0.0
    return np.nan_to_num((numbers - known.mean()) / deviation) if deviation > 0 else np.zeros(len(numbers))


def _shift(column: pl.Series, feature: Feature, random: np.random.Generator) -> pl.Series:
    chosen, filled = random.random(len(column)) < _REWEIGHTED, random.random(len(column)) < _FILLED
    known = column.drop_nulls()
    if known.is_empty():
        return _with_another_value(column, feature)
    column = _where(filled & column.is_null().to_numpy(), known.gather(np.arange(len(column)) % len(known)), column)
    if known.n_unique() == 1:
        return _with_another_value(column, feature)
    if feature.type == TIMESTAMP:
        return _later(column)
    if feature.type == TEXT:
        return (column + " " + column).alias(column.name)
    if not feature.is_number or feature.codes is not None or known.n_unique() <= _FEW_VALUES:
        instead = pl.Series([_rare_value(known, feature)], dtype=column.dtype).new_from_index(0, len(column))
        return _where(chosen & column.is_not_null().to_numpy(), instead, column)
    return _towards_the_end(column, feature)


def _where(chosen: np.ndarray, instead: pl.Series, column: pl.Series) -> pl.Series:
    return instead.zip_with(pl.Series(chosen), column).alias(column.name)


def _rare_value(known: pl.Series, feature: Feature) -> Any:
    """Return the rarest value that the model surely knows; the most frequent one where only that is."""
    counts = known.alias("value").value_counts(name="rows").sort("rows", "value")
    listed = pl.Series([True]).new_from_index(0, counts.height)
    if feature.is_open:
        listed = counts["value"].is_in(pl.Series(feature.categories, dtype=known.dtype).implode())
    common = counts.filter(listed & (counts["rows"] >= max(_RAREST_ROWS, _RAREST_SHARE * len(known))))
    return (common if common.height > 1 else counts[-1:])["value"][0]


def _with_another_value(column: pl.Series, feature: Feature) -> pl.Series:
    """Return a column of one value, or of none, with another valid value in its first row, if there is one."""
    value: Any = column.drop_nulls().first()
    if feature.is_number and feature.codes is None:
        low = -_ANY_NUMBER if feature.minimum is None else feature.minimum
        high = _ANY_NUMBER if feature.maximum is None else feature.maximum
        others: list[Any] = [0 if value is None else value + 1, 0 if value is None else value - 1, low, high]
        others = [other for other in others if low <= other <= high]
    elif feature.type == BOOLEAN:
        others = [False, True]
    elif feature.type == TIMESTAMP:
        others = [datetime(2000, 1, 1) if value is None else value + _SHORTEST_DELAY]  # noqa: DTZ001 - as in the table
    elif feature.type == TEXT:
        others = [f"{value or ''} text"]
    else:
        others = list(feature.categories or ())
    others = [other for other in others if other != value]
    if not others:
        return column
    first = pl.Series(column.name, others[:1], dtype=column.dtype, strict=False)
    return pl.concat([first, column[1:]])


def _towards_the_end(column: pl.Series, feature: Feature) -> pl.Series:
    known, numbers = column.drop_nulls(), column.cast(pl.Float64)
    end = known.cast(pl.Float64).quantile(_END, "nearest")
    far = pl.select(pl.max_horizontal(pl.lit(end), numbers)).to_series()
    shifted_numbers = numbers + _TOWARDS_THE_END * (far - numbers)
    if feature.is_whole:
        shifted_numbers = shifted_numbers.round()
    return shifted_numbers.cast(column.dtype).alias(column.name)


def _later(column: pl.Series) -> pl.Series:
    moments = column.cast(pl.Datetime("us"))
    first, last = moments.min(), moments.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return column
    # Whole weeks: hours and weekdays mean what they did.
    delay = min(max((last - first) // _WEEK * _WEEK, _SHORTEST_DELAY), max(_LATEST - last, timedelta(0)))
    return (moments + delay).cast(column.dtype).alias(column.name)


def _cells(table: pl.DataFrame, schema: Schema) -> Iterator[dict[str, Any]]:
    readers = [CellReader(feature) for feature in schema.features]
    for row in table.select(schema.names).iter_rows():
        yield {reader.feature.name: _cell(value, reader) for value, reader in zip(row, readers, strict=True)}


def _cell(value: Any, reader: CellReader) -> Any:
    """Return a value of a typed table, or a text of a CSV file, as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and np.isnan(value):
        return None
    if not isinstance(value, str):
        return value
    if reader.feature.is_number:
        number = float(value) if value else None
        return int(number) if number is not None and reader.feature.is_whole else number
    return reader.typed(value or None)
