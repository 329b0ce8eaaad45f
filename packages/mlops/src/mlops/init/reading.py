"""Reads any table as texts: a CSV of any common form, or parquet. Says what is wrong with a file that is no table.

Nothing is typed here: what the texts mean is left to values.py.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from mlops.core.errors import InputError
from mlops.core.file_formats import (
    BYTE_ORDER_MARKS,
    PARQUET,
    likely_text,
    recognise,
    tables_in,
    unusual_separator,
    utf16_of,
)
from model_package.schema_file import is_pattern

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_ENCODING_NAMES: Final = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}
_SAMPLE_BYTES: Final = 1 << 20
_SAMPLE_RECORDS: Final = 200
_BATCH_RECORDS: Final = 50_000
_LONGEST_FIELD: Final = 1 << 24
_SHOWN_LINES: Final = 5
_SHOWN_CHARACTERS: Final = 40
# A header is searched in this many lines.
_TITLE_LINES: Final = 20
# The share of the first records that must have as many fields as the header.
_CONSISTENT: Final = 0.8
# Enough where the header has more columns than a sentence has commas: the other lines are named.
_MOST: Final = 0.5
_FEW_COLUMNS: Final = 2
_PRINTABLE: Final = 0.97
# Text in two bytes per character has more.
_MOST_ZEROS: Final = 0.2
_CONTROLS: Final = dict.fromkeys({*range(32), *range(127, 160)} - {*map(ord, "\r\n\t")})
_NESTED: Final = (pl.List, pl.Array, pl.Struct, pl.Object, pl.Binary)


@dataclass(frozen=True)
class Source:
    """A table as it was found: `texts` has a column of texts per column, where empty cells are "" or null."""

    file: Path
    texts: pl.DataFrame
    form: str
    sha256: str
    separator: str = ""
    unnamed: tuple[str, ...] = ()


def read_table(file: Path) -> Source:
    """Read a CSV or parquet file. Raises InputError with what is wrong and what to do about it."""
    if not file.exists():
        raise InputError(f"{file} does not exist", "Give the path of a CSV or parquet file.")
    if not file.is_file():
        raise InputError(f"{file} is a folder", f"Give one CSV or parquet file{tables_in(file)}.")
    content = file.read_bytes()
    if not content.strip():
        raise InputError(f"{file} is empty", "Give a file with a header and rows.")
    digest = hashlib.sha256(content).hexdigest()
    found = recognise(file)
    if found is PARQUET:
        return Source(file, _parquet(file, content), "parquet", digest)
    if found is not None:
        raise InputError(f"{file} is {found.name}, not a CSV or parquet file", f"{found.advice_for(file)}.")
    text, encoding = _decoded(file, content)
    # A second mark, of a file that was made of another; and the line that tells Excel the separator.
    text = re.sub(r"^sep=[^\r\n](?=[\r\n])", "", text.lstrip("\ufeff"))
    lines = "CRLF" if "\r\n" in text else "LF" if "\n" in text else "CR"
    if lines == "CR":
        text = text.replace("\r", "\n")
    separator = _separator(file, text)
    header, unnamed = _header(file, text, separator)
    table = _quickly(text, separator, header)
    if table is None:
        table = _rows(file, text, separator, header)
    form = f"CSV with {_SEPARATORS[separator]}, {_ENCODING_NAMES[encoding]}, {lines}"
    return Source(file, table, form, digest, separator, unnamed)


def _parquet(file: Path, content: bytes) -> pl.DataFrame:
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{file} is a damaged parquet file: {reason}", "Write or download it again.") from error
    nested = [name for name, kind in table.schema.items() if isinstance(kind, _NESTED)]
    if nested:
        names = ", ".join(map(repr, nested))
        raise InputError(f"{file} has lists or structures in {names}", "Write them as columns of plain values.")
    _require_shape(file, table.width, table.height)
    names = [plain_name(name) for name in table.columns]
    _refuse_names(file, names)
    return table.select(_as_text(name, kind) for name, kind in table.schema.items()).rename(
        dict(zip(table.columns, names, strict=True))
    )


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """A column of parquet as a CSV would have it; a time with a zone becomes UTC."""
    found = pl.col(name)
    if isinstance(kind, pl.Datetime):
        utc = found.dt.convert_time_zone("UTC") if kind.time_zone else found
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("Z" if kind.time_zone else ""))
    if kind.is_float():
        return pl.when(found.is_finite()).then(found).cast(pl.String).alias(name)
    return found.cast(pl.String)


def _decoded(file: Path, content: bytes) -> tuple[str, str]:
    """The text, and the name of its encoding. Raises InputError for a binary file."""
    mark = next((encoding for start, encoding in BYTE_ORDER_MARKS.items() if content.startswith(start)), None)
    candidates = (mark,) if mark else (*filter(None, [utf16_of(content)]), "utf-8", "cp1252", "latin-1")
    if mark or b"\0" not in content[:_SAMPLE_BYTES] or len(candidates) > 3:
        for encoding in candidates:
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            if "\0" not in text and _is_printable(text[:_SAMPLE_BYTES]):
                return text, encoding
    zeros = content.count(b"\0")
    if zeros < _MOST_ZEROS * len(content) and _is_text(content.replace(b"\0", b"")):
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise InputError(
            f"{file} has {zeros:,} zero bytes, the first in line {line}",
            "Remove them (`tr -d '\\000'`), and run again.",
        )
    raise InputError(f"{file} holds binary data", "Give a CSV file (UTF-8 is best) or a parquet file.")


def _is_printable(text: str) -> bool:
    return len(text.translate(_CONTROLS)) >= _PRINTABLE * len(text)


def _is_text(content: bytes) -> bool:
    return _is_printable(content[:_SAMPLE_BYTES].decode("latin-1"))


def _separator(file: Path, text: str) -> str:
    """The separator that gives most records as many fields as the header. Raises InputError if none does."""
    share, width, separator = _best_separator(file, text)
    if share >= _CONSISTENT or (share >= _MOST and width > _FEW_COLUMNS):
        return separator
    lines = text.lstrip("\n").split("\n")
    for above in range(1, min(_TITLE_LINES, len(lines) - 1)):
        share, width, _ = _best_separator(file, "\n".join(lines[above:]))
        # Advice that was tried: without these lines it is a table.
        if share == 1 and width > _FEW_COLUMNS and lines[above].strip():
            raise InputError(
                f"{file} does not begin with its header, but with {lines[0].strip()[:_SHOWN_CHARACTERS]!r}",
                f"Remove the {'line' if above == 1 else f'{above} lines'} above the header, and run again.",
            )
    if name := unusual_separator(text):
        raise InputError(f"the columns of {file} seem to be separated by {name}", "Export it with commas, as CSV.")
    raise InputError(
        f"{file} is not a table: it seems to be {likely_text(file, text)}",
        "Give a CSV file with a header, whose columns are separated by commas, semicolons, tabs or vertical bars.",
    )


def _best_separator(file: Path, text: str) -> tuple[float, int, str]:
    """The share of the first records that have as many fields as the first one, that number, and the separator."""
    best = (0.0, 0, "")
    for separator in _SEPARATORS:
        records = [record for record in islice(_records(file, text, separator), _SAMPLE_RECORDS) if record]
        if records and len(records[0]) > 1:
            width = len(records[0])
            best = max(best, (sum(_fits(record, width) for record in records) / len(records), width, separator))
    return best


def _header(file: Path, text: str, separator: str) -> tuple[list[str], tuple[str, ...]]:
    """The names of the columns, and those that had none and are numbered. Raises InputError for equal names."""
    written = [plain_name(name) for name in next(record for record in _records(file, text, separator) if record)]
    while len(written) > 1 and not written[-1] and all(_is_short(row, written) for row in _few(file, text, separator)):
        written.pop()
    _refuse_names(file, written)
    names = [name or f"column_{number}" for number, name in enumerate(written, start=1)]
    return names, tuple(new for new, name in zip(names, written, strict=True) if not name)


def plain_name(name: str) -> str:
    """A column's name as the project uses it: one line, without blanks around it, and ' for "."""
    return " ".join(name.split()).replace('"', "'")


def ascii_name(text: str, separator: str) -> str:
    """A text in lower-case ASCII letters and digits, for names in Azure: `größe (cm)` is grosse-cm."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").lower())
    return re.sub(r"[^a-z0-9]+", separator, "".join(c for c in plain if not unicodedata.combining(c))).strip(separator)


def _refuse_names(file: Path, names: Sequence[str]) -> None:
    twice = {name: count for name, count in Counter(names).items() if count > 1 and name}
    if twice:
        said = ", ".join(f"{name!r} ({count} times)" for name, count in twice.items())
        raise InputError(
            f"{file} has columns of the same name: {said}", "Rename or remove all but one of each, and run again."
        )
    patterns = [name for name in names if is_pattern(name)]
    if patterns:
        raise InputError(
            f"{file} has a column named {patterns[0]!r}, which would stand for many columns",
            "Rename it with letters, and run again.",
        )


def _few(file: Path, text: str, separator: str) -> list[list[str]]:
    return list(islice(_records(file, text, separator), 1, _SAMPLE_RECORDS))


def _is_short(row: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row has nothing where the header has an empty last name: each line ends with a separator."""
    return len(row) < len(header) or not row[len(header) - 1].strip()


def _quickly(text: str, separator: str, header: list[str]) -> pl.DataFrame | None:
    """All rows, read by polars; None where a line may not be as it should: polars cannot say which one."""
    if text.count('"') % 2:
        return None
    try:
        table = pl.read_csv(
            text.encode(),
            separator=separator,
            infer_schema=False,
            empty_string_is_null=False,
            has_header=False,
            new_columns=header,
        )
    except pl.exceptions.PolarsError:
        return None
    if table.width != len(header) or table.height < 2:
        return None
    # Short and blank lines have nothing in the last column. The header is the first row.
    last = table[:, -1]
    is_sound = not last.null_count() and not (last == "").any()
    return table.slice(1) if is_sound and table.row(0) == tuple(_first(text, separator)) else None


def _first(text: str, separator: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])


def _rows(file: Path, text: str, separator: str, header: list[str]) -> pl.DataFrame:
    """All rows. Raises InputError for lines with more or fewer fields than the header."""
    reader = _Records(file, text, separator)
    records = iter(reader)
    next(record for record in records if record)
    width = len(header)
    kind = pl.Schema(dict.fromkeys(header, pl.String()))
    tables = [pl.DataFrame(schema=kind)]
    ragged: list[tuple[int, int]] = []
    last: list[str] = []
    while batch := list(islice(reader.numbered(records), _BATCH_RECORDS)):
        sound = []
        for line, record in batch:
            if _fits(record, width):
                sound.append(record[:width])
            elif record:
                ragged.append((line, len(record)))
            last = record or last
        columns = list(zip(*sound, strict=False))
        if columns:
            tables.append(pl.DataFrame(dict(zip(header, columns, strict=False)), schema=kind))
    if last and "\n" in last[-1] and text.count('"') % 2 and text.endswith(last[-1]):
        line = text.count("\n", 0, len(text) - len(last[-1])) + 1
        raise InputError(
            f"{file} has a double quote in line {line} that is never closed", "Close or remove it, and run again."
        )
    if ragged:
        raise _ragged(file, ragged, width)
    table = pl.concat(tables)
    _require_shape(file, table.width, table.height)
    return table


def _fits(record: Sequence[str], width: int) -> bool:
    """Whether a record has one value per column; some programs end each line, but not the header, with a separator."""
    return len(record) == width or (len(record) == width + 1 and not record[-1])


def _ragged(file: Path, ragged: Sequence[tuple[int, int]], width: int) -> InputError:
    details = tuple(f"line {line}: {count} columns" for line, count in ragged[:_SHOWN_LINES])
    lines = "1 line has" if len(ragged) == 1 else f"{len(ragged):,} lines have"
    return InputError(
        f"{file} has {width} columns, but {lines} another number of them, first line {ragged[0][0]}",
        "Correct these lines; a value that contains the separator must be in double quotes.",
        details,
    )


def _require_shape(file: Path, width: int, height: int) -> None:
    if height == 0:
        raise InputError(f"{file} has a header but no rows", "Give a file with data.")
    if width < 2:
        raise InputError(f"{file} has one column", "A target and at least one other column are needed.")


class _Records:
    """The records of a CSV text, once. An error names the file and the line."""

    def __init__(self, file: Path, text: str, separator: str) -> None:
        csv.field_size_limit(_LONGEST_FIELD)
        self._file = file
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)

    def __iter__(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except csv.Error as error:
            raise InputError(
                f"{self._file} cannot be read as CSV at line {self._reader.line_num}: {error}",
                "Correct this line; a double quote within a value is written twice.",
            ) from error

    def numbered(self, records: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
        """Each record with the number of its last line, from 1."""
        for record in records:
            yield self._reader.line_num, record


def _records(file: Path, text: str, separator: str) -> Iterator[list[str]]:
    return iter(_Records(file, text, separator))
