"""CSV and parquet files of rows as matrices for the model, batch by batch, or the reason why a file has none.

The columns and what values they may have are said by rules.py; columns beyond them are left out. Memory does not grow
with the file. Needs polars (extra `tables`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.datatypes import DataTypeClass

from model_package.errors import Finding, InvalidRows, UnreadableRows
from model_package.rows.rules import RowRules
from model_package.rows.tables import matrix, number_column

# Large enough that Python's share is small, small enough for a matrix of a few megabytes.
BATCH_ROWS = 50_000
MAX_FINDINGS = 20
CSV = ".csv"
PARQUET = ".parquet"
KINDS = (CSV, PARQUET)
_INFERRED_ROWS = 1_000
_SHOWN_NAMES = 8
_SHOWN_CHARACTERS = 60

Types = Mapping[str, pl.DataType | DataTypeClass]


@dataclass(frozen=True)
class Batch:
    """Some rows: `features` float32 [rows, features] in the model's order; `keys` what identifies them, or nothing."""

    features: npt.NDArray[np.float32]
    keys: pl.DataFrame


def identifiers(file: Path, rules: RowRules) -> dict[str, pl.DataType]:
    """Return the identifying column of a file with its type, empty where it has none. Raises UnreadableRows."""
    types = _types(file, _scan(file, rules), rules)
    return {name: kind for name, kind in types.items() if name == rules.schema.identifier}


def batches(file: Path, rules: RowRules) -> Iterator[Batch]:
    """Yield the rows in order. Raises UnreadableRows, or InvalidRows at the first batch with a wrong value."""
    rows = _scan(file, rules)
    types = _types(file, rows, rules)
    keys = [name for name in types if name == rules.schema.identifier]
    known = [number_column(name, types[name]) for name in rules.names]
    first = 0
    try:
        for frame in rows.select(*keys, *known).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            if not frame.height:
                continue
            features = frame.select(rules.names)
            if not _surely_right(features, rules):
                _check(features, rules, first)
            first += frame.height
            yield Batch(matrix(features, rules.names, np.float32), frame.select(keys))
    except pl.exceptions.PolarsError as error:
        raise UnreadableRows(_first_line(error)) from error


def _scan(file: Path, rules: RowRules) -> pl.LazyFrame:
    suffix = file.suffix.lower()
    if suffix not in KINDS:
        raise UnreadableRows(f"it is not a file of rows: its name must end with {' or '.join(KINDS)}")
    if file.stat().st_size == 0:
        raise UnreadableRows("it is empty")
    if suffix == PARQUET:
        return pl.scan_parquet(file)
    numbers = dict.fromkeys(rules.names, pl.Float64)
    return pl.scan_csv(file, schema_overrides=numbers, infer_schema_length=_INFERRED_ROWS)


def _types(file: Path, rows: pl.LazyFrame, rules: RowRules) -> dict[str, pl.DataType]:
    """Return the types of the columns. Raises UnreadableRows when some are missing or hold no numbers."""
    try:
        types = dict(rows.collect_schema())
    except pl.exceptions.PolarsError as error:
        raise UnreadableRows(_first_line(error)) from error
    missing = [name for name in rules.names if name not in types]
    if missing:
        hint = ": are its values separated by commas?" if file.suffix.lower() == CSV and len(types) == 1 else ""
        raise UnreadableRows(f"it lacks the column {_some(missing)}; it has {_some(list(types))}{hint}")
    for name in rules.names:
        if not types[name].is_numeric():
            raise UnreadableRows(f"its column {name} holds {types[name]}, not numbers")
    return types


def _surely_right(features: pl.DataFrame, rules: RowRules) -> bool:
    """Tell whether a look at each column's ends settles that no value is wrong; False asks for a closer look."""
    lowest, highest = features.min().row(0), features.max().row(0)
    for each, low, high in zip(rules.features, lowest, highest, strict=True):
        column = features[each.feature.name]
        inside = low is not None and not column.null_count() and each.lowest <= low and high <= each.highest
        if not inside or each.needs_lookup or not _is_sound(column, whole=each.feature.is_whole):
            return False
    return True


def _is_sound(column: pl.Series, *, whole: bool) -> bool:
    """Tell whether there is no NaN, which minimum and maximum leave out, and no fraction where only `whole` may be."""
    if column.dtype.is_integer():
        return True
    return not column.is_nan().any() and (not whole or bool((column == column.round()).all()))


def _check(features: pl.DataFrame, rules: RowRules, first: int) -> None:
    """Raise InvalidRows when the rules refuse a value; `first` is the number of the first row in the file."""
    values = matrix(features, rules.names, np.float64)
    wrong = rules.wrong_values(values)
    if not wrong.any():
        return
    findings = [
        Finding(first + (found.row or 0), found.field, found.reason)
        for found in rules.findings(values, wrong, MAX_FINDINGS)
    ]
    total, shown = int(wrong.sum()), findings[0]
    raise InvalidRows(
        f"it has values that the model must not be given, {total} or more; the first: "
        f"row {shown.row}, {shown.field} {shown.reason}",
        findings,
        total,
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:_SHOWN_CHARACTERS] for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


def _first_line(error: pl.exceptions.PolarsError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
