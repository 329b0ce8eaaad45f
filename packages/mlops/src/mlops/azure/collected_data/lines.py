"""The lines of collected files: CloudEvents in JSON, each with the rows of one or several requests. Pure: no I/O.

Azure appends to these files while they are read, so a line may be half there; nothing in them is believed unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mlops.azure.collected_data.window import Window, is_skewed

CORRELATION_ID: Final = "correlation_id"
ROW: Final = "row"
TIME: Final = "time"
PROBABILITY: Final = "probability"
DECISION: Final = "decision"
MODEL_VERSION: Final = "model_version"
DEPLOYMENT: Final = "deployment"
IDENTITY: Final = frozenset({CORRELATION_ID, ROW, TIME})
_NO_FEATURE: Final = frozenset({PROBABILITY, DECISION, MODEL_VERSION, DEPLOYMENT})
_NUMBERS: Final = (int, float, type(None))
_LARGEST_ROW: Final = 2**31
Row = dict[str, Any]


@dataclass
class Found:
    """The usable rows of a collection that lie in a window.

    `broken` counts lines and rows that cannot be used, `skewed` those that were filed hours away from their own time.
    """

    window: Window
    usable: Callable[[Row], bool]
    rows: list[Row] = field(default_factory=list)
    broken: int = 0
    skewed: int = 0

    def read(self, lines: Iterable[bytes], hour: datetime) -> None:
        """Add the rows of some lines, which were filed under an hour."""
        for line in lines:
            rows = _rows_of(line)
            if rows is None:
                self.broken += 1
                continue
            for row in rows:
                self._add(row, hour)

    def _add(self, row: Any, hour: datetime) -> None:
        moment = _time_of(row)
        if moment is None or not _is_identified(row) or not self.usable(row):
            self.broken += 1
        elif moment in self.window:
            row[TIME] = moment
            self.rows.append(row)
            self.skewed += is_skewed(moment, hour)


def is_input(row: Row) -> bool:
    """Whether a row of the inputs holds features beside its identity: numbers, or null for a missing value."""
    return _NO_FEATURE.isdisjoint(row) and all(
        type(value) in _NUMBERS for name, value in row.items() if name not in IDENTITY
    )


def is_output(row: Row) -> bool:
    """Whether a row of the outputs holds an answer of the model."""
    probability, decision = row.get(PROBABILITY), row.get(DECISION)
    return (
        isinstance(probability, int | float)
        and 0 <= probability <= 1
        and type(decision) is int
        and decision in {0, 1}
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
    number = row.get(ROW)
    return isinstance(row.get(CORRELATION_ID), str) and type(number) is int and 0 <= number <= _LARGEST_ROW


def _time_of(row: Any) -> datetime | None:
    if not isinstance(row, dict) or not isinstance(row.get(TIME), str):
        return None
    try:
        moment = datetime.fromisoformat(row[TIME])
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
