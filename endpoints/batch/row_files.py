"""CSV and parquet files of rows as matrices for the model, batch by batch, or the reason why a file has none.

The columns and what values they may have are the package's (request_schema.py); columns beyond them are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.datatypes import DataTypeClass
from request_schema import RequestSchema

# Large enough that Python's share is small, small enough for a matrix of a few megabytes.
BATCH_ROWS = 50_000
# A few hundred kilobytes of a matrix.
BLOCK_ROWS = 4_096
MOST_DETAILS = 20
INFERRED_ROWS = 1_000
SHOWN_NAMES = 8
SHOWN_CHARACTERS = 60
CSV = ".csv"
PARQUET = ".parquet"
KINDS = (CSV, PARQUET)
# What numpy has as well; decimals and 128 bits are not among it.
NUMPYS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64)

Types = Mapping[str, pl.DataType | DataTypeClass]


class UnusableFile(Exception):
    """The file cannot be read as rows at all; the message says why."""


class WrongRows(UnusableFile):
    """Values that the model must not be asked about: the first `details` of at least `total`."""

    def __init__(self, message: str, details: tuple[dict[str, Any], ...], total: int) -> None:
        super().__init__(message)
        self.details = details
        self.total = total


@dataclass(frozen=True)
class Batch:
    """Some rows: `features` float32 [rows, features] in the model's order; `keys` what identifies them, or nothing."""

    features: NDArray[np.float32]
    keys: pl.DataFrame


def identifiers(file: Path, schema: RequestSchema) -> dict[str, pl.DataType]:
    """The identifying column of a file with its type, empty where it has none. Raises UnusableFile."""
    types = _types(file, _scan(file, schema), schema)
    return {name: kind for name, kind in types.items() if name == schema.identifier}


def batches(file: Path, schema: RequestSchema) -> Iterator[Batch]:
    """Yield the rows in order. Raises UnusableFile, or WrongRows at the first batch that has some."""
    rows = _scan(file, schema)
    types = _types(file, rows, schema)
    keys = [name for name in types if name == schema.identifier]
    known = [pl.col(name) if types[name] in NUMPYS else pl.col(name).cast(pl.Float64) for name in schema.names]
    first = 0
    try:
        for frame in rows.select(*keys, *known).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            if not frame.height:
                continue
            features = frame.select(schema.names)
            if not _surely_right(features, schema):
                _check(features, schema, first)
            first += frame.height
            yield Batch(_matrix(features, np.float32), frame.select(keys))
    except pl.exceptions.PolarsError as error:
        raise UnusableFile(_first_line(error)) from error


def _scan(file: Path, schema: RequestSchema) -> pl.LazyFrame:
    suffix = file.suffix.lower()
    if suffix not in KINDS:
        raise UnusableFile(f"it is no file of rows: its name must end with {' or '.join(KINDS)}")
    if file.stat().st_size == 0:
        raise UnusableFile("it is empty")
    if suffix == PARQUET:
        return pl.scan_parquet(file)
    numbers = dict.fromkeys(schema.names, pl.Float64)
    return pl.scan_csv(file, schema_overrides=numbers, infer_schema_length=INFERRED_ROWS)


def _types(file: Path, rows: pl.LazyFrame, schema: RequestSchema) -> dict[str, pl.DataType]:
    """The types of the columns. Raises UnusableFile when some are missing or hold no numbers."""
    try:
        types = dict(rows.collect_schema())
    except pl.exceptions.PolarsError as error:
        raise UnusableFile(_first_line(error)) from error
    missing = [name for name in schema.names if name not in types]
    if missing:
        hint = ": are its values separated by commas?" if file.suffix.lower() == CSV and len(types) == 1 else ""
        raise UnusableFile(f"it lacks the column {_some(missing)}; it has {_some(list(types))}{hint}")
    for name in schema.names:
        if not types[name].is_numeric():
            raise UnusableFile(f"its column {name} holds {types[name]}, not numbers")
    return types


def _surely_right(features: pl.DataFrame, schema: RequestSchema) -> bool:
    """Whether a look at each column's ends settles that no value is wrong; False asks for a closer look."""
    lowest, highest = features.min().row(0), features.max().row(0)
    for feature, low, high in zip(schema.features, lowest, highest, strict=True):
        column = features[feature.name]
        inside = low is not None and not column.null_count() and feature.lowest <= low and high <= feature.highest
        if not inside or feature.needs_lookup or not _is_sound(column, whole=feature.is_whole):
            return False
    return True


def _is_sound(column: pl.Series, *, whole: bool) -> bool:
    """Whether there is no NaN, which minimum and maximum leave out, and no fraction where only `whole` may be."""
    if column.dtype.is_integer():
        return True
    return not column.is_nan().any() and (not whole or bool((column == column.round()).all()))


def _check(features: pl.DataFrame, schema: RequestSchema, first: int) -> None:
    """Raise WrongRows when the schema refuses a value; `first` is the number of the first row in the file."""
    matrix = _matrix(features, np.float64)
    wrong = schema.wrong_values(matrix)
    if not wrong.any():
        return
    details = tuple(
        {"row": first + row, "field": field, "reason": reason}
        for row, field, reason in schema.reasons(matrix, wrong, MOST_DETAILS)
    )
    total = int(wrong.sum())
    shown = details[0]
    raise WrongRows(
        f"it has values that the model must not be asked about, {total} or more; the first: "
        f"row {shown['row']}, {shown['field']} {shown['reason']}",
        details,
        total,
    )


def _matrix(features: pl.DataFrame, kind: type[np.floating[Any]]) -> NDArray[Any]:
    """The values by rows. One that is missing becomes NaN, which the schema refuses."""
    columns = [column.to_numpy() for column in features.get_columns()]
    matrix = np.empty(features.shape, kind)
    # Some rows of every column and then the next ones: what is being written stays in the processor's cache.
    for first in range(0, features.height, BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        for at, column in enumerate(columns):
            matrix[rows, at] = column[rows]
    return matrix


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:SHOWN_CHARACTERS] for name in names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"


def _first_line(error: pl.exceptions.PolarsError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
