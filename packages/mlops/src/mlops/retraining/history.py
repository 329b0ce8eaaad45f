"""Labelled rows behind those of a data file, as one file of the same columns. Reads in streams; knows no workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from mlops.errors import InputError
from mlops.gates.package_documents import Schema

_ADVICE: Final = "Train on it first: `mlops train --stage dev --data-version newest` says what is wrong with it."


def without_known(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The rows that equal none of a data file in every feature: as another row they would test what they trained.

    What stands in the file under a row's own number is the row itself.
    """
    others = _others(history, rows, schema).select(pl.col(schema.names).cast(pl.Float64, strict=False))
    mine = rows.lazy().with_columns(pl.col(schema.names).cast(pl.Float64)).with_row_index()
    new = mine.join(others, on=schema.names, how="anti").select("index").sort("index").collect()["index"]
    return rows[new]


def write_together(history: Path | None, rows: pl.DataFrame, schema: Schema, file: Path) -> int:
    """Write a CSV of a data file's rows and the labelled ones, which replace rows of the same number.

    Gives the number of rows. The same rows always make the same bytes. Raises InputError for a file without the
    schema's columns.
    """
    new = rows.lazy().select(pl.col(_columns(schema)).cast(pl.String))
    parts = [new] if history is None else [_others(history, rows, schema), new]
    pl.concat(parts, how="vertical").sink_csv(file)
    return int(pl.scan_csv(file, infer_schema=False).select(pl.len()).collect().item())


def _others(history: Path, rows: pl.DataFrame, schema: Schema) -> pl.LazyFrame:
    """The rows of a data file as text, without those of the same number as a labelled one."""
    try:
        lines = pl.scan_csv(history, infer_schema=False)
        found = lines.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{history.name} is no readable CSV file: {error}", _ADVICE) from error
    missing = [name for name in _columns(schema) if name not in found]
    if missing:
        raise InputError(f"{history.name} has no column {', '.join(missing)}", _ADVICE)
    number = pl.col(schema.id).str.strip_chars().cast(pl.Int64, strict=False)
    again = number.is_in(rows[schema.id].implode()).fill_null(value=False)
    return lines.select(_columns(schema)).filter(~again)


def _columns(schema: Schema) -> list[str]:
    return [schema.id, *schema.names, schema.target]
