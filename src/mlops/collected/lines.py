"""The lines of collected files: CloudEvents in JSON, each with the rows of one or several requests. Pure: no I/O.

Azure appends to these files while they are read, so a line may be half there; nothing in them is believed unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mlops.collected.window import Window

CORRELATION_ID: Final = "correlation_id"
ROW: Final = "row"
TIME: Final = "time"
PROBABILITY: Final = "probability"
DECISION: Final = "decision"
MODEL_VERSION: Final = "model_version"
IDENTITY: Final = frozenset({CORRELATION_ID, ROW, TIME})
_NUMBERS: Final = (int, float, type(None))
Row = dict[str, Any]


@dataclass
class Found:
    """The usable rows of a collection that lie in a window; `broken` counts lines and rows that cannot be used."""

    window: Window
    usable: Callable[[Row], bool]
    rows: list[Row] = field(default_factory=list)
    broken: int = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Add the rows of some lines."""
        for line in lines:
            rows = _rows_of(line)
            if rows is None:
                self.broken += 1
                continue
            for row in rows:
                self._add(row)

    def _add(self, row: Any) -> None:
        moment = _time_of(row)
        if moment is None or not _is_identified(row) or not self.usable(row):
            self.broken += 1
        elif moment in self.window:
            row[TIME] = moment
            self.rows.append(row)


def is_input(row: Row) -> bool:
    """Whether a row of the inputs holds numbers beside its identity; null is a missing value."""
    return all(type(value) in _NUMBERS for name, value in row.items() if name not in IDENTITY)


def is_output(row: Row) -> bool:
    """Whether a row of the outputs holds an answer of the model."""
    return (
        type(row.get(PROBABILITY)) in (int, float)
        and type(row.get(DECISION)) is int
        and isinstance(row.get(MODEL_VERSION), str)
    )


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in blocks, without empty ones; the last one may have no end."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest


def _rows_of(line: bytes) -> list[Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    rows = document.get("data") if isinstance(document, dict) else None
    return rows if isinstance(rows, list) else None


def _is_identified(row: Row) -> bool:
    return isinstance(row.get(CORRELATION_ID), str) and type(row.get(ROW)) is int


def _time_of(row: Any) -> datetime | None:
    if not isinstance(row, dict) or not isinstance(row.get(TIME), str):
        return None
    try:
        moment = datetime.fromisoformat(row[TIME])
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
