"""Reject data that the model must not learn from, with Spark: the rules of validate_data, for tables that outgrow it.

Plain data frames with `mapInArrow` around the functions of validate_data, which see a batch at a time. There are three
passes: what only whole columns tell (ColumnFacts), the problems with the repeated ids, and, of valid data, the typed
rows. All data are opened by Spark, since on Azure an input is an address and no path.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
from column_problems import SAMPLE_ROWS, Problem, header_problems, value_problems
from pyspark.sql import DataFrame, SparkSession, functions
from typed_columns import ColumnFacts, fitting_task, merged_facts, typed_columns, typed_identifier, unread_numbers

from model_package.provenance import extended_lineage
from model_package.schema import Schema
from model_package.schema_file import SCHEMA_YML, read_schema_file

# More different targets than any message shows.
MAX_OUTCOMES = 100_000
_SPARK_TYPES = {pl.Int64: "bigint", pl.Float64: "double", pl.Boolean: "boolean", pl.String: "string"}
_MOMENT = "timestamp_ntz"

EXAMPLE = (
    "example: python validate_data_spark.py --data sample.csv --schema schema.yml --rows out/rows --report out/report"
)


class NoRowsError(Exception):
    """The table has no rows."""


def read_schema(spark: SparkSession, address: str) -> Schema:
    """Read schema.yml. Raises SchemaError."""
    (row,) = spark.read.text(address, wholetext=True).collect()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / SCHEMA_YML
        file.write_text(row.value, encoding="utf-8")
        return read_schema_file(file)


def read_texts(spark: SparkSession, data: str) -> DataFrame:
    """Read CSV files with every value as text, of which an empty one is null."""
    return spark.read.csv(data, header=True, multiLine=True, escape='"')


def header_of(spark: SparkSession, data: str) -> list[str]:
    """Return the header as written; the reader of the rows would rename duplicates."""
    first = spark.read.csv(data, header=False, multiLine=True, escape='"').first()
    return [cell or "" for cell in first] if first else []


def facts_of(texts: DataFrame, schema: Schema) -> tuple[ColumnFacts, pl.DataFrame, int]:
    """Return what only whole columns tell, the different targets with their rows, and the number of all rows.

    Raises NoRowsError for a table without rows.
    """

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                counted = unread_numbers(as_texts(batch), schema)
                yield pa.RecordBatch.from_pydict({"counted": [json.dumps(counted)]})

    counted = [json.loads(row.counted) for row in texts.mapInArrow(count, "counted string").collect()]
    if not counted:
        raise NoRowsError
    grouped = texts.groupBy(functions.col(schema.target).alias("text")).agg(functions.count("*").alias("rows"))
    rows = [(row.text or None, row.rows) for row in grouped.limit(MAX_OUTCOMES).collect()]
    outcomes = pl.DataFrame(rows, schema={"text": pl.String, "rows": pl.Int64}, orient="row")
    return merged_facts(counted, outcomes, schema), outcomes, sum(part[""] for part in counted)


def problems_of(texts: DataFrame, schema: Schema, facts: ColumnFacts, outcomes: pl.DataFrame) -> list[Problem]:
    """Find values that are missing, of another type, unknown or out of range; without the repeated ids."""

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            part = as_texts(batch)
            columns = typed_columns(part, schema, facts)
            found = [asdict(problem) for problem in value_problems(part, columns, schema, is_whole=False)]
            if found:
                yield pa.RecordBatch.from_pydict({"problems": [json.dumps(found)]})

    merged: dict[tuple[str, str], Problem] = {}
    for row in texts.mapInArrow(find, "problems string").collect():
        for each in json.loads(row.problems):
            # Lines are those of a batch.
            samples = [{key: value for key, value in sample.items() if key != "line"} for sample in each["samples"]]
            before = merged.get((each["column"], each["rule"]), Problem(each["column"], each["rule"], 0, []))
            kept = [*before.samples, *samples][:SAMPLE_ROWS]
            merged[before.column, before.rule] = Problem(before.column, before.rule, before.count + each["count"], kept)
    broken = sum(each.count for each in merged.values() if each.column == schema.target)
    hint = fitting_task(outcomes, broken, schema) if broken else ""
    return [
        Problem(each.column, f"{each.rule}{hint}", each.count, each.samples) if each.column == schema.target else each
        for each in merged.values()
    ]


def repeated_ids(texts: DataFrame, schema: Schema, facts: ColumnFacts) -> list[Problem]:
    """Find ids that more than one row has."""
    if not schema.identifier:
        return []

    def convert(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                values = typed_identifier(as_texts(batch)[schema.identifier], facts).values
                yield from as_arrow(pl.DataFrame([values.drop_nulls().alias("id")]))

    kind = "bigint" if schema.identifier in facts.numbers else "string"
    ids = texts.select(schema.identifier).mapInArrow(convert, f"id {kind}")
    repeated = ids.groupBy("id").agg(functions.count("*").alias("rows")).where("rows > 1")
    total = repeated.agg(functions.sum("rows").alias("rows")).first()
    if total is None or not total.rows:
        return []
    samples = [{"value": repr(str(row.id))} for row in repeated.orderBy("id").limit(SAMPLE_ROWS).collect()]
    return [Problem(schema.identifier, "the value must not repeat", total.rows, samples)]


def typed_rows(texts: DataFrame, schema: Schema, facts: ColumnFacts) -> DataFrame:
    """Return the rows with the types of the schema; values of a wrong type are null."""

    def convert(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                columns = typed_columns(as_texts(batch), schema, facts)
                yield from as_arrow(pl.DataFrame([each.values for each in columns.values()]))

    empty = pl.DataFrame(schema=dict.fromkeys(texts.columns, pl.String))
    kinds = {name: each.values.dtype for name, each in typed_columns(empty, schema, facts).items()}
    declared = ", ".join(f"`{name}` {_SPARK_TYPES.get(type(kind), _MOMENT)}" for name, kind in kinds.items())
    return texts.mapInArrow(convert, declared)


def as_texts(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return a batch of texts, of which an empty one is a missing value."""
    return pl.DataFrame(pl.from_arrow(batch)).with_columns(pl.all().cast(pl.String).replace("", None))


def as_arrow(rows: pl.DataFrame) -> list[pa.RecordBatch]:
    """Return rows as Spark takes them, which knows no large texts."""
    table = rows.to_arrow()
    small = [
        pa.field(each.name, pa.string() if pa.types.is_large_string(each.type) else each.type) for each in table.schema
    ]
    return table.cast(pa.schema(small)).combine_chunks().to_batches()


def build_report(spark: SparkSession, data: str, schema: Schema) -> tuple[dict[str, Any], DataFrame | None]:
    """Check CSV files. Returns the report, and the typed rows if they may be used."""
    header = header_of(spark, data)
    report: dict[str, Any] = {"file": PurePosixPath(data).name, "valid": False, "rows": 0, "header": header}
    wrong = header_problems(header, schema)
    if wrong:
        return report | {"problems": [asdict(problem) for problem in wrong]}, None
    texts = read_texts(spark, data).select(*schema.columns)
    try:
        facts, outcomes, count = facts_of(texts, schema)
    except NoRowsError:
        return report | {"problems": [asdict(Problem("file", "it has a header but no rows", 1, []))]}, None
    problems = problems_of(texts, schema, facts, outcomes) + repeated_ids(texts, schema, facts)
    report |= {"rows": count, "valid": not problems}
    return report | {"problems": list(map(asdict, problems))}, None if problems else typed_rows(texts, schema, facts)


def main() -> int:
    """Validate CSV files; the exit code is 1 if they are rejected."""
    parser = argparse.ArgumentParser(description="Validate CSV files against the schema.", epilog=EXAMPLE)
    parser.add_argument("--data", required=True, help="CSV file, or folder of such files with the same columns")
    parser.add_argument("--schema", required=True, help="schema.yml, which defines the columns")
    parser.add_argument("--rows", required=True, help="folder for the rows as parquet")
    parser.add_argument("--report", required=True, help="folder for the report")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("validate").getOrCreate()
    report, rows = build_report(spark, arguments.data, read_schema(spark, arguments.schema))
    report["lineage"] = extended_lineage(None, __file__)
    spark.createDataFrame([(json.dumps(report),)], "value string").coalesce(1).write.text(arguments.report)
    if rows is None:
        print(f"{arguments.data} is rejected; correct the data and run again:", file=sys.stderr)
        for problem in report["problems"]:
            print(f"  {Problem(**problem).sentence()}", file=sys.stderr)
        return 1
    rows.write.parquet(arguments.rows)
    print(f"{report['rows']:,} rows are valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
