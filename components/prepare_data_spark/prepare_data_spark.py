"""Split rows into train, validation and test sets with Spark: the parts of prepare_data, row by row.

Plain data frames with `mapInArrow` around the functions of prepare_data. The rows are read twice: for the targets of
the parts, by which a split is refused, and to write them. The driver holds the target of every row, and the time of
every row where schema.yml names one: at most 16 bytes each.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, functions
from pyspark.sql.types import StringType, StructField, StructType
from pyspark.sql.window import Window
from spark_tables import (
    DOCUMENT,
    ROWS,
    SPARK_ERRORS,
    as_batches,
    as_polars,
    below,
    files_at,
    map_in_arrow,
    parquet,
    quoted,
    read_document,
    schema_of,
    small_texts,
    tables,
    why_unreadable,
    write_document,
)
from split_rows import (
    Cutoffs,
    Shares,
    SplitError,
    assign,
    check,
    describe_parts,
    gap_between,
    line_identities,
    moments_of,
    numbered,
    parts_by_time,
    refuse_empty_parts,
    refuse_missing,
    row_lines,
    sentence,
    time_cutoffs,
    tracked,
    warnings,
)

from model_package.provenance import extended_lineage
from model_package.rows.split import PARTS, encode_target
from model_package.schema import Schema
from model_package.tasks import task_of

# Columns beside those of the schema.
PART, _LINE, _NUMBER = "__part__", "__line__", "__number__"
PartsOf = Callable[[pl.DataFrame], npt.NDArray[np.str_]]

EXAMPLE = "example: python prepare_data_spark.py --validated-data out/validated --split-data out/split"


def split(rows: DataFrame, schema: Schema, shares: Shares, salt: str) -> tuple[DataFrame, DataFrame]:
    """Return the rows with PART, and the targets with PART. Raises SplitError."""
    if schema.time:
        cutoffs = cutoffs_of(rows, schema, shares)

        def parts_of(table: pl.DataFrame) -> npt.NDArray[np.str_]:
            return parts_by_time(moments_of(table[schema.time]), cutoffs)

        return with_parts(rows, schema.time, schema, parts_of)
    if not schema.group and not schema.identifier:
        return split_lines(rows, schema, shares, salt)
    unit = schema.group or schema.identifier
    if schema.group:
        refuse_missing(rows.where(functions.col(quoted(unit)).isNull()).count(), unit)
    return with_parts(rows, unit, schema, lambda table: assign(numbered(table[unit]), shares, salt))


def cutoffs_of(rows: DataFrame, schema: Schema, shares: Shares) -> Cutoffs:
    """Return where the parts of a split by time begin. Raises SplitError for rows without a time."""
    time = functions.col(quoted(schema.time))
    refuse_missing(rows.where(time.isNull()).count(), schema.time)

    def moments(table: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
        return {"": moments_of(table[schema.time])}

    gap = gap_between(schema.gap, is_moment=dict(rows.dtypes)[schema.time] == "timestamp_ntz")
    return time_cutoffs(arrays(rows.select(quoted(schema.time)), moments)[""], shares, gap)


def with_parts(rows: DataFrame, unit: str, schema: Schema, parts_of: PartsOf) -> tuple[DataFrame, DataFrame]:
    """Return the rows, and the targets, each with PART, which the column `unit` decides."""
    narrow = rows.select(*map(quoted, dict.fromkeys([unit, schema.target])))
    return parted(rows, parts_of), parted(narrow, parts_of)


def parted(rows: DataFrame, parts_of: PartsOf) -> DataFrame:
    """Return rows with PART, without the columns that only serve to find it."""
    fields = [field for field in rows.schema.fields if field.name not in (_LINE, _NUMBER)]

    def assign_parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            parts = pa.array(parts_of(as_polars(table)).tolist(), pa.string())
            kept = table.select([field.name for field in fields]).append_column(PART, parts)
            yield from small_texts(kept).combine_chunks().to_batches()

    return map_in_arrow(rows, assign_parts, StructType([*fields, StructField(PART, StringType())]))


def split_lines(rows: DataFrame, schema: Schema, shares: Shares, salt: str) -> tuple[DataFrame, DataFrame]:
    """Return the rows without an id with PART, twice: rows that are equal in everything are numbered first."""

    def add_lines(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            found = as_polars(table)
            yield from as_batches(found.with_columns(row_lines(found, schema).alias(_LINE)))

    with_lines = map_in_arrow(rows, add_lines, StructType([*rows.schema.fields, StructField(_LINE, StringType())]))
    window = Window.partitionBy(_LINE).orderBy(_LINE)
    numbers = with_lines.withColumn(_NUMBER, functions.row_number().over(window) - 1)
    found = parted(numbers, lambda table: assign(line_identities(table[_LINE], table[_NUMBER]), shares, salt))
    return found, found


def targets_of(parts: DataFrame, schema: Schema) -> dict[str, npt.NDArray[Any]]:
    """Return the encoded target of each part [rows of the part]; those of "" are in none."""

    def targets(table: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
        target, names = encode_target(table, schema), table[PART].to_numpy()
        return {part: target[names == part] for part in (*PARTS, "")}

    return arrays(parts.select(quoted(schema.target), quoted(PART)), targets)


def arrays(rows: DataFrame, read: Callable[[pl.DataFrame], dict[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Return what `read` makes of the tables that the executors see, as whole arrays; bytes travel."""

    def send(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in tables(batches):
            found = read(as_polars(table))
            columns = {"name": list(found), "kind": [each.dtype.str for each in found.values()]}
            yield pa.RecordBatch.from_pydict(columns | {"content": [each.tobytes() for each in found.values()]})

    received: dict[str, list[npt.NDArray[Any]]] = {}
    for row in map_in_arrow(rows, send, "name string, kind string, content binary").collect():
        received.setdefault(row.name, []).append(np.frombuffer(bytes(row.content), row.kind))
    return {name: np.concatenate(found) for name, found in received.items()}


def write_split(spark: SparkSession, arguments: argparse.Namespace) -> int:
    """Write the split and its document; the exit code. Raises SplitError."""
    about = read_document(spark, below(arguments.validated_data, DOCUMENT))
    schema = schema_of(about["schema"])
    shares = Shares(arguments.validation_share, arguments.test_share)
    rows = parquet(spark, below(arguments.validated_data, ROWS), schema)
    found, outcomes = split(rows, schema, shares, arguments.salt)
    targets = targets_of(outcomes, schema)
    if schema.time:
        refuse_empty_parts({part for part, target in targets.items() if len(target)}, schema.time)
    described = describe_parts(targets, task_of(schema))
    # Rows of a group are alike: chance alone moves a share further.
    check(described, by_chance=not (schema.time or schema.group))
    inside = found.where(functions.col(PART) != "")
    inside.write.partitionBy(PART).parquet(below(arguments.split_data, ROWS), mode="overwrite")
    document = {"salt": arguments.salt, "parts": described}
    if noted := warnings(described):
        document["warnings"] = noted
    settings = {key: getattr(arguments, key) for key in ("validation_share", "test_share", "salt")}
    handed_on = {
        "split": document,
        "schema": about["schema"],
        "lineage": about["lineage"] | extended_lineage(None, __file__),
        "tracked": {"parameters": settings, "metrics": tracked(described)},
    }
    write_document(spark, below(arguments.split_data, DOCUMENT), handed_on)
    for part, facts in described.items():
        print(sentence(part, facts))
    for each in noted:
        print(f"warning: {each}")
    return 0


def main() -> int:
    """Split validated rows; the exit code is 1 if the split is refused."""
    parser = argparse.ArgumentParser(description="Split rows by a stable hash of their id, or by time.", epilog=EXAMPLE)
    parser.add_argument("--validated-data", required=True, help="folder written by validate_data_spark")
    parser.add_argument("--split-data", required=True, help="folder for the rows of the three parts")
    parser.add_argument("--validation-share", type=float, default=0.15, help="default: %(default)s")
    parser.add_argument("--test-share", type=float, default=0.25, help="default: %(default)s")
    parser.add_argument("--salt", default="split-1", help="another salt gives another split (%(default)s)")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("prepare").getOrCreate()
    try:
        return write_split(spark, arguments)
    except SplitError as error:
        print(f"the split is refused: {error}", file=sys.stderr)
    except SPARK_ERRORS as error:
        files = files_at(spark, below(arguments.validated_data, ROWS))
        print(f"{why_unreadable(spark, files, error)}; run validate_data_spark again", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
