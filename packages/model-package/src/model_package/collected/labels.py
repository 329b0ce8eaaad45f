"""Outcomes that became known later, to be joined to predictions by request id and row number.

Labels come late, twice, or never: a repetition counts once, and outcomes that contradict each other count as none.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from model_package.errors import UnreadableRows
from model_package.rows.collected_columns import CORRELATION_ID, IDENTITY, OUTCOME, ROW, collected_name
from model_package.schema import Schema
from model_package.tasks import task_of

PARQUET = ".parquet"


@dataclass(frozen=True)
class Labels:
    """`table` has correlation_id, row and `outcome` (of the target), each row once. The rest counts the file's rows."""

    table: pl.DataFrame
    rows: int = 0
    repeated: int = 0
    contradictory: int = 0
    unusable: int = 0


def outcome_column(schema: Schema) -> str:
    """Return the column of outcomes: the target, with a prefix where it is called like another column of the file."""
    return collected_name(schema.target, task_of(schema)) if schema.target in IDENTITY else schema.target


def read_labels(file: Path, schema: Schema) -> Labels:
    """Read a CSV or parquet file with correlation_id, the target, and row (0 without it).

    `outcome_column` says how the target is called there.

    Raises UnreadableRows for a file that is neither, is half-written, or lacks a column.
    """
    task, target = task_of(schema), outcome_column(schema)
    try:
        table = pl.read_parquet(file) if file.suffix == PARQUET else pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableRows(f"{file.name} cannot be read as a CSV or parquet file: {error}") from error
    missing = [name for name in (CORRELATION_ID, target) if name not in table.columns]
    if missing:
        needed = f"{CORRELATION_ID} and {target}, and {ROW} where a request has several rows"
        raise UnreadableRows(f"{file.name} has no column {', '.join(missing)}; it needs {needed}")
    if ROW not in table.columns:
        table = table.with_columns(pl.lit(0).alias(ROW))
    typed = table.select(
        pl.col(CORRELATION_ID).cast(pl.String),
        pl.col(ROW).cast(pl.Int64, strict=False),
        pl.col(target).cast(pl.Float64 if task.numeric_outcomes else pl.String, strict=False).alias(OUTCOME),
    )
    is_outcome = pl.Series(np.isfinite(task.encode(typed[OUTCOME].to_numpy())))
    usable = typed.filter(pl.all_horizontal(pl.col(IDENTITY).is_not_null()) & is_outcome)
    if task.numeric_outcomes and task.decides():
        usable = usable.with_columns(pl.col(OUTCOME).cast(pl.Int8))
    different = usable.unique(maintain_order=True)
    once = different.filter(pl.struct(IDENTITY).is_unique())
    return Labels(
        table=once,
        rows=table.height,
        repeated=usable.height - different.height,
        contradictory=different.select(IDENTITY).n_unique() - once.height,
        unusable=table.height - usable.height,
    )
