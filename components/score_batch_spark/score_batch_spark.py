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
from file_scoring import SCORED, SET_ASIDE, SUFFIX, Outcome
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ByteType, FloatType, StringType, StructField, StructType

from model_package.errors import InvalidRows, UnreadableRows
from model_package.evaluation import ONNX
from model_package.package import find_package, read_schema, runtime_of, verify
from model_package.rows.collected_columns import collected_name
from model_package.rows.files import MAX_FINDINGS, PARQUET, check_columns, checked_rows
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer
from model_package.schema import Schema
from model_package.tasks import task_of

NONE = "none"
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


def score_file(spark: SparkSession, files: Files, schema: Schema, file: str, name: str, target: str) -> Outcome:
    """Score one file into a folder of predictions, or say why it cannot be scored."""
    if PurePosixPath(name).suffix.lower() != PARQUET:
        return Outcome(name, SET_ASIDE, reason=f"it is not a table: its name must end with {PARQUET}")
    table = spark.read.parquet(file)
    types = column_types(table)
    if not types:
        return Outcome(name, SET_ASIDE, reason="it has no rows")
    kept = kept_columns(table, schema)
    try:
        check_columns(types, RowRules(schema))
    except UnreadableRows as error:
        return Outcome(name, SET_ASIDE, reason=str(error))
    wanted = table.select(*dict.fromkeys([*kept, *schema.names]))
    found = wanted.mapInArrow(checking(schema), "rows long, wrong long, finding string").collect()
    rows, wrong = (sum(row[column] for row in found) for column in ("rows", "wrong"))
    if wrong:
        details = tuple(json.loads(row.finding) for row in found if row.finding)
        reason = f"it has {wrong} values that the model must not be given; one of them: {sentence(details[0])}"
        return Outcome(name, SET_ASIDE, reason=reason, details=details[:MAX_FINDINGS], total=wrong)
    wanted.mapInArrow(scoring(files, schema, kept), answer_type(wanted, schema, kept)).write.parquet(target)
    return Outcome(name, SCORED, rows, output=f"{name}{SUFFIX}")


def kept_columns(table: DataFrame, schema: Schema) -> list[str]:
    """Return the columns that tell whose predictions they are: the id, or all that the model is given."""
    return [schema.identifier] if schema.identifier in table.columns else list(schema.names)


def column_types(table: DataFrame) -> dict[str, pl.DataType]:
    """Return the types of the columns as polars sees them in batches, none where there are no rows."""
    (found,) = table.limit(1).mapInArrow(_types, "types binary").collect() or [None]
    return dict(pl.read_ipc(bytes(found.types)).schema) if found else {}


def _types(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.num_rows:
            content = pl.DataFrame(pl.from_arrow(batch)).clear().write_ipc(None).getvalue()
            yield pa.RecordBatch.from_pydict({"types": [content]})


def checking(schema: Schema) -> Any:
    """Return the function that counts the rows and the wrong values of batches, with one finding per batch."""

    def check(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rules = RowRules(schema)
        for batch in batches:
            if not batch.num_rows:
                continue
            wrong, finding = 0, None
            try:
                checked_rows(pl.DataFrame(pl.from_arrow(batch)), rules)
            except InvalidRows as error:
                first = error.findings[0]
                wrong, finding = error.total, json.dumps({"field": first.field, "reason": first.reason})
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


def sentence(finding: dict[str, str]) -> str:
    """Return a finding in one line."""
    return f"{finding['field']} {finding['reason']}"


def main() -> None:
    """Score the files that the arguments name."""
    parser = argparse.ArgumentParser(description="Score parquet files with Spark.", epilog=EXAMPLE)
    parser.add_argument("--data", required=True, help="folder with parquet files")
    parser.add_argument("--model", required=True, help="folder of the model package")
    parser.add_argument("--model-digest", default=NONE, help="the digest that the package must have (%(default)s)")
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
    # Once each: Sail lists a large file several times.
    found = {row.path for row in listed(spark, arguments.data).select("path").collect()}
    names = sorted(below(path, arguments.data) for path in found)
    data, predictions = arguments.data.rstrip("/"), arguments.predictions.rstrip("/")
    lines = []
    for name in names:
        outcome = score_file(spark, files, schema, f"{data}/{name}", name, f"{predictions}/{name}{SUFFIX}")
        print(outcome.sentence(), flush=True)
        lines.append((json.dumps(asdict(outcome)),))
    spark.createDataFrame(lines, "value string").coalesce(1).write.text(arguments.outcomes)


if __name__ == "__main__":
    main()
