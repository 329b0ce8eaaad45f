"""What is wrong with a table of texts: with its header, and with the values of its columns. Pure: no I/O."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from typed_columns import TypedColumn

from model_package.rows.rules import FeatureRules
from model_package.rows.tables import column
from model_package.schema import Schema

SAMPLE_ROWS = 5
SAMPLE_CHARACTERS = 60
SHOWN_NAMES = 8
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# The header is line 1 of the file.
FIRST_LINE = 2


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


class ProblemTally:
    """Counts the rows that break a rule, in the batches of a table, and keeps the first of them as samples."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._found: dict[tuple[int, int, int], Problem] = {}

    def add(self, broken: Broken, texts: pl.DataFrame, first: int) -> None:
        """Count the rows of the next batch that break a rule; the batch begins with the row `first`, from 0."""
        rows = broken.mask.arg_true()
        if not len(rows):
            return
        before = self._found.get(broken.place, Problem(broken.column, broken.rule, 0, []))
        wanted = rows.head(SAMPLE_ROWS - len(before.samples))
        lines = range(first + FIRST_LINE, first + FIRST_LINE + texts.height)
        shown = [*before.samples, *samples(texts, broken.column, wanted, self._schema, lines)]
        self._found[broken.place] = replace(before, count=before.count + len(rows), samples=shown)

    def wrong_types(self, name: str) -> int:
        """Return how many values of a column are of a wrong type, once per rule."""
        return sum(each.count for place, each in self._found.items() if place[0] == TYPES and each.column == name)

    def problems(self, hint: str = "") -> list[Problem]:
        """Return what was found in the order of reports; `hint` explains a target of a wrong type."""
        target = self._schema.target
        return [
            replace(each, rule=stated(each.rule, hint if place[0] == TYPES and each.column == target else ""))
            for place, each in sorted(self._found.items(), key=lambda item: item[0])
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


def samples(
    texts: pl.DataFrame, name: str, wrong: pl.Series, schema: Schema, lines: range | pl.Series
) -> list[dict[str, Any]]:
    """Return the first of the `wrong` rows of a table, whose rows are these `lines` [rows] of the file."""
    rows = []
    for index in wrong.head(SAMPLE_ROWS).to_list():
        value = texts[name][index]
        shown = "missing" if value is None else repr(value[:SAMPLE_CHARACTERS])
        identity = {schema.identifier: texts[schema.identifier][index]} if schema.identifier else {}
        rows.append({"line": lines[index], **identity, "value": shown})
    return rows
