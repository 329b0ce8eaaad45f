"""What is wrong with a table of texts: with its header, and with the values of its columns. Pure: no I/O."""

from collections import Counter
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


def value_problems(
    texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema, *, is_whole: bool = True
) -> list[Problem]:
    """Find values that are missing, of another type, repeated, unknown or out of range.

    Values of a wrong type are null by now: only values without text count as missing. Of a part of a table, which is
    not `is_whole`, neither repeated ids are found, nor the task that the target fits.
    """
    hints = _hints(texts, columns, schema) if is_whole else {}
    wrong = [
        (name, f"{rule}{hints.get(name, '')}", mask) for name, each in columns.items() for rule, mask in each.broken
    ]
    wrong += [(name, "is missing", texts[name].is_null()) for name, each in columns.items() if not each.nullable]
    if schema.identifier and is_whole:
        identifiers = columns[schema.identifier].values
        repeated = identifiers.is_duplicated() & identifiers.is_not_null()
        wrong.append((schema.identifier, "must not repeat", repeated))
    for feature in schema.features:
        if feature.is_number:
            values = column(pl.DataFrame([columns[feature.name].values]), feature.name)
            rules = FeatureRules.of(feature).broken_rules(values)
            wrong += [(feature.name, rule, pl.Series(mask)) for rule, mask in rules]
    return [
        Problem(name, f"the value {rule}", len(rows), _samples(texts, name, rows, schema))
        for name, rule, mask in wrong
        if len(rows := mask.arg_true())
    ]


def _hints(texts: pl.DataFrame, columns: dict[str, TypedColumn], schema: Schema) -> dict[str, str]:
    broken = sum(int(mask.sum()) for _, mask in columns[schema.target].broken)
    outcomes = texts.group_by(pl.col(schema.target).alias("text")).agg(rows=pl.len())
    return {schema.target: fitting_task(outcomes, broken, schema)} if broken else {}


def _samples(texts: pl.DataFrame, name: str, wrong: pl.Series, schema: Schema) -> list[dict[str, Any]]:
    rows = []
    for index in wrong.head(SAMPLE_ROWS).to_list():
        value = texts[name][index]
        shown = "missing" if value is None else repr(value[:SAMPLE_CHARACTERS])
        identity = {schema.identifier: texts[schema.identifier][index]} if schema.identifier else {}
        rows.append({"line": index + _FIRST_LINE, **identity, "value": shown})
    return rows
