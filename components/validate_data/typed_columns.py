"""The texts of a CSV as typed columns, with what is wrong about those that are of another type. Pure: no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from model_package.rows.cells import MICROSECONDS_PER_DAY, ORIGIN, listed
from model_package.rows.tables import read_column
from model_package.schema import (
    BINARY_CLASSIFICATION,
    BOOLEAN,
    CATEGORY,
    INTEGER,
    MULTICLASS_CLASSIFICATION,
    NUMBER,
    REGRESSION,
    TIMESTAMP,
    Feature,
    Schema,
    written,
)
from model_package.tasks import base_task

_BINARY_RULE = "must be 0 or 1; where it is something else, write `positive: VALUE` into schema.yml"
# A target is said to fit another task if this share of its rows is wrong, and more whole numbers are no classes.
_MANY = 0.05
_FEW_CLASSES = 10
_MOMENT_RULE = "must be a date or a time such as 2026-01-31 or 2026-01-31T18:30:00Z"


@dataclass(frozen=True)
class TypedColumn:
    """A column as it goes on, null where it is missing or wrong, and each rule with the rows [rows] that break it."""

    values: pl.Series
    broken: tuple[tuple[str, pl.Series], ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class ColumnFacts:
    """What only whole columns tell, of a table that may be typed in parts.

    `numbers` are those of the id, the time and the group of which most cells are numbers. `others` are the values of a
    binary target beside the positive one, the most frequent first; `has_positive` tells whether that one is there.
    """

    numbers: frozenset[str]
    others: tuple[Any, ...] = ()
    has_positive: bool = True


def unread_numbers(texts: pl.DataFrame, schema: Schema) -> dict[str, int]:
    """Count the cells that are no numbers, of the id, the time and the group; "" counts the rows."""
    kinds = {schema.identifier: INTEGER, schema.group: INTEGER, schema.time: NUMBER}
    names = [name for name in kinds if name and (name == schema.identifier or name not in schema.names)]
    counted = {name: _numbers(texts, name, kinds[name]).null_count() for name in names}
    return {"": texts.height, **counted}


def merged_facts(counted: Sequence[Mapping[str, int]], outcomes: pl.DataFrame, schema: Schema) -> ColumnFacts:
    """Return the facts of a table from those of its parts, and from its different targets with their `rows`."""
    total = {name: sum(part[name] for part in counted) for name in counted[0]}
    numbers = frozenset(name for name, unread in total.items() if name and unread <= total[""] // 2)
    if not needs_outcomes(schema):
        return ColumnFacts(numbers)
    values = _outcomes(outcomes.rename({"text": schema.target}), schema).alias("value")
    rows = pl.DataFrame([values, outcomes["rows"]]).drop_nulls("value").group_by("value").agg(pl.col("rows").sum())
    ordered = rows.sort(["rows", "value"], descending=[True, False])["value"]
    others = tuple(each for each in ordered.to_list() if each != schema.positive)
    return ColumnFacts(numbers, others, len(others) < len(ordered))


def needs_outcomes(schema: Schema) -> bool:
    """Tell whether the facts of a table need its different targets."""
    is_named = schema.positive is not None and not isinstance(schema.positive, bool)
    return is_named and base_task(schema) == BINARY_CLASSIFICATION


def typed_columns(texts: pl.DataFrame, schema: Schema, facts: ColumnFacts) -> dict[str, TypedColumn]:
    """Convert every column of the schema in all or some rows of a table; an empty text is a missing value.

    An integer may be written as "3" or "3.0", as spreadsheets export it.
    """
    found = {}
    if schema.identifier:
        found[schema.identifier] = typed_identifier(texts[schema.identifier], facts)
    if schema.time and schema.time not in schema.names:
        found[schema.time] = _time(texts, schema.time, facts)
    if schema.group and schema.group not in schema.names:
        found[schema.group] = typed_identifier(texts[schema.group], facts)
    found |= {feature.name: _feature(texts, feature) for feature in schema.features}
    return found | {schema.target: _target(texts, schema, facts)}


def typed_identifier(text: pl.Series, facts: ColumnFacts) -> TypedColumn:
    """Return ids as numbers where most of them are numbers, else as texts."""
    if text.name not in facts.numbers:
        return TypedColumn(text)
    values = _numbers(pl.DataFrame([text]), text.name, INTEGER)
    return TypedColumn(values, tuple(_unread(text, values, INTEGER)))


def _feature(texts: pl.DataFrame, feature: Feature) -> TypedColumn:
    text = texts[feature.name]
    if feature.is_number:
        values = _numbers(texts, feature.name, feature.type)
        return TypedColumn(values, tuple(_unread(text, values, feature.type)), feature.nullable)
    found = read_column(texts, feature)
    unread = pl.Series(found.unread)
    if feature.type == BOOLEAN:
        values, rule = pl.Series(found.values, nan_to_null=True) == 1, "must be true or false"
    elif feature.type == TIMESTAMP:
        values, rule = _moments(found.values), _MOMENT_RULE
    elif feature.type == CATEGORY and not any(isinstance(each, str) for each in feature.categories or ()):
        values = _numbers(texts, feature.name, INTEGER)
        rule = "must be a whole number" if feature.is_open else f"must be one of {listed(feature.labels)}"
    else:
        values, rule = text, f"must be one of {listed(feature.labels)}"
    broken = ((rule, unread),) if unread.any() else ()
    return TypedColumn(values.alias(feature.name), broken, feature.nullable)


def _time(texts: pl.DataFrame, name: str, facts: ColumnFacts) -> TypedColumn:
    """Return times as moments, or as numbers where most of them are numbers, such as years."""
    if name in facts.numbers:
        numbers = _numbers(texts, name, NUMBER)
        return TypedColumn(numbers, tuple(_unread(texts[name], numbers, NUMBER)))
    return _feature(texts, Feature(name, TIMESTAMP))


def _target(texts: pl.DataFrame, schema: Schema, facts: ColumnFacts) -> TypedColumn:
    """Return the target in its own words: 0 or 1, the positive or the other value, a number, or a class."""
    name = schema.target
    if base_task(schema) == REGRESSION:
        return _feature(texts, Feature(name, NUMBER))
    if base_task(schema) != BINARY_CLASSIFICATION:
        return _feature(texts, Feature(name, CATEGORY, categories=schema.classes))
    if schema.positive is not None:
        return _against_positive(texts, schema, facts)
    values = _numbers(texts, name, INTEGER)
    wrong = texts[name].is_not_null() & ~values.is_in([0, 1]).fill_null(value=False)
    return TypedColumn(values, ((_BINARY_RULE, wrong),) if wrong.any() else ())


def fitting_task(outcomes: pl.DataFrame, broken: int, schema: Schema) -> str:
    """Return a hint for a target that breaks rules in many rows, where its values fit another task; else "".

    `outcomes` has the different targets as `text`, and their `rows`.
    """
    if not base_task(schema) or broken < _MANY * int(outcomes["rows"].sum()):
        return ""
    distinct = outcomes["text"].drop_nulls().str.strip_chars().unique()
    are_numbers = distinct.cast(pl.Float64, strict=False).null_count() == 0
    fitting = MULTICLASS_CLASSIFICATION
    if len(distinct) == 2:
        fitting = BINARY_CLASSIFICATION
    elif are_numbers and (len(distinct) > _FEW_CLASSES or distinct.str.contains(".", literal=True).any()):
        fitting = REGRESSION
    if fitting == base_task(schema):
        return ""
    return f" (its {len(distinct):,} different values fit `task: {fitting}`)"


def _against_positive(texts: pl.DataFrame, schema: Schema, facts: ColumnFacts) -> TypedColumn:
    """Return a target of which schema.yml names the positive value, beside which there must be one other only."""
    positive = schema.positive
    if isinstance(positive, bool):
        return _feature(texts, Feature(schema.target, BOOLEAN))
    values, text = _outcomes(texts, schema), texts[schema.target].str.strip_chars()
    broken = [] if isinstance(positive, str) else list(_unread(text, values, NUMBER))
    shown = listed([written(each) for each in facts.others])
    if facts.others and not facts.has_positive:
        everything = pl.Series([True]).new_from_index(0, len(text))
        broken.append((f"must be {positive} in some rows, as schema.yml says, and is {shown}", everything))
    elif len(facts.others) > 1:
        rule = f"must be {positive} or one other value, and is also {shown}"
        broken.append((rule, ((values != positive) & (values != facts.others[0])).fill_null(value=False)))
    return TypedColumn(values, tuple(broken))


def _outcomes(texts: pl.DataFrame, schema: Schema) -> pl.Series:
    """Return the targets as the positive value is written: as texts, or as numbers."""
    if isinstance(schema.positive, str):
        return texts[schema.target].str.strip_chars()
    return _numbers(texts, schema.target, NUMBER)


def _numbers(texts: pl.DataFrame, name: str, kind: str) -> pl.Series:
    plain = texts[name].cast(pl.Float64 if kind == NUMBER else pl.Int64, strict=False)
    # Most columns are as they should be, and take a third of the time.
    if plain.null_count() == texts[name].null_count() and (kind != NUMBER or plain.is_finite().all()):
        return plain
    text = pl.col(name).str.strip_chars()
    fraction = text.cast(pl.Float64, strict=False)
    finite = pl.when(fraction.is_finite()).then(fraction)
    if kind == NUMBER:
        return texts.select(finite.alias(name))[name]
    whole = pl.when(finite == finite.round()).then(finite).cast(pl.Int64, strict=False)
    return texts.select(text.cast(pl.Int64, strict=False).fill_null(whole).alias(name))[name]


def _unread(text: pl.Series, values: pl.Series, kind: str) -> Iterator[tuple[str, pl.Series]]:
    # Also where no row breaks it: parts of a table have the same rules in the same order.
    yield f"must be of type {kind}", values.is_null() & text.is_not_null()


def _moments(days: np.ndarray) -> pl.Series:
    known = pl.Series(days, nan_to_null=True)
    since = (known * MICROSECONDS_PER_DAY).round().cast(pl.Int64)
    return pl.Series([ORIGIN], dtype=pl.Datetime("us")).new_from_index(0, len(since)) + since.cast(pl.Duration("us"))
