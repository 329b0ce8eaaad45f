"""Reads a CSV file with every value as text, or says why it cannot be read."""

import csv
from pathlib import Path

import polars as pl


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
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"line {number} is not UTF-8 text; export the file as UTF-8"
                raise UnreadableDataError(f"{file} is not a readable CSV file: {reason}") from error


def read_texts(file: Path) -> pl.DataFrame:
    """Read a CSV with every value as text, so that a wrong type is found and not hidden by type inference.

    Raises UnreadableDataError for a file without rows, and for one whose rows do not fit its header.
    """
    try:
        frame = pl.scan_csv(file, infer_schema=False).collect()
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise UnreadableDataError(f"{file} is not a readable CSV file: {_ragged(file)}") from error
    if frame.height == 0:
        raise UnreadableDataError(f"{file} has a header but no rows; give a file with data")
    return frame


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
