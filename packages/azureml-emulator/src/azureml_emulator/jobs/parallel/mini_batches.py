"""Splits an input into mini-batches: files by number, tables by size or by the values of their keys.

Standard library only, unless a table is split by keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azureml_emulator.jobs.parallel.tables import PARQUET, InputError, Piece, read_piece, read_table

_DEFAULT_FILES = 1
_DEFAULT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class MiniBatch:
    """The argument of one call of `run`: `files`, or the rows of `piece`, and the values of the keys of those rows."""

    index: int
    files: tuple[str, ...] = ()
    piece: Piece | None = None
    keys: dict[str, Any] | None = None

    @property
    def items(self) -> int | None:
        """The number of items, each of which needs a result; None for rows, which are not counted yet."""
        return len(self.files) if self.piece is None else None


def file_batches(source: Path, size: int | None, *, nested: bool = True) -> list[MiniBatch]:
    """The files at a path, ordered by path, `size` per mini-batch; with those in its folders if `nested`.

    Raises InputError.
    """
    below = source.rglob("*") if nested else source.glob("*")
    files = [source] if source.is_file() else sorted(path for path in below if path.is_file())
    if not files:
        raise InputError(f"The input has no files: '{source.name}' is empty. Use a file, or a folder with files.")
    return _of_files(files, size)


def table_batches(source: Path, size: int | None) -> list[MiniBatch]:
    """The rows of a table, about `size` bytes per mini-batch, or its files, `size` of them. Raises InputError."""
    table = read_table(source)
    if table.reader is None:
        if not table.files:
            raise InputError("The table lists no files, or none of those that it lists exists.")
        return _of_files(list(table.files), size)
    pieces = list(table.pieces(size or _DEFAULT_BYTES))
    if not pieces:
        raise InputError("The input has no rows: the files of the table are empty or do not exist.")
    return [MiniBatch(index, piece=piece) for index, piece in enumerate(pieces)]


def key_batches(source: Path, keys: tuple[str, ...], scratch: Path) -> list[MiniBatch]:
    """The rows of a table, one mini-batch for each combination of the values of its keys. Raises InputError.

    They are written below `scratch`, since the rows of a mini-batch may be in many files.
    """
    import pandas as pd

    table = read_table(source)
    frames = [read_piece(piece) for piece in table.pieces(None)] if table.reader else []
    if not frames:
        raise InputError("The input has no rows by which to partition it.")
    rows = pd.concat(frames, ignore_index=True)
    missing = [key for key in keys if key not in rows.columns]
    if missing:
        raise InputError(f"The input has no column '{missing[0]}' by which to partition it.")
    scratch.mkdir(parents=True, exist_ok=True)
    batches = []
    for index, (values, part) in enumerate(rows.groupby(list(keys), dropna=False)):
        file = scratch / f"{index:08d}.parquet"
        part.to_parquet(file, index=False, row_group_size=len(part))
        named = dict(zip(keys, (_plain(value) for value in values), strict=True))
        batches.append(MiniBatch(index, piece=Piece(str(file), PARQUET, 0, 1), keys=named))
    return batches


def _of_files(files: list[Path], size: int | None) -> list[MiniBatch]:
    names, each = [str(file) for file in files], size or _DEFAULT_FILES
    return [MiniBatch(index, tuple(names[at : at + each])) for index, at in enumerate(range(0, len(names), each))]


def _plain(value: Any) -> Any:
    """A value that JSON has."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
