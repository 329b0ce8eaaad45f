"""Collected inputs and outputs as one table: a row for each scored row, with what the model answered. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from mlops.azure.collected_data.lines import (
    CORRELATION_ID,
    DECISION,
    DEPLOYMENT,
    IDENTITY,
    MODEL_VERSION,
    PROBABILITY,
    ROW,
    TIME,
    Row,
)
from mlops.azure.collected_data.window import Window

_KEY: Final = (CORRELATION_ID, ROW)
_INSTANT: Final = pl.Datetime("ms", "UTC")
_IDENTITY: Final[dict[str, pl.DataType]] = {CORRELATION_ID: pl.String(), ROW: pl.Int64(), TIME: _INSTANT}
_ANSWER: Final[dict[str, pl.DataType]] = {PROBABILITY: pl.Float64(), DECISION: pl.Int8(), MODEL_VERSION: pl.String()}
_OTHERS: Final = frozenset({*_IDENTITY, *_ANSWER, DEPLOYMENT})


@dataclass(frozen=True)
class Collected:
    """What was collected in a window, the newest rows first, and what could not be used of it.

    `frame` has the features as float64 (null: missing), then `probability` (float64), `decision` (0 or 1) and
    `model_version`, all null where no answer was found, then `correlation_id`, `row` (number in the request),
    `time` (UTC) and `deployment`. `broken` lines or rows were half-written or of another shape; `repeated` rows were
    there before, under the same id; `unanswered` rows have no answer; `skewed` rows were filed hours away from their
    own time, by which they count.
    """

    frame: pl.DataFrame
    window: Window
    files: int = 0
    broken: int = 0
    repeated: int = 0
    skewed: int = 0

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(name for name in self.frame.columns if name not in _OTHERS)

    @property
    def unanswered(self) -> int:
        """How many rows have no answer."""
        return self.frame[PROBABILITY].null_count()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with some of it, in sentences; none when nothing is."""
        counted = (
            (self.broken, "collected lines or rows are half-written or of another shape and were left out"),
            (self.repeated, "collected rows are there more than once and count once"),
            (self.skewed, "collected rows are filed hours away from their own time: is a server's clock wrong?"),
            (self.unanswered, "collected rows have no answer of the model beside them"),
        )
        return tuple(f"{count:,} {what}" for count, what in counted if count)


def inputs_frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of the inputs as a table; features that only some of them have are null in the others."""
    names = dict.fromkeys(name for row in rows for name in row)
    features = {name: pl.Float64() for name in names if name not in IDENTITY}
    return pl.DataFrame(rows, schema={**features, **_IDENTITY}, orient="row", strict=False)


def outputs_frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of the outputs as a table."""
    return pl.DataFrame(rows, schema={**_ANSWER, **_IDENTITY}, orient="row", strict=False)


def joined(inputs: Sequence[pl.DataFrame], outputs: Sequence[pl.DataFrame], deployment: str) -> pl.DataFrame:
    """One deployment's inputs with the answers to them; rows are repeated where they were collected twice."""
    answers = _together([*outputs, outputs_frame(())]).drop(TIME).unique(_KEY, keep="first", maintain_order=True)
    asked = _together([*inputs, inputs_frame(())])
    order = [*(name for name in asked.columns if name not in _OTHERS), *_ANSWER, *_IDENTITY]
    return asked.join(answers, on=_KEY, how="left").select(order).with_columns(pl.lit(deployment).alias(DEPLOYMENT))


def collected(parts: Sequence[pl.DataFrame], window: Window, at_most: int | None) -> Collected:
    """All deployments' rows, each once, the newest first, at most so many.

    A row that several deployments have, because the request was mirrored, is the first one's.
    """
    everything = _together([*parts, joined((), (), "")])
    once = everything.unique(_KEY, keep="first", maintain_order=True).sort(TIME, descending=True, maintain_order=True)
    frame = once if at_most is None else once.head(at_most)
    # Features come first, also those that only an older deployment has.
    frame = frame.select(*(name for name in frame.columns if name not in _OTHERS), *_ANSWER, *_IDENTITY, DEPLOYMENT)
    return Collected(frame, window, repeated=everything.height - once.height)


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal")
