"""Tables: what an MLTable file describes, and the rows of its pieces. Reads, changes nothing.

A table names delimited text or parquet files, or, without a reader, a list of files. It may take columns from the paths
of its files. Pandas is imported only to read rows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DELIMITED = "read_delimited"
PARQUET = "read_parquet"
TABLE_FILE = "MLTable"
_PATH_FORMAT = "extract_columns_from_partition_format"
_DEFAULT_DELIMITER = ","
_READERS = (DELIMITED, PARQUET)
_SAME_HEADERS = "all_files_same_headers"
_PATH_KEYS = ("file", "folder", "pattern")
_COLUMN = re.compile(r"\\\{(\w+)\\\}")


class InputError(Exception):
    """The input is empty, or is a table that cannot be read; the message is for the author of the job."""


@dataclass(frozen=True)
class Piece:
    """A part of a table: bytes [start, end) of delimited text after its header, or row groups of parquet.

    `columns` have the same text in every row.
    """

    file: str
    reader: str
    start: int
    end: int
    delimiter: str = _DEFAULT_DELIMITER
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The files of a table, and how to read them; `reader` is None for a list of files."""

    files: tuple[Path, ...]
    reader: str | None
    delimiter: str = _DEFAULT_DELIMITER
    path_format: str | None = None

    def pieces(self, size: int | None) -> Iterator[Piece]:
        """The pieces of all files, about `size` bytes each; None for one per file. Raises InputError."""
        for file in self.files:
            columns = self._columns(file)
            if self.reader == DELIMITED:
                yield from _text_pieces(file, size, self.delimiter, columns)
            else:
                yield from _parquet_pieces(file, size, columns)

    def _columns(self, file: Path) -> dict[str, str]:
        if self.path_format is None:
            return {}
        pattern = _COLUMN.sub(r"(?P<\1>[^/]+)", re.escape(self.path_format.strip("/"))).replace(r"\*", "[^/]*")
        found = re.search(f"(?:^|/){pattern}$", file.as_posix())
        if found is None:
            raise InputError(f"The path of '{file.name}' does not have the form {self.path_format}.")
        return found.groupdict()


def read_table(source: Path) -> Table:
    """The table that a folder or an MLTable file describes. Raises InputError."""
    description = source / TABLE_FILE if source.is_dir() else source
    if not description.is_file():
        raise InputError(f"The input is not a table: '{source.name}' has no file {TABLE_FILE}.")
    # Imported here, because drivers of plain files do not need it.
    import yaml

    document = yaml.safe_load(description.read_text(encoding="utf-8")) or {}
    reader, options, path_format = None, {}, None
    for step in document.get("transformations") or []:
        name, given = next(iter(step.items())) if isinstance(step, dict) else (step, {})
        if name in _READERS:
            reader, options = name, given or {}
        elif name == _PATH_FORMAT:
            path_format = str(given)
        else:
            raise InputError(f"{TABLE_FILE}: the emulator does not apply the transformation '{name}'.")
    _check_options(options)
    delimiter = str(options.get("delimiter") or _DEFAULT_DELIMITER)
    return Table(tuple(_files(document, description.parent)), reader, delimiter, path_format)


def table_addresses(document: dict[str, Any]) -> list[str]:
    """The addresses in the paths of an MLTable document, such as azureml://datastores/…."""
    found = (str(entry[key]) for entry in document.get("paths") or [] for key in _PATH_KEYS if entry.get(key))
    return [text for text in found if "://" in text]


def read_piece(piece: Piece) -> Any:
    """The rows of a piece, as a pandas data frame."""
    if piece.reader == PARQUET:
        from pyarrow import parquet

        rows = parquet.ParquetFile(piece.file).read_row_groups(range(piece.start, piece.end)).to_pandas()
    else:
        import pandas as pd

        with Path(piece.file).open("rb") as stream:
            header = stream.readline()
            stream.seek(piece.start)
            text = stream.read(piece.end - piece.start)
        rows = pd.read_csv(io.BytesIO(header + text), sep=piece.delimiter)
    return rows.assign(**piece.columns) if piece.columns else rows


def _check_options(options: dict[str, Any]) -> None:
    header = options.get("header", _SAME_HEADERS)
    if header != _SAME_HEADERS:
        raise InputError(
            f"{TABLE_FILE}: the header is '{header}'; the emulator reads files that all have the same one."
        )
    if options.get("include_path_column"):
        raise InputError(f"{TABLE_FILE}: the emulator does not add a column with the path (include_path_column).")


def _files(document: dict[str, Any], folder: Path) -> Iterator[Path]:
    for entry in document.get("paths") or []:
        text = next((str(entry[key]) for key in _PATH_KEYS if entry.get(key)), "")
        if not text or "://" in text:
            raise InputError(f"{TABLE_FILE}: the path '{text}' cannot be read.")
        base = Path("/") if Path(text).is_absolute() else folder
        for path in sorted(base.glob(text.removeprefix("./").lstrip("/"))):
            yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _text_pieces(file: Path, size: int | None, delimiter: str, columns: dict[str, str]) -> Iterator[Piece]:
    total = file.stat().st_size
    with file.open("rb") as stream:
        stream.readline()
        start = stream.tell()
        while start < total:
            stream.seek(total if size is None else min(start + size, total))
            stream.readline()
            end = stream.tell()
            yield Piece(str(file), DELIMITED, start, end, delimiter, columns)
            start = end


def _parquet_pieces(file: Path, size: int | None, columns: dict[str, str]) -> Iterator[Piece]:
    from pyarrow import parquet

    metadata = parquet.read_metadata(file)
    first, held = 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        if (size is not None and held >= size) or group == metadata.num_row_groups - 1:
            yield Piece(str(file), PARQUET, first, group + 1, columns=columns)
            first, held = group + 1, 0
