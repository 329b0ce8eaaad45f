"""What is wrong with a table of texts: with its header, and with the values of its columns. Pure: no I/O."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
from typed_columns import TypedColumn, fitting_task

from model_package.rows.rules import FeatureRules
from model_package.rows.tables import column
from model_package.schema import Schema

SAMPLE_ROWS = 5
SAMPLE_CHARACTERS = 60
SHOWN_NAMES = 8
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# The header is line 1 of the file.
_FIRST_LINE = 2


@dataclass(frozen=True)
class Problem:
    """One rule that one column breaks. A row is a line number of the file, in which the header is line 1."""

    column: str
    rule: str
    count: int
    samples: list[dict[str, Any]]

    def sentence(self) -> str:
        """Return the problem as one line."""
        if not self.samples:
            return f"{self.column}: {self.rule}"
        shown = "; ".join(", ".join(f"{key} {value}" for key, value in row.items()) for row in self.samples)
        return f"{self.column}: {self.rule} (rows that break it: {self.count:,}; for example {shown})"


def header_problems(header: list[str], schema: Schema) -> list[Problem]:
    """Find missing and duplicate columns."""
    for separator, word in OTHER_SEPARATORS.items():
        parts = [part.strip(' "') for part in separator.join(header).split(separator)]
        if len(header) <= 1 and set(parts) & set(schema.columns):
            rule = f"the columns are separated by {word}; export the file with commas, and decimals with points"
            return [Problem("file", rule, 1, [])]
    more = f" and {len(header) - SHOWN_NAMES} more" if len(header) > SHOWN_NAMES else ""
    found = ", ".join(name[:SAMPLE_CHARACTERS] for name in header[:SHOWN_NAMES])
    rule = f"the column is missing; the file's header has {found}{more}"
    by_case = {name.casefold().strip(): name for name in header}
    close = {name: by_case[name.casefold()] for name in schema.columns if name.casefold() in by_case}
    missing = [
        Problem(name, f"the column is missing; is {close[name]!r} meant?" if name in close else rule, 1, [])
        for name in schema.columns
        if name not in header
    ]
    twice = [name for name, times in Counter(header).items() if times > 1]
    again = "the column is in the header more than once; keep one of them"
    return missing + [Problem(name, again, header.count(name), []) for name in twice]


@dataclass(frozen=True)
class Broken:
    """A rule that rows of a column break. `place` orders the rules as reports name them; `mask` is [rows]."""

    place: tuple[int, int, int]
    column: str
    rule: str
    mask: pl.Series


# The first number of a place.
TYPES, MISSING, REPEATED, LIMITS = range(4)


def broken_rules(texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema) -> Iterator[Broken]:
    """Yield each rule of values with the rows that break it, maybe none; without those that take a whole table.

    Values of a wrong type are null by now: only values without text count as missing.
    """
    for position, (name, each) in enumerate(columns.items()):
        for number, (rule, mask) in enumerate(each.broken):
            yield Broken((TYPES, position, number), name, rule, mask)
    for position, (name, each) in enumerate(columns.items()):
        if not each.nullable:
            yield Broken((MISSING, position, 0), name, "is missing", texts[name].is_null())
    for position, feature in enumerate(schema.features):
        if feature.is_number:
            values = column(pl.DataFrame([columns[feature.name].values]), feature.name)
            for number, (rule, mask) in enumerate(FeatureRules.of(feature).broken_rules(values)):
                yield Broken((LIMITS, position, number), feature.name, rule, pl.Series(mask))


def repeated_ids(columns: dict[str, TypedColumn], schema: Schema) -> Iterator[Broken]:
    """Yield the rows of a whole table whose id another row has."""
    if schema.identifier:
        identifiers = columns[schema.identifier].values
        mask = identifiers.is_duplicated() & identifiers.is_not_null()
        yield Broken((REPEATED, 0, 0), schema.identifier, "must not repeat", mask)


def value_problems(texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema) -> list[Problem]:
    """Find values of a whole table that are missing, of another type, repeated, unknown or out of range."""
    hints = _hints(texts, columns, schema)
    found = [*broken_rules(texts, columns, schema), *repeated_ids(columns, schema)]
    return [
        Problem(
            each.column,
            stated(each.rule, hints.get(each.column, "") if each.place[0] == TYPES else ""),
            len(rows),
            samples(texts, each.column, rows, schema),
        )
        for each in sorted(found, key=lambda each: each.place)
        if len(rows := each.mask.arg_true())
    ]


def stated(rule: str, hint: str = "") -> str:
    """Return a rule as reports state it."""
    return f"the value {rule}{hint}"


def warnings(header: list[str], repeated: int, schema: Schema) -> list[str]:
    """Find what deserves attention but is no reason to reject a file, in which `repeated` rows equal another one."""
    found = []
    foreign = [
        name or f"column {number}, which has no name"
        for number, name in enumerate(header, start=1)
        if name not in (*schema.columns, *schema.ignored)
    ]
    if foreign:
        names = ", ".join(foreign)
        found.append(
            f"columns that are not in the schema are dropped: {names}; if that is meant, list them under `ignore`"
        )
    if repeated:
        except_id = f" in everything except {schema.identifier}" if schema.identifier else ""
        rows_equal = "1 row equals" if repeated == 1 else f"{repeated:,} rows equal"
        found.append(f"{rows_equal} another row{except_id}")
    return found


def _hints(texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema) -> dict[str, str]:
    broken = sum(int(mask.sum()) for _, mask in columns[schema.target].broken)
    outcomes = texts.group_by(pl.col(schema.target).alias("text")).agg(rows=pl.len())
    return {schema.target: fitting_task(outcomes, broken, schema)} if broken else {}


def samples(texts: pl.DataFrame, name: str, wrong: pl.Series, schema: Schema) -> list[dict[str, Any]]:
    """Return the first of the `wrong` rows of a table."""
    rows = []
    for index in wrong.head(SAMPLE_ROWS).to_list():
        value = texts[name][index]
        shown = "missing" if value is None else repr(value[:SAMPLE_CHARACTERS])
        identity = {schema.identifier: texts[schema.identifier][index]} if schema.identifier else {}
        rows.append({"line": index + _FIRST_LINE, **identity, "value": shown})
    return rows
