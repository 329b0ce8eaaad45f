"""CSV and parquet files of rows as the model's input, batch by batch, or the reason why a file has none.

The columns and what values they may have are said by rules.py; columns beyond them are left out. Memory does not grow
with the file. Needs polars (extra `tables`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.datatypes import DataTypeClass

from model_package.errors import Finding, InvalidRows, UnreadableRows
from model_package.rows.encoding import Tensors, encode
from model_package.rows.rules import FeatureRules, Mask, RowRules
from model_package.rows.tables import fits, matrix, number_column, read_column
from model_package.schema import Feature

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
    """Some rows: the model's input, and `keys`, what identifies them, or nothing."""

    rows: Tensors
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
    known = [_column(each, types[each.name]) for each in rules.schema.features]
    first = 0
    try:
        for frame in rows.select(*keys, *known).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            if not frame.height:
                continue
            read = checked_rows(frame, rules, first)
            first += frame.height
            yield Batch(read, frame.select(keys))
    except pl.exceptions.PolarsError as error:
        raise UnreadableRows(_first_line(error)) from error


def checked_rows(frame: pl.DataFrame, rules: RowRules, first: int = 0) -> Tensors:
    """Return the model's input of rows, whose columns `check_columns` accepts.

    Raises InvalidRows; `first` is the number of the first row in its file.
    """
    features = frame.select(_column(each, frame.schema[each.name]) for each in rules.schema.features)
    return _numbers(features, rules, first) if rules.is_numeric else _all_kinds(features, rules, first)


def check_columns(types: Mapping[str, pl.DataType], rules: RowRules, hint: str = "") -> None:
    """Raise UnreadableRows when columns are missing or hold other values than the schema's."""
    missing = [name for name in rules.names if name not in types]
    if missing:
        raise UnreadableRows(f"it lacks the column {_some(missing)}; it has {_some(list(types))}{hint}")
    for each in rules.schema.features:
        if not fits(each, types[each.name]):
            expected = "numbers" if each.is_number else f"values of type {each.type}"
            raise UnreadableRows(f"its column {each.name} holds {types[each.name]}, not {expected}")


def _scan(file: Path, rules: RowRules) -> pl.LazyFrame:
    suffix = file.suffix.lower()
    if suffix not in KINDS:
        raise UnreadableRows(f"it is not a file of rows: its name must end with {' or '.join(KINDS)}")
    if file.stat().st_size == 0:
        raise UnreadableRows("it is empty")
    if suffix == PARQUET:
        return pl.scan_parquet(file)
    types = {each.name: pl.Float64 if each.is_number else pl.String for each in rules.schema.features}
    return pl.scan_csv(file, schema_overrides=types, infer_schema_length=_INFERRED_ROWS)


def _types(file: Path, rows: pl.LazyFrame, rules: RowRules) -> dict[str, pl.DataType]:
    """Return the types of the columns. Raises UnreadableRows when some are missing or hold no numbers."""
    try:
        types = dict(rows.collect_schema())
    except pl.exceptions.PolarsError as error:
        raise UnreadableRows(_first_line(error)) from error
    is_one_column = file.suffix.lower() == CSV and len(types) == 1
    check_columns(types, rules, ": are its values separated by commas?" if is_one_column else "")
    return types


def _column(feature: Feature, kind: pl.DataType) -> pl.Expr:
    return number_column(feature.name, kind) if feature.is_number else pl.col(feature.name)


def _numbers(features: pl.DataFrame, rules: RowRules, first: int) -> Tensors:
    """Return rows of which every feature is a number. Raises InvalidRows; `first` is the first row's number."""
    if not _surely_right(features, rules):
        values = matrix(features, rules.names, np.float64)
        _check(features, values, np.zeros(values.shape, bool), rules, first)
    return Tensors(matrix(features, rules.names, np.float32))


def _all_kinds(features: pl.DataFrame, rules: RowRules, first: int) -> Tensors:
    """Return rows with features of any kind. Raises InvalidRows; `first` is the first row's number."""
    columns = [read_column(features, each) for each in rules.schema.features]
    values = np.stack([each.values for each in columns], axis=1)
    _check(features, values, np.stack([each.unread for each in columns], axis=1), rules, first)
    return encode(values, [each.text for each in columns if each.text is not None], rules.schema)


def _surely_right(features: pl.DataFrame, rules: RowRules) -> bool:
    """Tell whether a look at each column's ends settles that no value is wrong; False asks for a closer look."""
    lowest, highest = features.min().row(0), features.max().row(0)
    for each, low, high in zip(rules.features, lowest, highest, strict=True):
        column = features[each.feature.name]
        is_complete = each.feature.nullable or not column.null_count()
        inside = low is not None and is_complete and each.lowest <= low and high <= each.highest
        if not inside or each.needs_lookup or not _is_sound(column, each):
            return False
    return True


def _is_sound(column: pl.Series, rules: FeatureRules) -> bool:
    """Tell whether there is no NaN, which minimum and maximum leave out, and no fraction where none may be."""
    if column.dtype.is_integer():
        return True
    if rules.feature.nullable:
        column = column.fill_nan(None)
    return not column.is_nan().any() and (not rules.is_whole or bool((column == column.round()).all()))


def _check(features: pl.DataFrame, values: npt.NDArray[np.float64], unread: Mask, rules: RowRules, first: int) -> None:
    """Raise InvalidRows when a cell is not read, or the rules refuse its value; all are [rows, features]."""
    wrong = unread | rules.wrong_values(values)
    if not wrong.any():
        return
    findings = []
    for row, column in np.argwhere(wrong)[:MAX_FINDINGS].tolist():
        reader, found, value = rules.readers[column], features[row, column], float(values[row, column])
        # A number that is there is said by its limits, as is the NaN of a file; everything else by the cell.
        is_number = not math.isnan(value) or (isinstance(found, float) and math.isnan(found))
        cell = reader.typed(found) if isinstance(found, str) else found
        reason = rules.features[column].reason(value) if is_number else reader.reason(cell)
        findings.append(Finding(first + row, reader.feature.name, reason))
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
