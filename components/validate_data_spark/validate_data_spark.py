"""Reject data that the model must not learn from, with Spark: the rules of validate_data, for tables that outgrow it.

Plain data frames with `mapInArrow` around the functions of validate_data, which see a part of the rows at a time, as
texts: of CSV files, of parquet files, or of a Delta table. These are read twice: for what only whole columns tell
(ColumnFacts), and to write the typed rows, each part with its problems. What else whole columns tell, such as repeated
ids, is read from the rows that were written.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from column_problems import Problem, header_problems, warnings
from csv_texts import UnreadableDataError
from pyspark.sql import DataFrame, SparkSession, functions
from pyspark.sql.types import DoubleType, LongType, StructField
from pyspark.sql.window import Window
from spark_csv import read_schema_yml
from spark_input import CSV, Source, source_of
from spark_problems import checked_rows, facts_of, in_order, problems_of, repeated_ids
from spark_tables import (
    DOCUMENT,
    ROWS,
    SPARK_ERRORS,
    below,
    parquet,
    quoted,
    schema_document,
    why_unreadable,
    write_document,
)

from model_package.errors import SchemaError
from model_package.provenance import extended_lineage
from model_package.schema import Schema

_MEASURES = {"minimum": functions.min, "mean": functions.avg, "maximum": functions.max}

EXAMPLE = (
    "example: python validate_data_spark.py --data sample.csv --schema schema.yml "
    "--validated-data out/validated --validation-report out/report"
)


def build_report(spark: SparkSession, data: str, schema: Schema, target: str) -> dict[str, Any]:
    """Check a table, and write its typed rows to the folder `target`, none if it is rejected."""
    report: dict[str, Any] = {
        "file": PurePosixPath(data).name, "valid": False, "rows": 0, "warnings": [], "columns": []
    }  # fmt: skip
    try:
        return report | _checked(spark, source_of(spark, data), schema, target)
    except UnreadableDataError as error:
        return report | {"problems": [asdict(Problem("file", str(error), 1, []))]}


def _checked(spark: SparkSession, source: Source, schema: Schema, target: str) -> dict[str, Any]:
    """Return what the rows make of the report. Raises UnreadableDataError."""
    try:
        if wrong := header_problems(source.header, schema):
            _refuse_unreadable(spark, source, rows=False)
            return {"problems": list(map(asdict, wrong))}
        lines = source.lines(spark, schema)
        facts, count = facts_of(lines, schema)
        if count:
            checked_rows(lines, schema, facts).write.parquet(target, mode="overwrite")
    except SPARK_ERRORS as error:
        _refuse_unreadable(spark, source)
        if source.kind != CSV:
            raise UnreadableDataError(f"{why_unreadable(spark, [], error)}; write the table again") from error
        raise
    if not count:
        _refuse_unreadable(spark, source)
        raise UnreadableDataError("the files have a header but no rows; give files with data")
    checked = spark.read.parquet(target)
    found = [*problems_of(checked, lines, schema), *repeated_ids(checked, lines, schema, facts)]
    if found and source.kind == CSV and (reason := source.damage(spark)):
        checked.limit(0).write.parquet(target, mode="overwrite")
        raise UnreadableDataError(reason)
    if problems := in_order(found, with_lines=source.has_lines):
        checked.limit(0).write.parquet(target, mode="overwrite")
        return {"rows": count, "problems": list(map(asdict, problems))}
    rows = parquet(spark, target, schema)
    return {
        "valid": True,
        "rows": count,
        "warnings": warnings(source.header, count - _different(rows, schema), schema),
        "columns": summary(rows, count),
        "problems": [],
    }


def _refuse_unreadable(spark: SparkSession, source: Source, *, rows: bool = True) -> None:
    if reason := source.damage(spark, rows=rows):
        raise UnreadableDataError(reason)


def _different(rows: DataFrame, schema: Schema) -> int:
    names = [name for name in schema.columns if name != schema.identifier]
    return rows.select(*map(quoted, names)).distinct().count()


def summary(rows: DataFrame, count: int) -> list[dict[str, Any]]:
    """Describe each column as validate_data does."""
    wanted = []
    for number, field in enumerate(rows.schema.fields):
        column = functions.col(quoted(field.name))
        wanted.append(functions.count(column).alias(f"known{number}"))
        if _is_number(field):
            wanted += [measure(column).alias(f"{name}{number}") for name, measure in _MEASURES.items()]
    found = rows.agg(*wanted).collect()[0].asDict()
    described = []
    for number, field in enumerate(rows.schema.fields):
        known = found[f"known{number}"]
        distinct, median = _different_values(rows, field, known)
        measured = {name: found.get(f"{name}{number}") for name in _MEASURES}
        missing = {"distinct": distinct + (known < count), "missing": count - known}
        described.append({"column": field.name, **measured, "median": median, **missing})
    return described


def _different_values(rows: DataFrame, field: StructField, known: int) -> tuple[int, float | None]:
    """Return how many different values a column has, and the median of its `known` numbers.

    One column at a time: Spark holds all different values of the columns whose medians it is asked for.
    """
    value, until = functions.col("value"), functions.col("until")
    values = rows.select(functions.col(quoted(field.name)).alias("value")).where(value.isNotNull())
    if not _is_number(field):
        return values.distinct().count(), None
    # In one partition, which a median needs; said so, because Spark would warn of it.
    in_order = (
        Window.partitionBy(functions.lit(0)).orderBy("value").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    counted = values.groupBy("value").agg(functions.count("*").alias("rows"))
    ranked = counted.select(value, functions.sum("rows").over(in_order).alias("until"))
    # The value in the middle, or the two around it.
    middle = [functions.min(functions.when(until > rank, value)) for rank in ((known - 1) // 2, known // 2)]
    distinct, lower, upper = ranked.agg(functions.count("*"), *middle).collect()[0]
    return distinct, (lower + upper) / 2 if known else None


def _is_number(field: StructField) -> bool:
    return isinstance(field.dataType, LongType | DoubleType)


def main() -> int:
    """Validate a table; the exit code is 1 if it is rejected."""
    parser = argparse.ArgumentParser(description="Validate a table against the schema.", epilog=EXAMPLE)
    parser.add_argument("--data", required=True, help="CSV or parquet file, folder of such files, or Delta table")
    parser.add_argument("--schema", required=True, help="schema.yml, which defines the columns")
    parser.add_argument("--validated-data", required=True, help="folder for the rows as parquet")
    parser.add_argument("--validation-report", required=True, help="folder for the report")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("validate").getOrCreate()
    try:
        schema = read_schema_yml(spark, arguments.schema)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    report = build_report(spark, arguments.data, schema, below(arguments.validated_data, ROWS))
    write_document(spark, arguments.validation_report, report)
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    if not report["valid"]:
        print(f"{arguments.data} is rejected; correct the data and run again:", file=sys.stderr)
        for problem in report["problems"]:
            print(f"  {Problem(**problem).sentence()}", file=sys.stderr)
        return 1
    about = {"schema": schema_document(schema), "lineage": extended_lineage(None, __file__)}
    write_document(spark, below(arguments.validated_data, DOCUMENT), about)
    print(f"{report['rows']:,} rows are valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
