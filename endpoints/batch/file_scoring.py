"""Scores one file of rows into one file of predictions, as a stream: memory does not grow with the file.

A file is scored entirely or not at all, like a request: one wrong value rejects it, with where and why. model_package
validates the values, runs the model and answers as its task says, as for requests.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl
from polars.io.plugins import register_io_source

from model_package.errors import InvalidRows, UnreadableRows
from model_package.package import UNREGISTERED
from model_package.rows.collected_columns import collected_name
from model_package.rows.files import batches, identifiers
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer

SUFFIX = ".scored.parquet"
UNFINISHED = ".unfinished"
SCORED = "scored"
SET_ASIDE = "set aside"
IGNORED = "ignored"
# For zstd: predictions hardly compress, and a higher level takes twice the time for the same size.
COMPRESSION_LEVEL = 1
TYPES = {"number": pl.Float32, "outcome": pl.Int8, "text": pl.String}
# Files with these prefixes are markers of other programs, such as Spark's _SUCCESS.
NOT_DATA = ("_", ".")


@dataclass(frozen=True)
class Model:
    """A loaded model package, and its registered name and version; `digest` is "" if none is required."""

    scorer: Scorer
    rules: RowRules
    name: str
    version: str
    digest: str

    @classmethod
    def open(cls, package: Path, name: str = UNREGISTERED, version: str = UNREGISTERED, digest: str = "") -> Self:
        """Load the package in a folder. Raises PackageError or SchemaError."""
        scorer = Scorer.open(package)
        return cls(scorer, RowRules(scorer.schema), name, version, digest)


@dataclass(frozen=True)
class Outcome:
    """One file's outcome. `file` and `output` are relative; `details` are the first findings of `total` or more."""

    file: str
    status: str
    rows: int = 0
    output: str | None = None
    reason: str | None = None
    details: tuple[dict[str, Any], ...] = ()
    total: int = 0

    @property
    def is_set_aside(self) -> bool:
        """Whether the file was rejected."""
        return self.status == SET_ASIDE

    def sentence(self) -> str:
        """The outcome in one line."""
        return f"{self.file}: {self.status}, {self.reason or f'{self.rows} rows'}"


def files_in(data: Path) -> list[Path]:
    """The file itself, or all files at or below a folder."""
    return [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())


def score_file(model: Model, file: Path, name: str, predictions: Path) -> Outcome:
    """Write `predictions`/`name` + SUFFIX, entirely or not at all; `name` is the file's path below the data.

    Raises OSError if predictions cannot be written, ModelError if the model is broken: neither is the file's fault.
    """
    if file.name.startswith(NOT_DATA):
        return Outcome(name, IGNORED, reason=f"its name begins with {file.name[0]}")
    target = predictions / f"{name}{SUFFIX}"
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}{UNFINISHED}")
    try:
        rows = _write(model, file, unfinished, notes(model, name))
    except InvalidRows as error:
        unfinished.unlink(missing_ok=True)
        details = tuple(asdict(finding) for finding in error.findings)
        return Outcome(name, SET_ASIDE, reason=str(error), details=details, total=error.total)
    except UnreadableRows as error:
        unfinished.unlink(missing_ok=True)
        return Outcome(name, SET_ASIDE, reason=str(error))
    unfinished.replace(target)
    return Outcome(name, SCORED, rows, output=target.relative_to(predictions).as_posix())


def notes(model: Model, name: str) -> dict[str, str]:
    """The parquet key-value metadata of a file of predictions."""
    return {
        "model": model.name,
        "model_version": model.version,
        "model_digest": model.digest,
        **{key: str(value) for key, value in model.scorer.task.reply_facts().items()},
        "scored_from": name,
    }


def _write(model: Model, file: Path, target: Path, metadata: dict[str, str]) -> int:
    """Stream the predictions of a file; return the number of rows. Raises the errors of reading and of writing."""
    keys, task = identifiers(file, model.rules), model.scorer.task
    types = {name: TYPES[kind] for name, kind in task.column_kinds.items()}
    # An id called like an answer, such as `label`, gets a prefix.
    names = {name: collected_name(name, task) if name in types else name for name in keys}
    rows = 0
    # An error inside would reach us only as text from polars.
    failure: Exception | None = None

    def scored(*_: object) -> Iterator[pl.DataFrame]:
        nonlocal rows, failure
        try:
            for batch in batches(file, model.rules):
                answer = model.scorer.score(batch.rows)
                rows += len(answer)
                # Not as columns added to the keys: a file may have no keys, and a table without columns has no rows.
                yield pl.DataFrame(
                    [
                        *batch.keys.rename(names).get_columns(),
                        *(pl.Series(name, values).cast(types[name]) for name, values in task.columns(answer).items()),
                    ]
                )
        except Exception as error:  # noqa: BLE001 - raised again below, where it is not wrapped
            failure = error

    register_io_source(scored, schema={**{names[name]: kind for name, kind in keys.items()}, **types}).sink_parquet(
        target, compression_level=COMPRESSION_LEVEL, metadata=metadata, maintain_order=True
    )
    if failure is not None:
        raise failure
    if not rows:
        raise UnreadableRows("it has no rows")
    return rows
