"""Collected rows whose outcome is known by now, as rows of a training file: joined, fit to train on, numbered. Pure.

Outcomes are joined as the step monitor_model joins them (a test holds both to it): the same outcome twice counts once,
outcomes that contradict each other count as none, and what was asked outside of the window is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from mlops.azure.collected_data.lines import CORRELATION_ID, MODEL_VERSION, ROW
from mlops.core.errors import InputError
from mlops.settings.retraining import CollectedRows
from model_package.schema import Feature, Schema

_KEY: Final = (CORRELATION_ID, ROW)
_OUTCOMES: Final = (0.0, 1.0)
_PARQUET: Final = ".parquet"
_NUMBER_BYTES: Final = 8


@dataclass(frozen=True)
class Outcomes:
    """`frame` has correlation_id, row and the target (0 or 1), each row once. The rest counts rows of the file."""

    frame: pl.DataFrame
    repeated: int = 0
    contradictory: int = 0
    unusable: int = 0


@dataclass(frozen=True)
class LabelledData:
    """`frame` has the columns of a training file: the id, the features, the target, by id. The rest counts rows.

    `collected` there were; of `unknown` nobody knows the outcome yet, `unfit` hold a value that no training takes, and
    `known` equal rows that are trained on anyway. `models` are the versions that answered.
    """

    frame: pl.DataFrame
    target: str
    collected: int
    unknown: int
    unfit: int
    models: tuple[str, ...]
    known: int = 0

    def only(self, frame: pl.DataFrame) -> LabelledData:
        """The same with only the rows of `frame` left."""
        return replace(self, frame=frame, known=self.frame.height - frame.height)

    def objection(self, rules: CollectedRows) -> str:
        """Why this is nothing to train on; "" when it is."""
        rows = self.frame.height
        told = f"of {self.collected:,} rows {rows:,} can be used, {self.unknown:,} have no outcome yet"
        told += f", {self.unfit:,} hold values that no training takes" if self.unfit else ""
        told += f", {self.known:,} equal rows that are in the data anyway" if self.known else ""
        if rows < rules.min_rows:
            return f"there is too little to train on: {told}; min_rows is {rules.min_rows:,}"
        positives = int(self.frame[self.target].sum())
        if min(positives, rows - positives) < rules.min_rows_per_class:
            return (
                f"outcomes of one kind say nothing: {positives:,} of {rows:,} rows turned out as 1; min_rows_per_class "
                f"is {rules.min_rows_per_class:,}"
            )
        return ""


def read_outcomes(file: Path, target: str) -> Outcomes:
    """Read a CSV or parquet file with correlation_id, the target, and row (0 without it).

    Raises InputError for a file that is neither, is half-written, or lacks a column.
    """
    advice = f"Give outcomes with {CORRELATION_ID}, {ROW} and {target}: `mlops monitor --labels FILE`."
    try:
        table = pl.read_parquet(file) if file.suffix == _PARQUET else pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file.name} is no readable CSV or parquet file: {error}", advice) from error
    missing = [name for name in (CORRELATION_ID, target) if name not in table.columns]
    if missing:
        raise InputError(f"{file.name} has no column {', '.join(missing)}", advice)
    if ROW not in table.columns:
        table = table.with_columns(pl.lit(0).alias(ROW))
    typed = table.select(
        pl.col(CORRELATION_ID).cast(pl.String),
        pl.col(ROW).cast(pl.Int64, strict=False),
        pl.col(target).cast(pl.Float64, strict=False),
    )
    known = pl.all_horizontal(pl.col(_KEY).is_not_null()) & pl.col(target).is_in(_OUTCOMES)
    usable = typed.filter(known).with_columns(pl.col(target).cast(pl.Int64))
    different = usable.unique(maintain_order=True)
    once = different.filter(pl.struct(_KEY).is_unique())
    return Outcomes(
        frame=once,
        repeated=usable.height - different.height,
        contradictory=different.select(_KEY).n_unique() - once.height,
        unusable=table.height - usable.height,
    )


def label(collected: pl.DataFrame, outcomes: Outcomes, schema: Schema, stage: str) -> LabelledData:
    """Join what a stage was asked (each row once) with what became of it.

    Raises InputError for collected rows that lack a feature of the schema.
    """
    missing = [name for name in schema.names if name not in collected.columns]
    if missing and collected.height:
        raise InputError(
            f"what {stage} was asked has no column {', '.join(missing)}",
            "Another model answered then: choose a shorter window_days in releases/retraining.yml.",
        )
    if missing:
        collected = collected.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)
    known = collected.join(outcomes.frame, on=_KEY, how="inner", maintain_order="left")
    fit = known.filter(pl.all_horizontal(_is_fit(feature) for feature in schema.features))
    numbers = pl.Series(schema.identifier, row_numbers(stage, fit[CORRELATION_ID], fit[ROW]), pl.Int64)
    features = [pl.col(each.name).cast(pl.Int64 if each.type == "integer" else pl.Float64) for each in schema.features]
    return LabelledData(
        frame=fit.select(numbers, *features, schema.target).sort(schema.identifier),
        target=schema.target,
        collected=collected.height,
        unknown=collected.height - known.height,
        unfit=known.height - fit.height,
        models=tuple(sorted(fit[MODEL_VERSION].drop_nulls().unique())),
    )


def row_numbers(stage: str, requests: Sequence[str] | pl.Series, rows: Sequence[int] | pl.Series) -> list[int]:
    """A number for each row of a request, for good: the same row keeps its part of every split.

    Negative, where the rows of a data asset count from 0 up; 63 bits of a hash, so that no two are alike, and from
    which nobody reads the request.
    """
    return [_number(stage, request, row) for request, row in zip(requests, rows, strict=True)]


def _number(stage: str, request: str, row: int) -> int:
    digest = hashlib.blake2b(f"{stage}\0{request}\0{row}".encode(), digest_size=_NUMBER_BYTES).digest()
    return -1 - (int.from_bytes(digest, "big") >> 1)


def _is_fit(feature: Feature) -> pl.Expr:
    """Whether a value is one that validation lets pass."""
    value = pl.col(feature.name)
    rules = [value.is_not_null(), value.is_finite()]
    if feature.type == "integer":
        rules.append(value == value.round())
    if feature.categories is not None:
        rules.append(value.is_in([float(code) for code in feature.categories]))
    if feature.minimum is not None:
        rules.append(value >= feature.minimum)
    if feature.maximum is not None:
        rules.append(value <= feature.maximum)
    return pl.all_horizontal(rules).fill_null(value=False)
