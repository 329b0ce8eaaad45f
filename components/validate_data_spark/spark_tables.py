"""What the Spark steps of training share: documents that Spark opens, and batches as tables of polars.

On Azure an input is an address and no path, so Spark opens everything. A document is one line of JSON in a folder.
"""

import importlib
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, functions
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
)

from model_package.package import read_schema, write_schema
from model_package.schema import Schema

# Folders below the output of a step.
ROWS, DOCUMENT = "rows", "document"
# Python is called less often than by batches as Spark makes them.
_BATCH_ROWS = 100_000
_SPARK_TYPES: dict[type[pl.DataType], DataType] = {
    pl.Int64: LongType(),
    pl.Float64: DoubleType(),
    pl.Boolean: BooleanType(),
    pl.String: StringType(),
    pl.Datetime: TimestampNTZType(),
}


def _spark_errors() -> tuple[type[Exception], ...]:
    """Return what Spark raises; without Spark Connect, what Java raises comes as an error of py4j."""
    is_classic = importlib.util.find_spec("py4j") is not None
    return (
        (PySparkException, importlib.import_module("py4j.protocol").Py4JJavaError)
        if is_classic
        else (PySparkException,)
    )


SPARK_ERRORS = _spark_errors()


def below(address: str, name: str) -> str:
    """Return the address of a folder below another."""
    return f"{address.rstrip('/')}/{name}"


def quoted(name: str) -> str:
    """Return a column's name as Spark takes any name."""
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def write_document(spark: SparkSession, address: str, document: dict[str, Any]) -> None:
    """Write a document."""
    line = spark.createDataFrame([(json.dumps(document),)], "value string")
    line.coalesce(1).write.mode("overwrite").text(address)


def read_document(spark: SparkSession, address: str) -> dict[str, Any]:
    """Read a document."""
    (row,) = spark.read.text(address).collect()
    return json.loads(row.value)


def schema_document(schema: Schema) -> dict[str, Any]:
    """Return schema.json."""
    with tempfile.TemporaryDirectory() as folder:
        write_schema(Path(folder), schema)
        (file,) = Path(folder).iterdir()
        return json.loads(file.read_text(encoding="utf-8"))


def schema_of(document: dict[str, Any]) -> Schema:
    """Return the schema that a schema.json says."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "schema.json").write_text(json.dumps(document), encoding="utf-8")
        return read_schema(Path(folder))


def tables(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of batches in fewer tables, none of them without rows."""
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            kept.append(batch)
        if sum(each.num_rows for each in kept) >= _BATCH_ROWS:
            yield pa.Table.from_batches(kept)
            kept = []
    if kept:
        yield pa.Table.from_batches(kept)


def as_polars(table: pa.Table) -> pl.DataFrame:
    """Return a table of polars."""
    return pl.DataFrame(pl.from_arrow(table))


def as_batches(rows: pl.DataFrame) -> list[pa.RecordBatch]:
    """Return rows as Spark takes them, which has no large texts."""
    return small_texts(rows.to_arrow()).combine_chunks().to_batches()


def small_texts(table: pa.Table) -> pa.Table:
    """Return a table without large texts."""
    kinds = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return table.cast(pa.schema([pa.field(each.name, kinds.get(each.type, each.type)) for each in table.schema]))


def spark_types(rows: pl.DataFrame) -> StructType:
    """Return the types of rows as Spark names them."""
    return StructType([StructField(each.name, _SPARK_TYPES[type(each.dtype)]) for each in rows.get_columns()])


def parquet(spark: SparkSession, address: str, schema: Schema) -> DataFrame:
    """Return the columns of the schema that lie below an address."""
    return spark.read.parquet(address).select(*map(quoted, schema.columns))


def files_at(spark: SparkSession, address: str) -> list[str]:
    """Return the addresses of a file, or of those in a folder; none where there is nothing."""
    try:
        return sorted({unquote(file) for file in spark.read.text(address).inputFiles()})
    except SPARK_ERRORS:
        return []


def map_in_arrow(
    rows: DataFrame, function: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: StructType | str
) -> DataFrame:
    """Return `mapInArrow` of rows whose columns have any names: PySpark on Java refuses those with dots and quotes."""
    names = rows.columns

    def renamed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return function(pa.RecordBatch.from_arrays(batch.columns, names) for batch in batches)

    return rows.toDF(*(f"column_{number}" for number in range(len(names)))).mapInArrow(renamed, schema)


def local_copies(spark: SparkSession, files: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield each file that Spark can open as a whole, with a copy that is there until the next one."""
    for file in files:
        try:
            found = spark.read.format("binaryFile").load(file).select("content").first()
        except SPARK_ERRORS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "rows"
            copy.write_bytes(bytes(found.content) if found else b"")
            yield file, copy


def damage(spark: SparkSession, files: Iterable[str]) -> str:
    """Return which parquet file cannot be read, and why; "" if all can, or are too large to be looked at as a whole."""
    for file, copy in local_copies(spark, files):
        try:
            with pq.ParquetFile(copy) as opened:
                for _ in opened.iter_batches():
                    pass
        except (pa.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            return f"{file} is not a readable parquet file: {reason}; it may be half-written: write it again"
    return ""


def lost_rows(table: DataFrame) -> str:
    """Return why the rows of a table cannot be read, which no file says; "" if they can."""
    # Counts and limits would come from what the table says of itself; maps have no hash.
    names = [name for name, kind in table.dtypes if "map<" not in kind]
    try:
        table.agg(functions.max(functions.hash(*(functions.col(quoted(name)) for name in names)))).collect()
    except SPARK_ERRORS as error:
        return f"the rows of the table cannot be read: {first_line(error)}; restore its files, or an earlier version"
    return ""


def why_unreadable(spark: SparkSession, files: Iterable[str], error: Exception) -> str:
    """Return why parquet files cannot be read. Raises the error where they can, and a function raised."""
    if reason := damage(spark, files):
        return reason
    if "PythonException" in f"{type(error).__name__} {error}":
        raise error
    return f"the rows cannot be read: {first_line(error)}"


def first_line(error: Exception) -> str:
    """Return what Spark says, without its trace."""
    lines = [
        line for line in str(error).splitlines() if line.strip() and not line.startswith("An error occurred while")
    ]
    return lines[0].lstrip(": ") if lines else type(error).__name__
