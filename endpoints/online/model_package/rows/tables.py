"""Columns of a table as the model's input matrix. Needs polars (extra `tables`).

For rows that were validated before, such as the parts of a split: what is missing becomes NaN, nothing is refused.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.errors import MeasurementError

# What numpy has as well; decimals and 128 bits are not among it.
_NUMPYS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64)
# A few hundred kilobytes of a matrix.
_BLOCK_ROWS = 4_096

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
        raise MeasurementError(f"a column holds something that is no number: {error}") from error
