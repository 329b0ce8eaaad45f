"""Outcomes that became known later, joined to predictions by request id and row number.

Labels come late, twice, or never: a repetition counts once, outcomes that contradict each other count as none, and
what was predicted outside of the window is left for the window it belongs to.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from collected import CORRELATION_ID, KEY, ROW, row_keys

PARQUET = ".parquet"
_OUTCOMES = (0.0, 1.0)


@dataclass(frozen=True)
class Labels:
    """`frame` has `key` and the target (0 or 1), each key once. The rest counts rows of the file."""

    frame: pl.DataFrame
    rows: int = 0
    repeated: int = 0
    contradictory: int = 0
    unusable: int = 0


def read_labels(file: Path, target: str) -> Labels:
    """Read a CSV or parquet file with correlation_id, the target, and row (0 without it).

    Raises ValueError for a file that is neither, is half-written, or lacks a column.
    """
    try:
        table = pl.read_parquet(file) if file.suffix == PARQUET else pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{file.name} is no readable CSV or parquet file: {error}") from error
    missing = [name for name in (CORRELATION_ID, target) if name not in table.columns]
    if missing:
        raise ValueError(f"{file.name} has no column {', '.join(missing)}; it needs {CORRELATION_ID} and {target}")
    if ROW not in table.columns:
        table = table.with_columns(pl.lit(0).alias(ROW))
    outcome = pl.col(target).cast(pl.Float64, strict=False)
    typed = table.select(
        pl.col(CORRELATION_ID).cast(pl.String), pl.col(ROW).cast(pl.Int64, strict=False), outcome.alias(target)
    )
    usable = typed.filter(
        pl.col(CORRELATION_ID).is_not_null() & pl.col(ROW).is_not_null() & pl.col(target).is_in(_OUTCOMES)
    )
    keyed = usable.select(row_keys(), pl.col(target).cast(pl.Int8))
    different = keyed.unique()
    once = different.filter(pl.col(KEY).is_unique()).sort(KEY)
    return Labels(
        frame=once,
        rows=table.height,
        repeated=keyed.height - different.height,
        contradictory=different[KEY].n_unique() - once.height,
        unusable=table.height - usable.height,
    )
