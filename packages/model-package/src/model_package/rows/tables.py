"""Columns of a table as numbers, and as the model's input. Needs polars (extra `tables`).

What no number stands for becomes NaN, as what is missing does: nothing is refused here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.errors import MeasurementError
from model_package.rows.cells import MICROSECONDS_PER_DAY, NAN, ORIGIN, CellReader
from model_package.rows.encoding import Tensors, Texts, encode, text_tensor
from model_package.schema import BOOLEAN, CATEGORY, TEXT, TIMESTAMP, Feature, Schema

# What numpy has as well; decimals and 128 bits are not among it.
_NUMPYS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64)
# A few hundred kilobytes of a matrix.
_BLOCK_ROWS = 4_096
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as ORIGIN

Kind = TypeVar("Kind", np.float32, np.float64)


def matrix(table: pl.DataFrame, names: Sequence[str], kind: type[Kind]) -> npt.NDArray[Kind]:
    """Return columns as a contiguous matrix [rows, names]; missing values are NaN.

    Raises MeasurementError for a column that is missing or holds no numbers.
    """
    columns = [column.to_numpy() for column in _numbers(table, names).get_columns()]
    made = np.empty((table.height, len(names)), kind)
    # Some rows of every column and then the next ones: what is being written stays in the processor's cache.
    for first in range(0, table.height, _BLOCK_ROWS):
        rows = slice(first, first + _BLOCK_ROWS)
        for at, column in enumerate(columns):
            made[rows, at] = column[rows]
    return made


def column(table: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """Return one column as float64 [rows]; missing values are NaN. Raises MeasurementError as `matrix` does."""
    return _numbers(table, [name])[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """A feature's values float64 [rows], NaN where they are missing or `unread` [rows]; `text` of a text column."""

    values: npt.NDArray[np.float64]
    unread: npt.NDArray[np.bool_]
    text: Texts | None = None


def tensors(table: pl.DataFrame, schema: Schema) -> Tensors:
    """Return the model's input of a table with the features as columns. Raises MeasurementError as `matrix` does."""
    if all(feature.is_number for feature in schema.features):
        return Tensors(matrix(table, schema.names, np.float32))
    columns = [read_column(table, feature) for feature in schema.features]
    values = np.stack([each.values for each in columns], axis=1)
    return encode(values, [each.text for each in columns if each.text is not None], schema)


def read_column(table: pl.DataFrame, feature: Feature) -> ColumnValues:
    """Return the values of a feature, as rows.cells defines them. Raises MeasurementError as `matrix` does."""
    if feature.is_number:
        return _all_read(column(table, feature.name))
    if feature.name not in table.columns:
        raise MeasurementError(f"there is no column {feature.name!r}")
    series = table[feature.name]
    if not fits(feature, series.dtype):
        raise MeasurementError(f"the column {feature.name!r} holds {series.dtype}, which is no {feature.type}")
    if feature.type == TIMESTAMP and series.dtype.is_temporal():
        return _all_read(_days(series))
    if feature.type == BOOLEAN and series.dtype == pl.Boolean:
        return _all_read(column(table, feature.name))
    if feature.type == TEXT:
        written = series.cast(pl.String)
        lengths = written.str.len_chars().cast(pl.Float64)
        values = lengths.replace(0.0, None).fill_null(NAN).to_numpy()
        return ColumnValues(values, np.zeros(len(series), bool), text_tensor(written.to_list()))
    return _looked_up(series, CellReader(feature))


def fits(feature: Feature, kind: pl.DataType) -> bool:
    """Tell whether a column of a type can hold the values of a feature; CSV holds all but numbers as texts."""
    is_text = kind in (pl.String, pl.Null) or isinstance(kind, pl.Categorical | pl.Enum)
    if feature.is_number:
        return kind.is_numeric() or kind == pl.Null
    if feature.type == BOOLEAN:
        return is_text or kind == pl.Boolean or kind.is_integer()
    if feature.type == TIMESTAMP:
        return is_text or kind == pl.Date or isinstance(kind, pl.Datetime)
    if feature.type == CATEGORY and not any(isinstance(each, str) for each in feature.categories or ()):
        return is_text or kind.is_numeric()
    return is_text


def _looked_up(series: pl.Series, reader: CellReader) -> ColumnValues:
    """Read every different cell once: few of them are different."""
    column = series.fill_nan(None) if series.dtype.is_numeric() else series.cast(pl.String)
    different = column.unique().drop_nulls()
    values, wrong = reader.read([reader.typed(str(cell)) for cell in different.to_list()])
    read = column.replace_strict(different, pl.Series(values, dtype=pl.Float64), default=NAN, return_dtype=pl.Float64)
    unread = np.zeros(len(column), bool)
    if wrong:
        unread = column.is_in(different.gather(wrong).implode()).fill_null(value=False).to_numpy()
    return ColumnValues(read.fill_null(NAN).to_numpy(), unread)


def _all_read(values: npt.NDArray[np.float64]) -> ColumnValues:
    return ColumnValues(values, np.zeros(len(values), bool))


def _days(series: pl.Series) -> npt.NDArray[np.float64]:
    """Return dates and times as days; those with a zone are kept in UTC by polars."""
    moments = series.cast(pl.Datetime("us")) if series.dtype == pl.Date else series.dt.cast_time_unit("us")
    origin = int((ORIGIN - _EPOCH).total_seconds()) * 1_000_000
    since = moments.to_physical() - origin
    return since.cast(pl.Float64).fill_null(NAN).to_numpy() / float(MICROSECONDS_PER_DAY)


def number_column(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as a type of number that numpy has too."""
    return pl.col(name) if kind in _NUMPYS else pl.col(name).cast(pl.Float64)


def _numbers(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise MeasurementError(f"there is no column {', '.join(repr(name) for name in missing)}")
    try:
        return table.select(number_column(name, table.schema[name]) for name in names)
    except pl.exceptions.PolarsError as error:
        raise MeasurementError(f"a column holds something that is not a number: {error}") from error
