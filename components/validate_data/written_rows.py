"""What only whole columns tell about typed rows: statistics, and what is repeated. Reads one column at a time."""

from pathlib import Path
from typing import Any

import polars as pl

_MEASURES = {"minimum": "min", "median": "median", "mean": "mean", "maximum": "max"}
# Two hashes of 64 bits: rows that differ have the same two in one of 10^24 tables of 10 million rows.
_SEEDS = (1, 2)


def summary(file: Path) -> list[dict[str, Any]]:
    """Describe each column: minimum, median, mean, maximum of numbers, distinct values, missing."""
    table = pl.scan_parquet(file)
    return [
        {"column": name} | (_of_numbers(table, name) if kind.is_numeric() else _of_others(table, name))
        for name, kind in table.collect_schema().items()
    ]


def _of_numbers(table: pl.LazyFrame, name: str) -> dict[str, Any]:
    # In one piece: a mean is rounded by piece, and must not depend on how many there are.
    column = table.select(name).collect().to_series().rechunk()
    measured = {measure: getattr(column, method)() for measure, method in _MEASURES.items()}
    return measured | {"distinct": column.n_unique(), "missing": column.null_count()}


def _of_others(table: pl.LazyFrame, name: str) -> dict[str, Any]:
    missing = table.select(pl.col(name).null_count()).collect(engine="streaming").item()
    return dict.fromkeys(_MEASURES) | {"distinct": _different(table.select(name)), "missing": missing}


def repeated_rows(file: Path, identifier: str | None) -> int:
    """Return how many rows equal another one in everything except the id."""
    table = pl.scan_parquet(file).select(pl.exclude(identifier) if identifier else pl.all())
    return table.select(pl.len()).collect().item() - _different(table)


def _different(table: pl.LazyFrame) -> int:
    """Return how many rows are different, by hashes: texts and rows would take many times their memory."""
    row = pl.struct(pl.all())
    hashes = table.select(row.hash(seed).alias(str(seed)) for seed in _SEEDS)
    return hashes.unique().select(pl.len()).collect(engine="streaming").item()


def repeated_values(file: Path, name: str) -> pl.Series:
    """Return which values of a column [rows] another row has too; missing ones are not among them."""
    table = pl.scan_parquet(file).select(name)
    if table.collect_schema()[name].is_numeric():
        return _repeated(table.collect().to_series())
    is_known = pl.col(name).is_not_null()
    hashes = table.select(pl.when(is_known).then(pl.col(name).hash())).collect(engine="streaming").to_series()
    # Equal hashes may be of different texts.
    candidates = _repeated(hashes).arg_true()
    if not len(candidates):
        return pl.Series([False]).new_from_index(0, len(hashes))
    texts = table.collect().to_series().gather(candidates)
    found = candidates.filter(_repeated(texts))
    return pl.int_range(len(hashes), eager=True).is_in(found.implode())


def _repeated(values: pl.Series) -> pl.Series:
    return values.is_duplicated() & values.is_not_null()
