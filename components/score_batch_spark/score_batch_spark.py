"""Score parquet files with Spark: the same checks, the same model and the same answers as endpoints and score_batch.

Plain data frames with `mapInArrow`, so that any Spark runs it. All data are opened by Spark, since on Azure an input is
an address and no path. A file is scored entirely or not at all, which takes two passes: one that checks every row, and
one that scores. Rows keep their id; those of a schema without an id keep all columns of the model.
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
from file_scoring import IGNORED, NOT_DATA, SCORED, SET_ASIDE, SUFFIX, Outcome
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ByteType, FloatType, StringType, StructField, StructType
from spark_tables import SPARK_ERRORS, first_line, lost_rows, map_in_arrow, quoted

from model_package.errors import InvalidRows, UnreadableRows
from model_package.evaluation import ONNX
from model_package.package import find_package, read_schema, runtime_of, verify
from model_package.rows.collected_columns import collected_name
from model_package.rows.files import PARQUET, batches, check_columns, checked_rows
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer
from model_package.schema import Schema
from model_package.tasks import task_of

NONE = "none"
DELTA = "delta"
FORMATS = ("parquet", DELTA)
# As file_scoring writes them.
TYPES = {"number": FloatType(), "outcome": ByteType(), "text": StringType()}
ARROW_TYPES = {"number": pa.float32(), "outcome": pa.int8(), "text": pa.string()}

EXAMPLE = (
    "example: python score_batch_spark.py --data rows/ --model package/ "
    "--predictions out/predictions --outcomes out/outcomes"
)
Files = dict[str, bytes]


def below(path: str, folder: str) -> str:
    """Return a file's path below a folder; Spark lists files by other addresses than it is given, with the same end."""
    parts = [part for part in folder.split("/") if part]
    for first in range(len(parts)):
        end = "/" + "/".join(parts[first:]) + "/"
        if end in f"/{path}":
            return f"/{path}".split(end, 1)[1]
    return PurePosixPath(path).name


def listed(spark: SparkSession, folder: str) -> DataFrame:
    """Return the files at or below a folder, with their content, which is read only where it is used."""
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(folder)


def read_files(spark: SparkSession, folder: str) -> Files:
    """Return the files of a folder by their paths below it."""
    return {below(row.path, folder): bytes(row.content) for row in listed(spark, folder).collect()}


def write_files(files: Files, folder: Path) -> Path:
    """Write files below a folder, and return the model package among them."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return find_package(folder)


def score_file(spark: SparkSession, files: Files, schema: Schema, source: str, name: str, target: str) -> Outcome:
    """Score one parquet file into a folder of predictions, or say why it cannot be scored."""
    if PurePosixPath(name).name.startswith(NOT_DATA):
        return Outcome(name, IGNORED, reason=f"its name begins with {PurePosixPath(name).name[0]}")
    if PurePosixPath(name).suffix.lower() != PARQUET:
        return Outcome(name, SET_ASIDE, reason=f"it is not a table: its name must end with {PARQUET}")
    try:
        found = score_table(spark.read.parquet(source), files, schema, name)
    except SPARK_ERRORS as error:
        if refused := refusal(spark, source, schema, name):
            return refused
        raise RuntimeError(f"{name} cannot be scored: {first_line(error)}") from error
    if isinstance(found, Outcome):
        return refusal(spark, source, schema, name) or found
    answers, rows = found
    answers.write.parquet(target)
    return Outcome(name, SCORED, rows, output=f"{name}{SUFFIX}")


def refusal(spark: SparkSession, file: str, schema: Schema, name: str) -> Outcome | None:
    """Return why a file cannot be scored, as score_batch says it with the number of the row.

    Spark reads the rows in no order. None if the file can be scored, or is too large to be looked at as a whole.
    """
    try:
        content = spark.read.format("binaryFile").load(file).select("content").first()
    except SPARK_ERRORS:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"rows{PARQUET}"
        copy.write_bytes(bytes(content.content) if content else b"")
        try:
            for _ in batches(copy, RowRules(schema)):
                pass
        except InvalidRows as error:
            details = tuple(asdict(finding) for finding in error.findings)
            return Outcome(name, SET_ASIDE, reason=str(error), details=details, total=error.total)
        except UnreadableRows as error:
            return Outcome(name, SET_ASIDE, reason=str(error))
    return None


def score_delta(spark: SparkSession, files: Files, schema: Schema, source: str, target: str) -> Outcome:
    """Score a Delta table into another one, or say why it cannot be scored."""
    name = PurePosixPath(source).name
    table = spark.read.format("delta").load(source)
    try:
        found = score_table(table, files, schema, name)
    except SPARK_ERRORS:
        if reason := lost_rows(table):
            return Outcome(name, SET_ASIDE, reason=reason)
        raise
    if isinstance(found, Outcome):
        return found
    answers, rows = found
    answers.write.format("delta").save(target)
    return Outcome(name, SCORED, rows, output=PurePosixPath(target).name)


def score_table(table: DataFrame, files: Files, schema: Schema, name: str) -> tuple[DataFrame, int] | Outcome:
    """Return the predictions of a table and the number of its rows, or why it cannot be scored."""
    types = column_types(table)
    if not types:
        return Outcome(name, SET_ASIDE, reason="it has no rows")
    try:
        check_columns(types, RowRules(schema))
    except UnreadableRows as error:
        return Outcome(name, SET_ASIDE, reason=str(error))
    kept = kept_columns(table, schema)
    wanted = table.select(*map(quoted, dict.fromkeys([*kept, *schema.names])))
    found = map_in_arrow(wanted, checking(schema), "rows long, wrong long, finding string").collect()
    rows, wrong = (sum(row[column] for row in found) for column in ("rows", "wrong"))
    if wrong:
        shown = next(row.finding for row in found if row.finding)
        reason = f"it has values that the model must not be given, {wrong} or more; one of them: {shown}"
        return Outcome(name, SET_ASIDE, reason=reason, total=wrong)
    return map_in_arrow(wanted, scoring(files, schema, kept), answer_type(wanted, schema, kept)), rows


def kept_columns(table: DataFrame, schema: Schema) -> list[str]:
    """Return the columns that tell whose predictions they are: the id, or all that the model is given."""
    return [schema.identifier] if schema.identifier in table.columns else list(schema.names)


def column_types(table: DataFrame) -> dict[str, pl.DataType]:
    """Return the types of the columns as polars sees them in batches, none where there are no rows."""
    (found,) = map_in_arrow(table.limit(1), _types, "types binary").collect() or [None]
    return dict(pl.read_ipc(bytes(found.types)).schema) if found else {}


def _types(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.num_rows:
            content = pl.DataFrame(pl.from_arrow(batch)).clear().write_ipc(None).getvalue()
            yield pa.RecordBatch.from_pydict({"types": [content]})


def checking(schema: Schema) -> Any:
    """Return the function that counts the rows and the wrong values of batches, with one of them."""

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rules = RowRules(schema)
        for batch in batches:
            if not batch.num_rows:
                continue
            wrong, finding = 0, None
            try:
                checked_rows(pl.DataFrame(pl.from_arrow(batch)), rules)
            except InvalidRows as error:
                wrong, finding = error.total, f"{error.findings[0].field} {error.findings[0].reason}"
            columns = [pa.array([batch.num_rows]), pa.array([wrong]), pa.array([finding], pa.string())]
            yield pa.RecordBatch.from_arrays(columns, ["rows", "wrong", "finding"])

    return check


def scoring(files: Files, schema: Schema, kept: list[str]) -> Any:
    """Return the function that scores batches, with a model per partition."""

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rules, task = RowRules(schema), task_of(schema)
        with tempfile.TemporaryDirectory() as folder:
            scorer = Scorer.open(write_files(files, Path(folder)))
            for batch in batches:
                if not batch.num_rows:
                    continue
                answer = scorer.score(checked_rows(pl.DataFrame(pl.from_arrow(batch)), rules))
                columns = {kept_name(name, schema): batch.column(name) for name in kept}
                for name, values in task.columns(answer).items():
                    columns[name] = pa.array(values).cast(ARROW_TYPES[task.column_kinds[name]])
                yield pa.RecordBatch.from_pydict(columns)

    return score


def answer_type(table: DataFrame, schema: Schema, kept: list[str]) -> StructType:
    """Return the type of the predictions of a table."""
    fields = [StructField(kept_name(name, schema), table.schema[name].dataType) for name in kept]
    kinds = task_of(schema).column_kinds
    return StructType([*fields, *(StructField(name, TYPES[kind]) for name, kind in kinds.items())])


def kept_name(name: str, schema: Schema) -> str:
    """Return what a column is called beside the answers."""
    task = task_of(schema)
    return collected_name(name, task) if name in task.column_kinds else name


def main() -> None:
    """Score the files that the arguments name."""
    parser = argparse.ArgumentParser(description="Score parquet files with Spark.", epilog=EXAMPLE)
    parser.add_argument("--data", required=True, help="folder with parquet files, or of one Delta table")
    parser.add_argument("--model", required=True, help="folder of the model package")
    parser.add_argument("--model-digest", default=NONE, help="the digest that the package must have (%(default)s)")
    parser.add_argument("--table-format", choices=FORMATS, default=FORMATS[0], help="what the folder has (%(default)s)")
    parser.add_argument("--predictions", required=True, help="folder for the predictions")
    parser.add_argument("--outcomes", required=True, help="folder for the outcomes of the files")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("score").getOrCreate()
    files = read_files(spark, arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        package = write_files(files, Path(folder))
        if arguments.model_digest != NONE:
            verify(package, arguments.model_digest)
        if runtime_of(package) != ONNX:
            sys.exit("the model is no ONNX graph, and runs in a process of its own: score it with score_batch")
        schema = read_schema(package)
    data, predictions = arguments.data.rstrip("/"), arguments.predictions.rstrip("/")
    if arguments.table_format == DELTA:
        outcomes = iter([score_delta(spark, files, schema, data, f"{predictions}/{PurePosixPath(data).name}")])
    else:
        # Once each: Sail lists a large file several times.
        found = {row.path for row in listed(spark, data).select("path").collect()}
        names = sorted(below(path, data) for path in found)
        outcomes = (
            score_file(spark, files, schema, f"{data}/{name}", name, f"{predictions}/{name}{SUFFIX}") for name in names
        )
    lines = []
    for outcome in outcomes:
        print(outcome.sentence(), flush=True)
        lines.append((json.dumps(asdict(outcome)),))
    spark.createDataFrame(lines, "value string").coalesce(1).write.text(arguments.outcomes)


if __name__ == "__main__":
    main()
