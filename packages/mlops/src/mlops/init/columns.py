"""What each column of a table holds: its type in schema.yml, range or categories, and why it may not be of use. Pure.

Whole numbers with few values become integers with a range and not a list of codes: nothing in them tells a code from a
count, a model reads both alike, and a list would refuse the first count that was not seen. Only 0 and 1 are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from mlops.init.reading import Source
from mlops.init.values import (
    DAY_FIRST,
    POINT,
    DayOrder,
    NumberStyle,
    are_consecutive,
    are_numbers,
    booleans,
    date_problem,
    epoch_times,
    infinite,
    is_plain,
    known,
    number_styles,
    numbers,
    style_of,
    symbol_of,
    timestamps,
    unit_of,
    without_symbol,
)
from model_package.schema import BOOLEAN, CATEGORY, INTEGER, NUMBER, TEXT, TIMESTAMP

# A longer list is open at once: a new value is then more likely a new category than a mistake.
_CLOSED_CATEGORIES: Final = 30
_ROWS_PER_CLOSED_CATEGORY: Final = 5
_MOST_CATEGORIES: Final = 1_000
# Fewer rows than this are unique by chance.
_ROWS_OF_AN_ID: Final = 20
_ROWS_OF_A_NUMBER_THAT_NEVER_REPEATS: Final = 200
_MOSTLY_UNIQUE: Final = 0.5
_NEARLY_ALL: Final = 0.98
_LONG_TEXT: Final = 40
_LONGEST_CATEGORY: Final = 400
_SEVERAL_WORDS: Final = 4
_EXACT_IN_FLOAT32: Final = 2**24
_EXACT_IN_FLOAT64: Final = 2**53
_LARGEST_FLOAT32: Final = 3.4e38
_MOSTLY: Final = 0.9
# Labels of texts that are numbers or dates in another form than the pipeline reads, and why they are then ignored.
_UNREADABLE: Final = {"dates?": "unreadable dates", "unit": "numbers with a unit"}
_ID_NAME: Final = re.compile(r"(?:^|[_\W])(?:id|uuid|guid|key|index|no|nr|number)$", re.IGNORECASE)
_CAMEL_ID: Final = re.compile(r"[a-z](?:Id|ID)$")


@dataclass(frozen=True, eq=False)
class Column:
    """One column. `values` are typed (null: missing), `written` the texts for the pipeline's CSV.

    `ignored` says why it is no feature, "" if it is one; `label` is a word for the table, `notes` are sentences.
    """

    name: str
    type: str
    values: pl.Series
    written: pl.Series
    distinct: int
    categories: tuple[str | int, ...] = ()
    is_open: bool = False
    ignored: str = ""
    is_unique: bool = False
    label: str = ""
    notes: tuple[str, ...] = ()
    # The texts of a boolean, false and true.
    pair: tuple[str, str] | None = None
    # What stands for a missing value in the file, besides nothing.
    markers: tuple[str, ...] = ()
    # The notation of numbers in the file, and the symbol of per cent or of a currency beside each of them.
    style: NumberStyle = POINT
    symbol: str = ""

    @property
    def missing(self) -> int:
        """The number of rows without a value."""
        return self.values.null_count()

    @property
    def share_missing(self) -> float:
        """Their share of all rows."""
        return self.missing / len(self.values)

    @property
    def example(self) -> str:
        """The first value as it will be written; "" if there is none."""
        present = self.written.drop_nulls()
        return "" if present.is_empty() else str(present[0])

    def noted(self, label: str, sentence: str, ignored: str = "") -> Column:
        """The column with a further note, and perhaps a reason to ignore it."""
        return replace(self, label=label, notes=(*self.notes, sentence), ignored=ignored or self.ignored)

    @property
    def lowest(self) -> float | int | None:
        """The smallest number; None for other types."""
        return _end(self.values.min()) if self.values.dtype.is_numeric() else None

    @property
    def highest(self) -> float | int | None:
        """The largest number; None for other types."""
        return _end(self.values.max()) if self.values.dtype.is_numeric() else None


def _end(value: object) -> float | int | None:
    return value if isinstance(value, int | float) else None


@dataclass(frozen=True)
class _Texts:
    """A column before it is typed."""

    name: str
    texts: pl.Series
    distinct: pl.Series
    styles: frozenset[NumberStyle]
    markers: tuple[str, ...]
    symbol: str = ""


def infer(source: Source) -> tuple[Column, ...]:
    """Type every column; the notation of numbers and of dates is decided by the whole file."""
    texts = [_texts(series) for series in source.texts.get_columns()]
    telling = [each for each in texts if each.styles and not is_plain(each.distinct)]
    style = style_of([each.styles for each in telling], source.separator)
    order = _day_order(texts)
    typed = (_typed(each, style, order, is_unnamed=each.name in source.unnamed) for each in texts)
    return tuple(replace(column, style=style) for column in typed)


def _texts(series: pl.Series) -> _Texts:
    texts = known(series)
    distinct = texts.drop_nulls().unique().sort()
    styles, symbol = number_styles(distinct), ""
    if not styles:
        texts, distinct, symbol = _bare_numbers(texts, distinct)
        styles = number_styles(distinct)
    markers: tuple[str, ...] = ()
    if texts.null_count():
        lost = series.filter(texts.is_null() & series.is_not_null()).str.strip_chars().unique().sort()
        markers = tuple(text for text in lost if text)
    return _Texts(series.name, texts, distinct, styles, markers, symbol)


def _bare_numbers(texts: pl.Series, distinct: pl.Series) -> tuple[pl.Series, pl.Series, str]:
    """The texts without infinities, which are missing, and without the symbol beside each, if the rest is numbers."""
    finite = distinct.filter(~infinite(distinct))
    symbol = symbol_of(finite)
    bare = without_symbol(finite) if symbol else finite
    if not number_styles(bare):
        return texts, distinct, ""
    texts = texts.set(infinite(texts), None)
    return without_symbol(texts) if symbol else texts, bare.unique().sort(), symbol


def _day_order(columns: Iterable[_Texts]) -> DayOrder | None:
    """Which of day and month comes first, as the columns say in which some day is above 12; None if they disagree."""
    orders = set()
    for each in columns:
        if not each.styles and not each.distinct.is_empty() and each.distinct[0][:1].isdigit():
            read = timestamps(each.distinct, each.distinct)
            if read is not None and read.order is not None:
                orders.add(read.order)
    return orders.pop() if len(orders) == 1 else None


def _typed(found: _Texts, style: NumberStyle, order: DayOrder | None, *, is_unnamed: bool) -> Column:
    rows, distinct = found.texts, found.distinct
    if distinct.is_empty():
        return Column(found.name, TEXT, rows, rows, 0).noted("empty", "no row has a value", "all missing")
    column = _as_timestamp(found, order) or _as_epoch(found) or _as_number(found, style)
    column = column or _as_boolean(found) or _as_text(found, style)
    is_unique = column.distinct == len(rows) >= _ROWS_OF_AN_ID
    column = replace(column, is_unique=is_unique, markers=found.markers, symbol=found.symbol)
    if column.distinct == 1 and not column.missing:
        value = column.example
        return column.noted("constant", f"every row has {value!r}", "constant")
    return _as_identifier(column, is_unnamed=is_unnamed)


def _as_timestamp(found: _Texts, order: DayOrder | None) -> Column | None:
    if not found.distinct[-1][:1].isalnum() or (found.styles and len(found.distinct[0]) != len("20240131")):
        return None
    read = timestamps(found.texts, found.distinct, order)
    if read is None:
        return None
    written = read.texts()
    column = Column(found.name, TIMESTAMP, read.values, written, written.n_unique() - (written.null_count() > 0))
    if read.order is not None:
        label = "d/m/y" if read.order == DAY_FIRST else "m/d/y"
        return column.noted(label, f"dates are read {read.order}, and written as ISO 8601")
    if not read.is_ambiguous:
        return column
    example = found.texts.drop_nulls()[0]
    return column.noted(
        "dates?",
        f"{example!r} may be day/month or month/day, and nothing in the file says which; "
        "write the dates as 2024-01-31 to use them",
        "ambiguous dates",
    )


def _as_epoch(found: _Texts) -> Column | None:
    read = epoch_times(found.name, found.texts, found.distinct) if found.styles and not found.symbol else None
    if read is None:
        return None
    values, unit = read
    written = values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    column = Column(found.name, TIMESTAMP, values, written, len(found.distinct))
    return column.noted("epoch", f"{unit} since 1970, written as ISO 8601")


def _as_number(found: _Texts, style: NumberStyle) -> Column | None:
    if not found.styles:
        return None
    chosen = style if style in found.styles else next(iter(found.styles))
    read = numbers(found.texts, chosen)
    values, count = read.values, len(found.distinct)
    if read.is_wide:
        return _too_wide(found)
    whole = values.dtype == pl.Int64
    distinct = (
        values.n_unique() - (values.null_count() > 0) if count < len(values) or read.has_fractions_written else count
    )
    largest = float(values.abs().max() or 0)  # ty: ignore
    if whole and largest > _EXACT_IN_FLOAT64:
        return _too_wide(found)
    # Spreadsheets and pandas write whole numbers as 3.0 where some are missing; elsewhere 3.0 is a measurement.
    if whole and read.has_fractions_written and not values.null_count():
        values, whole = values.cast(pl.Float64), False
    kind = INTEGER if whole else NUMBER
    column = Column(found.name, kind, values, values.cast(pl.String), distinct)
    if largest > _LARGEST_FLOAT32:
        return column.noted("too large", "numbers above 3.4e38 do not fit the model's input", "too large")
    if whole and largest > _EXACT_IN_FLOAT32:
        column = replace(column, type=NUMBER).noted(
            "rounded", "numbers above 2**24 are rounded to 24 bits: the model reads float32"
        )
    elif kind == INTEGER and set(values.drop_nulls().unique().to_list() if distinct <= 2 else ()) == {0, 1}:
        column = replace(column, categories=(0, 1))
    return _with_notation(column, found, chosen)


def _with_notation(column: Column, found: _Texts, chosen: NumberStyle) -> Column:
    """Say what is left out of numbers, and how those are read that could be read in two ways."""
    if found.symbol:
        column = column.noted(found.symbol, f"numbers, written without {found.symbol!r}")
    if len(found.styles) > 1 and not is_plain(found.distinct):
        text = next(text for text in found.distinct if not text.isdigit())
        value = numbers(pl.Series([text]), chosen).values[0]
        column = column.noted("notation?", f"{text!r} is read as {value}")
    return column


def _too_wide(found: _Texts) -> Column:
    return Column(found.name, CATEGORY, found.texts, found.texts, len(found.distinct)).noted(
        "id?", "whole numbers above 2**53 are identifiers, not quantities", "identifier"
    )


def _as_boolean(found: _Texts) -> Column | None:
    read = booleans(found.texts, found.distinct)
    if read is None:
        return None
    values, pair = read
    column = Column(found.name, BOOLEAN, values, values.cast(pl.String), 2, pair=pair)
    if pair[1].lower() != "true":
        column = column.noted("boolean", f"{pair[1]!r} is true and {pair[0]!r} is false")
    return column


def _as_text(found: _Texts, style: NumberStyle) -> Column:
    texts, distinct = found.texts, len(found.distinct)
    present = len(texts) - texts.null_count()
    column = Column(found.name, CATEGORY, texts, texts, distinct)
    column = _with_mixture(column, found, style)
    lengths = found.distinct.str.len_chars()
    words = float((found.distinct.str.count_matches(r"\s+") + 1).mean() or 0)  # ty: ignore
    is_varied = distinct > _CLOSED_CATEGORIES and distinct > _MOSTLY_UNIQUE * present
    is_long = float(lengths.mean() or 0) >= _LONG_TEXT  # ty: ignore
    if (is_varied and (is_long or words >= _SEVERAL_WORDS)) or int(lengths.max() or 0) > _LONGEST_CATEGORY:  # ty: ignore
        return replace(column, type=TEXT)
    if is_varied and column.label in _UNREADABLE:
        return replace(column, ignored=_UNREADABLE[column.label])
    if is_varied:
        return column.noted(
            "many",
            f"{distinct:,} different texts in {present:,} rows: too few rows of each to learn from",
            "nearly unique texts",
        )
    return _with_categories(column)


def _with_mixture(column: Column, found: _Texts, style: NumberStyle) -> Column:
    """Say so when most texts of a column are numbers or dates, but some are not, or all have a unit."""
    unit = unit_of(found.distinct)
    if unit:
        return column.noted("unit", f"numbers with the unit {unit!r}; write them without it to use it as a number")
    problem = date_problem(found.distinct)
    if problem:
        return column.noted("dates?", problem)
    are = are_numbers(found.distinct, style)
    if not are.any() or is_plain(found.distinct):
        return column
    others = found.distinct.filter(~are)
    rows = found.texts.is_in(others.implode()).sum()
    if min(len(others) / len(found.distinct), rows / found.texts.count()) > 1 - _MOSTLY:
        return column
    return column.noted(
        "mixed", f"most values are numbers, but not {others[0]!r}; correct such values to use it as one"
    )


def _with_categories(column: Column) -> Column:
    values = column.values.drop_nulls().alias("value")
    counts = values.value_counts(name="rows").sort("rows", "value", descending=[True, False])
    listed = counts.head(_MOST_CATEGORIES)
    is_open = counts["rows"][-1] < _ROWS_PER_CLOSED_CATEGORY or len(counts) > _CLOSED_CATEGORIES
    column = replace(column, categories=tuple(sorted(listed["value"])), is_open=is_open)
    if len(counts) > _MOST_CATEGORIES:
        column = column.noted("many", f"the {_MOST_CATEGORIES:,} most frequent of {len(counts):,} are listed")
    return column


def _as_identifier(column: Column, *, is_unnamed: bool) -> Column:
    """A column with a value of its own in every row, unless it measures something."""
    rows, whole = len(column.values), column.values.dtype == pl.Int64
    if column.distinct < max(_NEARLY_ALL * rows, _ROWS_OF_AN_ID) or column.ignored not in ("", "nearly unique texts"):
        return column
    if column.type in (TEXT, TIMESTAMP, BOOLEAN) or (column.values.dtype == pl.Float64):
        return column
    named = bool(_ID_NAME.search(column.name) or _CAMEL_ID.search(column.name)) or is_unnamed
    if not column.is_unique and named:
        note = f"looks like an id, but {rows - column.distinct:,} of {rows:,} rows repeat one or have none"
        return column.noted("id?", f"{note}; remove them to use it with --id", "identifier")
    if not column.is_unique:
        return column
    if whole and not (named or are_consecutive(column.values) or column.type == NUMBER):
        is_telling = column.distinct >= _ROWS_OF_A_NUMBER_THAT_NEVER_REPEATS
        note = "whole numbers that never repeat; if they only identify the rows, name it with --id"
        return column.noted("id?", note) if is_telling else column
    return replace(column, notes=(), ignored="identifier").noted(
        "id?", "every row has a value of its own", "identifier"
    )
