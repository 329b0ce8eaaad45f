"""CSV files as Spark reads them: every value as text, with the number of its line; and why they cannot be read."""

import csv
import tempfile
from pathlib import Path, PurePosixPath

from csv_texts import UnreadableDataError, require_rows, require_text, text_batches
from pyspark.sql import DataFrame, SparkSession, functions
from pyspark.sql.types import StringType, StructField, StructType
from spark_tables import SPARK_ERRORS, first_line, local_copies, quoted

from model_package.errors import SchemaError
from model_package.schema import Schema
from model_package.schema_file import SCHEMA_YML, read_schema_file

# The column with the number of each row.
LINE = "__line_of_file__"
_FIRST_LINE = 2
# As polars reads them: quotes are doubled, rows may be too short. Spark drops the values of rows that are too long,
# unless it fails.
_OPTIONS = {
    "header": True,
    "multiLine": True,
    "escape": '"',
    "mode": "FAILFAST",
    "columnPruning": "false",
    "allowTruncatedRows": "true",
}


def read_schema_yml(spark: SparkSession, address: str) -> Schema:
    """Read schema.yml. Raises SchemaError."""
    (row,) = spark.read.text(address, wholetext=True).collect()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / SCHEMA_YML
        file.write_text(row.value, encoding="utf-8")
        try:
            return read_schema_file(file)
        except SchemaError as error:
            raise SchemaError(str(error).replace(str(file), address)) from error


def header_of(spark: SparkSession, files: list[str]) -> list[str]:
    """Return the header as written. Raises UnreadableDataError if not all files have the same."""
    headers = {file: _first_line(spark, file) for file in files}
    expected = headers[files[0]]
    for file, header in headers.items():
        if header != expected:
            first, other = (PurePosixPath(each).name for each in (files[0], file))
            different = ", ".join(sorted({*header} ^ {*expected})) or "the order"
            raise UnreadableDataError(
                f"{other} has other columns than {first} ({different}); give files with the same header"
            )
    return expected


def _first_line(spark: SparkSession, file: str) -> list[str]:
    # Read as CSV with one column, because a reader of several lines keeps their order.
    try:
        line = spark.read.csv(file, sep="\x01", quote="\x02", multiLine=True).first()
    except SPARK_ERRORS as error:
        reason = unreadable(spark, [file], rows=False) or f"{file} is not a readable CSV file: {first_line(error)}"
        raise UnreadableDataError(reason) from error
    return next(csv.reader([(line[0] or "").removeprefix("\ufeff")]), []) if line else []


def read_lines(spark: SparkSession, files: list[str], header: list[str], schema: Schema) -> DataFrame:
    """Return the texts of the columns of the schema, and LINE, which is right in a single file."""
    names = [name or f"__column_{number}__" for number, name in enumerate(header)]
    types = StructType([StructField(name, StringType()) for name in names])
    rows = spark.read.options(**_OPTIONS).csv(files, schema=types)
    line = functions.monotonically_increasing_id() + _FIRST_LINE
    return rows.select(*map(quoted, schema.columns), line.alias(LINE))


def unreadable(spark: SparkSession, files: list[str], *, rows: bool) -> str:
    """Return why files cannot be read, in the words of validate_data; "" if they can, or are too large to look again.

    Without `rows`, only the encoding is looked at.
    """
    for file, copy in local_copies(spark, files):
        try:
            require_text(copy)
            if rows:
                require_rows(copy, sum(texts.height for texts in text_batches(copy)))
        except UnreadableDataError as error:
            return str(error).replace(str(copy), file)
    return ""
