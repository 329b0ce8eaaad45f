"""Collected inputs, their answers and their outcomes as one table, each row once. Pure: no I/O."""

from collections.abc import Sequence

import polars as pl

from model_package.rows.collected_columns import IDENTITY, KEY


def row_keys() -> pl.Expr:
    """Return the hashes of request id and row number, alike for predictions and labels of one process.

    They take eight bytes instead of two columns.
    """
    return pl.struct(IDENTITY).hash(seed=0).alias(KEY)


def first_of_each(table: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """Return the first row of every key; the table itself, not a copy, where none is repeated."""
    is_repeated = table.select(pl.struct(on).is_duplicated().any()).item()
    return table.unique(on, keep="first", maintain_order=True) if is_repeated else table


def with_answers(inputs: pl.DataFrame, answers: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """Return the inputs with the answer to each, null where there is none; of several answers the first."""
    return inputs.join(first_of_each(answers, on), on=on, how="left", maintain_order="left")
