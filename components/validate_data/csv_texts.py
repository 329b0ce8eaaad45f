"""Reads a CSV file with every value as text, some rows at a time, or says why it cannot be read."""

import codecs
import csv
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

# A few tens of megabytes of a row's usual length.
BATCH_ROWS = 100_000
_BLOCK_BYTES = 1 << 20
_NULL_FOR_EMPTY = pl.all().replace("", None)


class UnreadableDataError(Exception):
    """The file cannot be read as a CSV with rows at all."""


def require_text(file: Path) -> None:
    """Raise UnreadableDataError for a file that is missing, empty, or no text in UTF-8."""
    if not file.is_file():
        raise UnreadableDataError(f"{file} does not exist; give the path of a CSV file")
    if file.stat().st_size == 0:
        raise UnreadableDataError(f"{file} is empty; give a CSV file with a header and rows")
    with file.open("rb") as stream:
        if b"\0" in stream.read(4096):
            reason = "it holds binary data; export it as UTF-8 text"
            raise UnreadableDataError(f"{file} is not a CSV file: {reason}")
        stream.seek(0)
        decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
        try:
            while block := stream.read(_BLOCK_BYTES):
                decoder.decode(block)
                lines += block.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].count(b"\n")
            reason = f"line {line} is not UTF-8 text; export the file as UTF-8"
            raise UnreadableDataError(f"{file} is not a readable CSV file: {reason}") from error


def text_batches(
    file: Path, names: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a CSV in their order, with every value as text, so that no type inference hides a wrong one.

    An empty value is null. With `names` only those columns are read, and rows that are longer than the header pass.
    Raises UnreadableDataError for a file whose rows do not fit its header.
    """
    table = pl.scan_csv(file, infer_schema=False)
    with _readable(file):
        for batch in (table if names is None else table.select(names)).collect_batches(
            chunk_size=batch_rows, maintain_order=True
        ):
            # Here and not in the query, which would read far ahead.
            yield batch.with_columns(_NULL_FOR_EMPTY)


def count_texts(file: Path, name: str) -> pl.DataFrame:
    """Return the different values of a column as `text`, and their `rows`. Raises UnreadableDataError."""
    with _readable(file):
        texts = pl.scan_csv(file, infer_schema=False).select(pl.col(name).replace("", None).alias("text"))
        return texts.group_by("text").agg(rows=pl.len()).collect(engine="streaming")


def require_rows(file: Path, rows: int) -> None:
    """Raise UnreadableDataError for a file in which no rows were found."""
    if rows == 0:
        raise UnreadableDataError(f"{file} has a header but no rows; give a file with data")


@contextmanager
def _readable(file: Path) -> Generator[None]:
    try:
        yield
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise UnreadableDataError(f"{file} is not a readable CSV file: {_ragged(file)}") from error


def _ragged(file: Path) -> str:
    """Return which line does not fit the header, which the library that reads the rows does not say."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        columns = len(next(rows, []))
        try:
            for row in rows:
                if len(row) > columns:
                    values = f"line {rows.line_num} has {len(row)} values, and the header {columns} columns"
                    return f"{values}; put a value with a comma in quotes"
        except csv.Error as error:
            return f"line {rows.line_num}: {error}; export the file again"
    return "a quote is opened and never closed, or follows a value; export the file again"


def header_names(file: Path) -> list[str]:
    """Return the header as written; the reader of the rows would rename duplicates."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return next(csv.reader(stream), [])
