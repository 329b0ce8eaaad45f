"""The lines of collected files: CloudEvents in JSON, each with the rows of one or several requests. Pure: no I/O.

Azure appends to these files while they are read, so a line may be truncated; nothing in them is trusted unchecked.
What cannot be used is counted and left out.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from model_package.collected.window import CLOCK_SKEW, HOUR, Window
from model_package.rows.collected_columns import CORRELATION_ID, MODEL_VERSION, ROW, TIME, reserved
from model_package.tasks.task import ColumnKind, Task

_LARGEST_ROW = 2**31
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%:z"
_IDENTITY_TYPES: dict[str, pl.DataType] = {CORRELATION_ID: pl.String(), ROW: pl.Int64(), TIME: pl.String()}

# What an outcome may be that is written as 0 or 1.
_OUTCOMES = (0, 1)

Types = dict[str, pl.DataType]


@dataclass
class Found:
    """What reading came across in a window, in numbers of lines or rows; `unknown_columns` are no features.

    `broken` were half-written or of another shape, `repeated` there before under the same id, `skewed` filed hours
    away from their own time. Rows whose own time lies outside the window count nowhere.
    """

    files: int = 0
    broken: int = 0
    repeated: int = 0
    skewed: int = 0
    unknown_columns: set[str] = field(default_factory=set)
    seen_columns: set[str] = field(default_factory=set)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with some of the rows, in sentences; empty when nothing is."""
        counted = (
            (self.broken, "collected lines or rows are half-written or of another shape and were left out"),
            (self.repeated, "collected rows are there more than once and count once"),
            (self.skewed, "collected rows are filed hours away from their own time: is a server's clock wrong?"),
        )
        return tuple(f"{count:,} {what}" for count, what in counted if count)


class LineReader:
    """Reads the lines of one collection and counts in `found` what it leaves out.

    Tables have the features under their collected names, or the answer, in the type `number`, and then correlation_id,
    row and time (UTC).
    """

    def __init__(
        self, window: Window, found: Found, task: Task, values: Types, *, answers: bool, number: pl.DataType
    ) -> None:
        self._task = task
        self._reserved = reserved(task)
        self._window = window
        self._found = found
        self._values = values
        self._answers = answers
        self._number = number

    @classmethod
    def of_inputs(
        cls, window: Window, found: Found, task: Task, features: Types | None, number: pl.DataType
    ) -> "LineReader":
        """Read the inputs of a model with columns of these types; None reads whatever features are there, slower."""
        return cls(window, found, task, features or {}, answers=False, number=number)

    @classmethod
    def of_outputs(cls, window: Window, found: Found, task: Task, number: pl.DataType) -> "LineReader":
        """Read the answers of a task."""
        kinds: dict[ColumnKind, pl.DataType] = {"number": number, "outcome": pl.Int8(), "text": pl.String()}
        types: Types = {name: kinds[kind] for name, kind in task.column_kinds.items()}
        return cls(window, found, task, {**types, MODEL_VERSION: pl.String()}, answers=True, number=number)

    def read(self, block: bytes, hour: datetime) -> pl.DataFrame:
        """Return the usable rows of whole lines that lie in the window; the lines were filed under an hour."""
        rows = self._usable(self._inside(self._timed(self._parsed(block))))
        if not self._answers and rows.height:
            if self._values:
                self._note_columns(block)
            # Of a line that was filed hours away from its own time, one of two clocks is wrong.
            near = pl.col(TIME).is_between(hour - CLOCK_SKEW, hour + HOUR + CLOCK_SKEW)
            self._found.skewed += rows.filter(~near).height
        return rows

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return pl.DataFrame(schema={**self._values, **_IDENTITY_TYPES, TIME: pl.Datetime("ms", "UTC")})

    def _inside(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the window, and those without a readable time, which `_usable` then counts."""
        inside = (pl.col(TIME) >= self._window.since) & (pl.col(TIME) < self._window.until)
        return rows.filter(inside | pl.col(TIME).is_null())

    def _parsed(self, block: bytes) -> pl.DataFrame:
        if not self._values:
            return self._line_by_line(block)
        types = {**self._values, **_IDENTITY_TYPES}
        try:
            # Strict: any value of another kind, and any line that is not JSON, is an error.
            lines = pl.read_ndjson(io.BytesIO(block), schema={"data": pl.List(pl.Struct(types))})
            return lines.select(pl.col("data").explode(empty_as_null=False)).unnest("data")
        except pl.exceptions.PolarsError:
            return self._line_by_line(block)

    def _usable(self, rows: pl.DataFrame) -> pl.DataFrame:
        usable = pl.all_horizontal(pl.col(list(_IDENTITY_TYPES)).is_not_null())
        usable &= pl.col(ROW).is_between(0, _LARGEST_ROW)
        if self._answers:
            usable &= pl.all_horizontal(pl.col(list(self._values)).is_not_null())
            for name, kind in self._task.column_kinds.items():
                usable &= self._is_valid(pl.col(name), kind)
        kept = rows.filter(usable)
        self._found.broken += rows.height - kept.height
        return kept

    def _is_valid(self, column: pl.Expr, kind: ColumnKind) -> pl.Expr:
        if kind == "number":
            limits = self._task.column_limits
            return column.is_finite() if limits is None else column.is_between(*limits)
        return column.is_in(_OUTCOMES) if kind == "outcome" else column.is_not_null()

    def _timed(self, rows: pl.DataFrame) -> pl.DataFrame:
        moment = pl.col(TIME).str.to_datetime(_TIME_FORMAT, time_unit="ms", time_zone="UTC", strict=False)
        timed = rows.with_columns(moment)
        if timed[TIME].null_count():
            # Other forms of ISO 8601 are rare, and polars reads one form at a time.
            timed = rows.with_columns(pl.Series(TIME, map(_moment, rows[TIME]), pl.Datetime("ms", "UTC")))
        return timed

    def _note_columns(self, block: bytes) -> None:
        """Note which columns the first row of the window has; the strict reader looks at known ones only."""
        for line in block.split(b"\n"):
            for row in _rows_of(line) or ():
                moment = _moment(row.get(TIME)) if isinstance(row, dict) else None
                if moment is not None and moment in self._window:
                    self._found.seen_columns.update(row)
                    self._found.unknown_columns.update(set(row) - set(self._values) - set(_IDENTITY_TYPES))
                    return

    def _line_by_line(self, block: bytes) -> pl.DataFrame:
        """Read what is not all of one shape."""
        usable: list[dict[str, Any]] = []
        for line in block.split(b"\n"):
            if not line.strip():
                continue
            rows = _rows_of(line)
            if rows is None:
                self._found.broken += 1
                continue
            for each in rows:
                row = self._row(each)
                if row is not None:
                    usable.append(row)
                elif not self._is_elsewhere(each):
                    self._found.broken += 1
        types = self._values or {
            name: _type_of([row.get(name) for row in usable], self._number)
            for name in dict.fromkeys(name for row in usable for name in row if name not in _IDENTITY_TYPES)
        }
        return pl.DataFrame(usable, schema={**types, **_IDENTITY_TYPES}, orient="row", strict=bool(self._values))

    def _is_elsewhere(self, row: Any) -> bool:
        """Tell whether a row, usable or not, has a time outside the window."""
        moment = _moment(row.get(TIME)) if isinstance(row, dict) else None
        return moment is not None and moment not in self._window

    def _row(self, row: Any) -> dict[str, Any] | None:
        """Return a row with values of the right types; None for one that cannot be used."""
        if not isinstance(row, dict) or not _is_identified(row):
            return None
        if self._values:
            given = {name: row.get(name) for name in self._values}
        else:
            given = {name: value for name, value in row.items() if name not in _IDENTITY_TYPES}
            if not self._reserved.isdisjoint(given):
                return None
        values = {name: self._typed(name, value) for name, value in given.items()}
        if any(value is None and (self._answers or given[name] is not None) for name, value in values.items()):
            return None
        return {**values, **{name: row[name] for name in _IDENTITY_TYPES}}

    def _typed(self, name: str, value: Any) -> Any:
        if not self._values and isinstance(value, str | bool):
            return value
        return _typed(value, self._values.get(name, self._number))


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines of a file that comes in chunks; what follows the last line break is a line too."""
    rest = b""
    for chunk in chunks:
        whole, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield whole
    if rest.strip():
        yield rest


def _rows_of(line: bytes) -> list[Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    rows = document.get("data") if isinstance(document, dict) else None
    return rows if isinstance(rows, list) else None


def _is_identified(row: Mapping[str, Any]) -> bool:
    number = row.get(ROW)
    is_numbered = type(number) is int and 0 <= number <= _LARGEST_ROW
    return is_numbered and all(isinstance(row.get(name), str) for name in (CORRELATION_ID, TIME))


def _typed(value: Any, kind: pl.DataType) -> Any:
    """Return a value as a column of a type holds it; None for one of another kind, and for one that is missing."""
    if kind.is_float() and type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            return None
    if kind.is_integer() and type(value) is int:
        return value if kind == pl.Int64() or value in _OUTCOMES else None
    if kind == pl.Boolean():
        return value if isinstance(value, bool) else None
    return value if kind == pl.String() and isinstance(value, str) else None


def _type_of(values: list[Any], number: pl.DataType) -> pl.DataType:
    """Return the type of a column of which only the values are known; what is not all of one type is text."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Null()
    if kinds <= {int, float}:
        return number
    return pl.Boolean() if kinds == {bool} else pl.String()


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
