"""Splits an input into mini-batches: files by number, tables by size. Standard library only; reads, changes nothing.

A table is described by an MLTable file: delimited text, split at line ends, or parquet, split at row groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DELIMITED = "read_delimited"
PARQUET = "read_parquet"
_TABLE_FILE = "MLTable"
_DEFAULT_DELIMITER = ","
_READERS = (DELIMITED, PARQUET)


class InputError(Exception):
    """The input is empty, or is a table that cannot be read; the message is for the author of the job."""


@dataclass(frozen=True)
class Piece:
    """A part of a table: bytes [start, end) of delimited text after its header, or row groups of parquet."""

    file: str
    reader: str
    start: int
    end: int
    delimiter: str = _DEFAULT_DELIMITER


@dataclass(frozen=True)
class MiniBatch:
    """The argument of one call of `run`: `files`, or the rows of `piece`."""

    index: int
    files: tuple[str, ...] = ()
    piece: Piece | None = None

    @property
    def items(self) -> int | None:
        """The number of items, each of which needs a result; None for rows, which are not counted yet."""
        return len(self.files) if self.piece is None else None


def file_batches(source: Path, size: int) -> list[MiniBatch]:
    """The files at or below a path, ordered by path, `size` per mini-batch. Raises InputError."""
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise InputError(f"The input has no files: '{source.name}' is empty. Use a file, or a folder with files.")
    names = [str(file) for file in files]
    return [MiniBatch(index, tuple(names[at : at + size])) for index, at in enumerate(range(0, len(names), size))]


def table_batches(source: Path, size: int) -> list[MiniBatch]:
    """The rows of an MLTable, about `size` bytes per mini-batch. Raises InputError."""
    description = source / _TABLE_FILE if source.is_dir() else source
    if not description.is_file():
        raise InputError(f"The input is not a table: '{source.name}' has no file {_TABLE_FILE}.")
    # Imported here, because drivers of plain files do not need it.
    import yaml

    document = yaml.safe_load(description.read_text(encoding="utf-8"))
    reader, options = _reader(document)
    pieces = [
        piece
        for file in _table_files(document, description.parent)
        for piece in (_text_pieces(file, size, options) if reader == DELIMITED else _parquet_pieces(file, size))
    ]
    if not pieces:
        raise InputError(f"The input has no rows: the files in {_TABLE_FILE} are empty or do not exist.")
    return [MiniBatch(index, piece=piece) for index, piece in enumerate(pieces)]


def _reader(document: Any) -> tuple[str, dict[str, Any]]:
    for step in (document or {}).get("transformations") or []:
        for name in _READERS:
            if step == name:
                return name, {}
            if isinstance(step, dict) and name in step:
                return name, step[name] or {}
    raise InputError(f"The input cannot be read: its {_TABLE_FILE} has neither {DELIMITED} nor {PARQUET}.")


def _table_files(document: Any, folder: Path) -> Iterator[Path]:
    for entry in document.get("paths") or []:
        text = entry.get("file") or entry.get("folder") or entry.get("pattern")
        if not text or "://" in str(text) or Path(str(text)).is_absolute():
            raise InputError(f"{_TABLE_FILE}: the emulator reads files in the same folder only, not '{text}'.")
        found = sorted(folder.glob(str(text).removeprefix("./")))
        for path in found:
            yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _text_pieces(file: Path, size: int, options: dict[str, Any]) -> Iterator[Piece]:
    delimiter = str(options.get("delimiter") or _DEFAULT_DELIMITER)
    total = file.stat().st_size
    with file.open("rb") as stream:
        stream.readline()
        start = stream.tell()
        while start < total:
            stream.seek(min(start + size, total))
            stream.readline()
            end = stream.tell()
            yield Piece(str(file), DELIMITED, start, end, delimiter)
            start = end


def _parquet_pieces(file: Path, size: int) -> Iterator[Piece]:
    from pyarrow import parquet

    metadata = parquet.read_metadata(file)
    first, held = 0, 0
    for group in range(metadata.num_row_groups):
        held += metadata.row_group(group).total_byte_size
        if held >= size or group == metadata.num_row_groups - 1:
            yield Piece(str(file), PARQUET, first, group + 1)
            first, held = group + 1, 0
