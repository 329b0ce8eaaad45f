"""What validate_data_spark reads: CSV files, parquet files or a Delta table, as one table with numbered rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from csv_texts import UnreadableDataError
from pyspark.sql import DataFrame, SparkSession, functions
from spark_csv import LINE, header_of, read_lines, unreadable
from spark_tables import SPARK_ERRORS, below, damage, files_at, first_line, lost_rows, quoted

from model_package.schema import Schema

CSV, PARQUET, DELTA = "csv", "parquet", "delta"
_DELTA_LOG = "_delta_log"
_NO_CELLS = ("array<", "binary", "interval", "map<", "struct<", "variant")
_SHOWN_FILES = 3


@dataclass(frozen=True)
class Source:
    """Files of one kind, or the folder of a Delta table, with the columns that they have as `header`."""

    kind: str
    files: list[str]
    header: list[str]
    table: DataFrame | None = None

    @property
    def has_lines(self) -> bool:
        """Whether problems can name lines: several files are read in no order, and only texts have lines."""
        return self.kind == CSV and len(self.files) == 1

    def lines(self, spark: SparkSession, schema: Schema) -> DataFrame:
        """Return the columns of the schema, and LINE. Raises UnreadableDataError for columns without single values."""
        if self.table is None:
            return read_lines(spark, self.files, self.header, schema)
        types = dict(self.table.dtypes)
        for name in schema.columns:
            if types[name].startswith(_NO_CELLS):
                raise UnreadableDataError(
                    f"the column {name} holds {types[name]}, not one value per row; make columns of what it holds"
                )
        return self.table.select(*map(quoted, schema.columns), functions.monotonically_increasing_id().alias(LINE))

    def damage(self, spark: SparkSession, *, rows: bool = True) -> str:
        """Return which file cannot be read, and why; "" if that is none of them, or too large to look again."""
        if self.kind == CSV:
            return unreadable(spark, self.files, rows=rows)
        return damage(spark, self.files) if self.table is None or self.kind == PARQUET else lost_rows(self.table)


def source_of(spark: SparkSession, data: str) -> Source:
    """Return what is at an address. Raises UnreadableDataError if that is nothing, or no one table."""
    if files_at(spark, below(data, _DELTA_LOG)):
        table = spark.read.format(DELTA).load(data)
        return Source(DELTA, [data], _columns(table, data), table)
    files = files_at(spark, data)
    if not files:
        raise UnreadableDataError(f"{data} does not exist; give the path of a CSV file")
    kinds = {PARQUET if file.lower().endswith(f".{PARQUET}") else CSV for file in files}
    if len(kinds) > 1:
        names = ", ".join(PurePosixPath(file).name for file in files[:_SHOWN_FILES])
        raise UnreadableDataError(f"{data} has files of several kinds ({names}); give only parquet, or only CSV files")
    if kinds == {CSV}:
        given = files if len(files) > 1 else [data]
        return Source(CSV, given, header_of(spark, given))
    _require_same_columns(spark, files)
    table = spark.read.parquet(data)
    return Source(PARQUET, files, _columns(table, data), table)


def _columns(table: DataFrame, address: str) -> list[str]:
    try:
        return table.columns
    except SPARK_ERRORS as error:
        raise UnreadableDataError(f"{address} cannot be read: {first_line(error)}; write it again") from error


def _require_same_columns(spark: SparkSession, files: list[str]) -> None:
    """Raise UnreadableDataError for parquet files of which one has other columns or types; their order is no matter."""
    expected: Mapping[str, str] | None = None
    for file in files:
        try:
            found = dict(spark.read.parquet(file).dtypes)
        except SPARK_ERRORS as error:
            reason = damage(spark, [file]) or f"{file} cannot be read: {first_line(error)}; write it again"
            raise UnreadableDataError(reason) from error
        expected = expected or found
        if found == expected:
            continue
        first, other = (PurePosixPath(each).name for each in (files[0], file))
        if different := ", ".join(sorted({*found} ^ {*expected})):
            raise UnreadableDataError(
                f"{other} has other columns than {first} ({different}); give files with the same columns"
            )
        kinds = (f"{name}: {found[name]}, not {kind}" for name, kind in expected.items() if found[name] != kind)
        raise UnreadableDataError(
            f"{other} has columns of other types than {first} ({', '.join(kinds)}); write them with the same types"
        )
