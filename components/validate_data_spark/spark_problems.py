"""What is wrong with a table that Spark reads: the rules of validate_data, looked for in parts and merged."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
from column_problems import REPEATED, SAMPLE_ROWS, TYPES, Problem, broken_rules, samples, stated
from pyspark.sql import DataFrame, functions
from pyspark.sql.types import StringType, StructField, StructType
from spark_csv import LINE
from spark_tables import as_batches, as_polars, map_in_arrow, quoted, spark_types, tables
from typed_columns import (
    ColumnFacts,
    TypedColumn,
    fitting_task,
    merged_facts,
    typed_columns,
    typed_identifier,
    unread_numbers,
)

from model_package.schema import BINARY_CLASSIFICATION, Schema
from model_package.tasks import base_task

# The column with the problems of a part, in one of its rows.
PROBLEMS = "__problems_of_part__"
# The place of what is no problem by itself: the file may be no text.
REPLACED = (9, 0, 0)
_REPLACEMENT = "\ufffd"
# More different targets than any message shows.
_MAX_OUTCOMES = 1_000_000


def texts_of(table: pa.Table) -> pl.DataFrame:
    """Return a table of texts as a CSV file would have them, of which an empty one is a missing value."""
    return as_texts(as_polars(table))


def as_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows as texts, without a text for NaN; times with a zone are taken in UTC."""
    texts = []
    for name, kind in rows.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Datetime):
            column = column.dt.cast_time_unit("us")
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else column
        elif kind.is_float():
            column = column.fill_nan(None)
        texts.append(column if name == LINE else column.cast(pl.String).replace("", None))
    return rows.select(texts)


def facts_of(lines: DataFrame, schema: Schema) -> tuple[ColumnFacts, int]:
    """Return what only whole columns tell, and the number of all rows; without rows there are no facts."""

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            yield pa.RecordBatch.from_pydict({"counted": [json.dumps(unread_numbers(texts_of(table), schema))]})

    names = dict.fromkeys(name for name in (schema.identifier, schema.time, schema.group, schema.target) if name)
    narrow = lines.select(*map(quoted, names))
    counted = [json.loads(row.counted) for row in map_in_arrow(narrow, count, "counted string").collect()]
    if not counted:
        return ColumnFacts(frozenset()), 0
    against = base_task(schema) == BINARY_CLASSIFICATION and schema.positive is not None
    outcomes = outcomes_of(lines, schema) if against else pl.DataFrame(schema={"text": pl.String, "rows": pl.Int64})
    return merged_facts(counted, outcomes, schema), sum(part[""] for part in counted)


def outcomes_of(lines: DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the different targets with their rows, the most frequent of very many."""
    text = functions.col(quoted(schema.target))
    grouped = lines.groupBy(text.alias("text")).agg(functions.count("*").alias("rows")).orderBy(functions.desc("rows"))
    found = grouped.limit(_MAX_OUTCOMES).collect()
    texts = as_texts(pl.DataFrame({"text": pl.Series([row.text for row in found], strict=False)}))["text"]
    return pl.DataFrame([texts.cast(pl.String), pl.Series("rows", [row.rows for row in found], pl.Int64)])


def checked_rows(lines: DataFrame, schema: Schema, facts: ColumnFacts) -> DataFrame:
    """Return the rows with the types of the schema, in which wrong values are null, and PROBLEMS."""

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            texts = texts_of(table)
            columns = typed_columns(texts, schema, facts)
            found = [
                {
                    "place": each.place,
                    "column": each.column,
                    "rule": each.rule,
                    "count": len(rows),
                    "samples": samples(texts, each.column, rows, schema, texts[LINE]),
                }
                for each in broken_rules(texts, columns, schema)
                if len(rows := each.mask.arg_true())
            ]
            if _has_replaced(columns):
                found.append({"place": REPLACED, "column": "", "rule": "", "count": 1, "samples": []})
            noted = pl.Series(PROBLEMS, [json.dumps(found) if found else None], pl.String)
            rows = pl.DataFrame([each.values for each in columns.values()])
            yield from as_batches(rows.with_columns(noted.extend_constant(None, rows.height - 1)))

    empty = pl.DataFrame(schema=dict.fromkeys(schema.columns, pl.String))
    types = spark_types(pl.DataFrame([each.values for each in typed_columns(empty, schema, facts).values()]))
    return map_in_arrow(lines, check, StructType([*types.fields, StructField(PROBLEMS, StringType())]))


def _has_replaced(columns: dict[str, TypedColumn]) -> bool:
    """Tell whether texts have a character that Spark writes for bytes that are no text."""
    texts = [each.values for each in columns.values() if each.values.dtype == pl.String]
    return any(bool(each.str.contains(_REPLACEMENT, literal=True).any()) for each in texts)


def problems_of(checked: DataFrame, lines: DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """Return what checked rows have in PROBLEMS as problems of the whole table, each with its place."""
    merged: dict[tuple[int, ...], dict[str, Any]] = {}
    noted = checked.select(PROBLEMS).where(functions.col(PROBLEMS).isNotNull())
    for row in noted.collect():
        for each in json.loads(row[PROBLEMS]):
            before = merged.setdefault(tuple(each["place"]), each | {"count": 0, "samples": []})
            before["count"] += each["count"]
            before["samples"] = _first([*before["samples"], *each["samples"]])
    wrong_types = [each for place, each in merged.items() if place[0] == TYPES and each["column"] == schema.target]
    broken = sum(each["count"] for each in wrong_types)
    if broken and base_task(schema):
        hint = fitting_task(outcomes_of(lines, schema), broken, schema)
        for each in wrong_types:
            each["rule"] += hint
    return list(merged.values())


def repeated_ids(checked: DataFrame, lines: DataFrame, schema: Schema, facts: ColumnFacts) -> list[dict[str, Any]]:
    """Find the ids of checked rows that more than one row has."""
    if not schema.identifier:
        return []
    ids = checked.select(functions.col(quoted(schema.identifier)).alias("id")).where("id is not null")
    repeated = ids.groupBy("id").agg(functions.count("*").alias("rows")).where("rows > 1")
    total = repeated.agg(functions.sum("rows").alias("rows")).first()
    if total is None or not total.rows:
        return []

    def convert(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            texts = texts_of(table)
            values = typed_identifier(texts[schema.identifier], facts).values
            yield from as_batches(texts.select(id=values, line=pl.col(LINE), text=pl.col(schema.identifier)))

    kind = "bigint" if schema.identifier in facts.numbers else "string"
    narrow = lines.select(quoted(schema.identifier), quoted(LINE))
    found = map_in_arrow(narrow, convert, f"id {kind}, line bigint, text string").join(repeated, "id", "left_semi")
    first = found.orderBy("line").limit(SAMPLE_ROWS).collect()
    texts = pl.DataFrame({schema.identifier: [row.text for row in first]}, schema={schema.identifier: pl.String})
    rows = pl.Series(range(len(first)))
    located = samples(texts, schema.identifier, rows, schema, pl.Series([row.line for row in first]))
    place = (REPEATED, 0, 0)
    rule = "must not repeat"
    return [{"place": place, "column": schema.identifier, "rule": rule, "count": total.rows, "samples": located}]


def in_order(found: list[dict[str, Any]], *, with_lines: bool) -> list[Problem]:
    """Return problems in the order of validate_data; of several files, the samples have no lines."""
    return [
        Problem(
            each["column"],
            stated(each["rule"]),
            each["count"],
            [
                {key: value for key, value in sample.items() if with_lines or key != "line"}
                for sample in each["samples"]
            ],
        )
        for each in sorted(found, key=lambda each: tuple(each["place"]))
        if tuple(each["place"]) != REPLACED
    ]


def _first(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(shown, key=lambda sample: sample["line"])[:SAMPLE_ROWS]
