"""One file of rows becomes one file of predictions, in a stream: memory does not grow with the file.

A file is taken whole or not at all, as a request is: one wrong value sets it aside, with where and why. What values
are allowed, what the model says and where the decision lies is the business of the scoring code of requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source
from row_files import UnusableFile, WrongRows, batches, identifiers
from scorer import Scorer

SUFFIX = ".scored.parquet"
UNFINISHED = ".unfinished"
PROBABILITY = "probability"
DECISION = "decision"
SCORED = "scored"
SET_ASIDE = "set aside"
IGNORED = "ignored"
# Of zstd: probabilities hardly compress, and a higher level takes twice the time for the same size.
COMPRESSION_LEVEL = 1
# Files with such names are notes of other programs, such as Spark's _SUCCESS.
NOT_DATA = ("_", ".")


@dataclass(frozen=True)
class Outcome:
    """How one file went. `file` and `output` are relative; `details` are the first findings of `total` or more."""

    file: str
    status: str
    rows: int = 0
    output: str | None = None
    reason: str | None = None
    details: tuple[dict[str, Any], ...] = ()
    total: int = 0

    @property
    def is_set_aside(self) -> bool:
        """Whether the file has no predictions although it should."""
        return self.status == SET_ASIDE

    def sentence(self) -> str:
        """The outcome in one line."""
        return f"{self.file}: {self.status}, {self.reason or f'{self.rows} rows'}"


def files_in(data: Path) -> list[Path]:
    """The file itself, or all files at or below a folder."""
    return [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())


def score_file(scorer: Scorer, digest: str, file: Path, name: str, predictions: Path) -> Outcome:
    """Write `predictions`/`name` + SUFFIX, whole or not at all; `name` is the file's path below the data.

    Raises OSError when predictions cannot be written, ModelError when the model is broken: not the file's fault.
    """
    if file.name.startswith(NOT_DATA):
        return Outcome(name, IGNORED, reason=f"its name begins with {file.name[0]}")
    target = predictions / f"{name}{SUFFIX}"
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}{UNFINISHED}")
    try:
        rows = _write(scorer, file, unfinished, notes(scorer, digest, name))
    except WrongRows as error:
        unfinished.unlink(missing_ok=True)
        return Outcome(name, SET_ASIDE, reason=str(error), details=error.details, total=error.total)
    except UnusableFile as error:
        unfinished.unlink(missing_ok=True)
        return Outcome(name, SET_ASIDE, reason=str(error))
    unfinished.replace(target)
    return Outcome(name, SCORED, rows, output=target.relative_to(predictions).as_posix())


def notes(scorer: Scorer, digest: str, name: str) -> dict[str, str]:
    """What a file of predictions says about itself, as key-value metadata of parquet."""
    return {
        "model": scorer.model,
        "model_version": scorer.version,
        "model_digest": digest,
        "threshold": str(scorer.schema.threshold),
        "scored_from": name,
    }


def _write(scorer: Scorer, file: Path, target: Path, metadata: dict[str, str]) -> int:
    """Stream the predictions of a file; the number of rows. Raises what reading raises, and what writing does."""
    keys = identifiers(file, scorer.schema)
    rows = 0
    # What goes wrong inside would reach us as a text of polars.
    failure: Exception | None = None

    def scored(*_: object) -> Iterator[pl.DataFrame]:
        nonlocal rows, failure
        try:
            for batch in batches(file, scorer.schema):
                probability = scorer.probabilities(batch.features)
                rows += len(probability)
                # Not as columns added to the keys: a file may have none, and a table of no columns has no rows.
                yield pl.DataFrame(
                    [
                        *batch.keys.get_columns(),
                        pl.Series(PROBABILITY, probability.astype(np.float32)),
                        pl.Series(DECISION, scorer.decisions(probability).astype(np.int8)),
                    ]
                )
        except Exception as error:  # noqa: BLE001 - raised again below, where it is not wrapped
            failure = error

    columns = {**keys, PROBABILITY: pl.Float32, DECISION: pl.Int8}
    register_io_source(scored, schema=columns).sink_parquet(
        target, compression_level=COMPRESSION_LEVEL, metadata=metadata, maintain_order=True
    )
    if failure is not None:
        raise failure
    if not rows:
        raise UnusableFile("it has no rows")
    return rows
