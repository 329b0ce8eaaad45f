"""The cells of a column as numbers, or what is wrong with a cell in its caller's words; and the way back. Pure: no I/O.

A number stands for itself, 0 or 1 for a boolean, a code for a category, days since 2000-01-01 for a timestamp, and the
count of characters for a text. NaN is a missing value. A cell of JSON has its type; a cell of CSV is a text, which
`typed` turns into what JSON would have said.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.schema import BOOLEAN, CATEGORY, INTEGER, TEXT, TIMESTAMP, Feature

# The model reads float32: a larger number would reach it as infinity.
LARGEST = float(np.finfo(np.float32).max)
# Timestamps are counted from here, without a zone; those with a zone are taken in UTC.
ORIGIN = datetime(2000, 1, 1)  # noqa: DTZ001 - see above
MICROSECONDS_PER_DAY = 86_400_000_000
# The model knows a moment to the millisecond: a float of days holds microseconds for two centuries only.
MILLISECONDS_PER_DAY = 86_400_000
NAN = float("nan")
# What a CSV may say for a boolean, in any case.
TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_NUMBERS = (int, float)
_LARGEST_PLAIN = 1e15
_SHOWN_CHARACTERS = 60
_SHOWN_VALUES = 12
_JSON_NAMES = {list: "a list", dict: "an object"}

Values = npt.NDArray[np.float64]


class CellReader:
    """Reads the cells of one feature. Made once per schema, then safe to use from several threads."""

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self._codes: dict[Any, float | None] = {}
        self._others: float | None = None
        if feature.type == BOOLEAN:
            self._codes = {False: 0.0, True: 1.0}
        elif feature.type == CATEGORY:
            self._codes = {value: float(code) for code, value in enumerate(feature.categories or ())}
            self._others = float(len(self._codes)) if feature.is_open else None
        # Equal values of other types, such as 1 and true, must not be looked up as if they were the same.
        self._kinds = {type(value) for value in self._codes}
        self._is_written = feature.type == TEXT or self._kinds == {str}
        missing = NAN if feature.nullable else None
        self._fast: dict[Any, float | None] = {**self._codes, None: missing, "": missing}

    def read(self, cells: Sequence[Any]) -> tuple[Values, list[int]]:
        """Return the numbers of cells as JSON has them [rows], and which of them are wrong; those are NaN."""
        numbers = self._looked_up(cells)
        if numbers is None:
            numbers = [self.number(cell) for cell in cells]
        if None not in numbers:
            return np.array(numbers, dtype=np.float64), []
        wrong = [row for row, number in enumerate(numbers) if number is None]
        return np.array(numbers, dtype=np.float64), wrong

    def number(self, cell: Any) -> float | None:
        """Return what stands for a cell; None for one that is wrong. The limits of numbers are not looked at."""
        if cell is None or cell == "":
            return NAN if self.feature.nullable else None
        if self.feature.is_number:
            return _number(cell)
        if self.feature.type == TIMESTAMP:
            return days_of(cell) if isinstance(cell, str) else None
        if self.feature.type == TEXT:
            return float(len(cell)) if isinstance(cell, str) else None
        if type(cell) is float and int in self._kinds:
            if math.isnan(cell):
                return NAN if self.feature.nullable else None
            cell = int(cell) if cell.is_integer() else cell
        if type(cell) not in self._kinds:
            return None
        return self._codes.get(cell, self._others)

    def reason(self, cell: Any) -> str:
        """Say what is wrong with a cell that has no number."""
        if cell is None:
            return "is null, and this column must have a value"
        if cell == "":
            return "is empty, and this column must have a value"
        found = shown_cell(cell)
        if self.feature.is_number:
            return f"must be a number, got {found}" if type(cell) not in _NUMBERS else _TOO_LARGE
        if self.feature.type == BOOLEAN:
            return f"must be true or false, got {found}"
        if self._is_written and not isinstance(cell, str):
            return f"must be a text, got {found}"
        if self.feature.type == TIMESTAMP:
            return f"must be a date or a time such as 2026-01-31 or 2026-01-31T18:30:00Z, got {found}"
        if self._others is not None:
            return f"must be a whole number, got {found}"
        return f"{found} is not one of {listed(self.feature.labels)}"

    def typed(self, text: str | None) -> Any:
        """Return the cell that a text in a CSV stands for; the text itself where it stands for none."""
        if text is None:
            return None
        if self.feature.type == BOOLEAN:
            return TRUTHS.get(text.strip().lower(), text)
        if int in self._kinds:
            return _whole(text)
        return text

    def cell(self, number: float, text: str = "") -> Any:
        """Return the cell that a number stands for, as JSON has it; `text` is that of a text column."""
        if math.isnan(number):
            return None
        if self.feature.type == TEXT:
            return text
        if self.feature.type == TIMESTAMP:
            return (ORIGIN + timedelta(milliseconds=round(number * MILLISECONDS_PER_DAY))).isoformat()
        if self.feature.type == BOOLEAN:
            return number == 1
        if self.feature.type == CATEGORY:
            categories = self.feature.categories or ()
            return categories[int(number)] if number < len(categories) else self._another()
        return int(number) if self.feature.type == INTEGER else number

    def stand_in(self, allowed: float) -> Any:
        """Return the cell of an allowed number, to be read in the place of one that is not there."""
        return self.cell(allowed, text="-")

    def _looked_up(self, cells: Sequence[Any]) -> list[float | None] | None:
        """Return the numbers where all cells are of the one type to be looked up, or missing."""
        if not self._codes or not {*self._kinds, type(None)}.issuperset(map(type, cells)):
            return None
        fast, others = self._fast, self._others
        return [fast.get(cell, others) for cell in cells]

    def _another(self) -> Any:
        """Return a value that is none of the categories."""
        categories = self.feature.categories or ()
        if str not in self._kinds:
            return max(int(each) for each in categories) + 1
        name = "other"
        while name in categories:
            name += "_"
        return name


_TOO_LARGE = "must be a finite number that fits a 32-bit float"


def days_of(text: str) -> float | None:
    """Return the days since 2000-01-01 of a time in ISO 8601, in UTC where it has a zone; None for another text."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    # The division of floats, as it is done for arrays.
    return float((moment - ORIGIN) // timedelta(microseconds=1)) / float(MICROSECONDS_PER_DAY)


def shown(value: float) -> str:
    """Write a number as a caller would: 5 rather than 5.0."""
    return str(int(value)) if float(value).is_integer() and abs(value) < _LARGEST_PLAIN else repr(value)


def shown_cell(cell: Any) -> str:
    """Write a cell as its caller wrote it, shortened."""
    if isinstance(cell, str):
        return repr(cell if len(cell) <= _SHOWN_CHARACTERS else f"{cell[:_SHOWN_CHARACTERS]}…")
    if isinstance(cell, bool):
        return str(cell).lower()
    return _JSON_NAMES.get(type(cell)) or (shown(cell) if isinstance(cell, float) else str(cell)[:_SHOWN_CHARACTERS])


def listed(values: Sequence[str]) -> str:
    """Write the allowed values, the first of them where there are many."""
    more = len(values) - _SHOWN_VALUES
    return ", ".join(values[:_SHOWN_VALUES]) + (f" and {more:,} more" if more > 0 else "")


def _number(cell: Any) -> float | None:
    if type(cell) not in _NUMBERS or (type(cell) is int and abs(cell) > LARGEST):
        return None
    return float(cell)


def _whole(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else text
