"""What the Spark steps read beside CSV: parquet files and Delta tables, as the polars steps read the same rows; and
what they say of files that differ, are half-written, or hold what no column may.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from spark_session import run_in_one
from test_training_data import SCHEMAS, Command, Table, cells, run_both

from model_package.rows.split import PARTS, part_file

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("spark")]
pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")

COUNT = 3_000
NAMES = ("binary", "regression-by-time", "numbers-by-year")
AS_DELTA = """\
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.read.parquet(sys.argv[1]).write.format("delta").save(sys.argv[2])
"""


def write_as(folder: Path, rows: pl.DataFrame) -> dict[str, str]:
    """Write rows as one parquet file, and as a folder of files of which one is empty and one in another order."""
    rows.write_parquet(folder / "one.parquet")
    (folder / "many").mkdir()
    half = rows.height // 2
    parts = {"1": rows.head(half), "2": rows.head(0), "3": rows.tail(-half).select(reversed(rows.columns))}
    for name, part in parts.items():
        part.write_parquet(folder / "many" / f"{name}.parquet")
    return {"a file": "one.parquet", "a folder": "many", "a Delta table": "table"}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per schema with the split of polars, from CSV, and those of Spark, from the same rows with types."""
    folder = tmp_path_factory.mktemp("inputs")
    cells(COUNT).write_csv(folder / "rows.csv")
    (folder / "delta.py").write_text(AS_DELTA)
    polars, spark, gathered = [], [], []
    for name in NAMES:
        (folder / f"{name}.yml").write_text(SCHEMAS[name])
        polars += Table(folder, f"{name}.yml").steps(folder / name / "polars", spark=False)
    assert [each.stderr for each in run_in_one(polars, folder / "runs" / "polars", spark=False)] == [""] * len(polars)
    for name in NAMES:
        typed = pl.read_parquet(folder / name / "polars" / "validated" / "rows.parquet")
        inputs = write_as(folder / name, typed)
        spark.append([folder / "delta.py", folder / name / "one.parquet", folder / name / "table"])
        for kind, data in inputs.items():
            table = Table(folder, f"{name}.yml", f"{name}/{data}")
            spark += table.steps(folder / name / kind, spark=True)
            gathered.append(table.gather(folder / name / kind))
    done = run_in_one(spark, folder / "runs" / "spark", spark=True)
    assert [(each.code, each.stderr) for each in done] == [(0, "")] * len(done)
    assert {each.code for each in run_in_one(gathered, folder / "runs" / "gather", spark=False)} == {0}
    return folder


@pytest.mark.parametrize("kind", ["a file", "a folder", "a Delta table"])
@pytest.mark.parametrize("name", NAMES)
def test_the_split_is_that_of_the_same_rows_as_csv(split: Path, name: str, kind: str):
    for part in PARTS:
        folders = (split / name / kind / "gathered", split / name / "polars" / "split")
        assert_frame_equal(*(pl.read_parquet(part_file(folder, part)) for folder in folders), check_exact=True)


def typed_cells(count: int) -> pl.DataFrame:
    return cells(count).with_columns(
        pl.col("age").str.strip_chars().cast(pl.Float64), pl.col("a.b `c`").cast(pl.Float64, strict=False)
    )


def halved(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def with_a_hole(file: Path) -> None:
    """Leave the end of a file, which is read first, as it is."""
    content = file.read_bytes()
    file.write_bytes(content[:200] + bytes(1_000) + content[1_200:])


def rewritten(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path], None]:
    return lambda file: change(pl.read_parquet(file)).write_parquet(file)


# What happens to the second of two files, and the words that say it.
BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a column is missing": (
        rewritten(lambda rows: rows.drop("age")),
        "2.parquet has other columns than 1.parquet (age); give files with the same columns",
    ),
    "another type": (
        rewritten(lambda rows: rows.with_columns(pl.col("age").cast(pl.Int64))),
        "2.parquet has columns of other types than 1.parquet (age: bigint, not double); write them with the same types",
    ),
    "half-written": (halved, "2.parquet is not a readable parquet file: "),
    "damaged inside": (with_a_hole, "2.parquet is not a readable parquet file: "),
    "no parquet": (lambda file: file.write_text("number,age"), "2.parquet is not a readable parquet file: "),
    "another kind": (
        lambda file: file.rename(file.with_suffix(".csv")),
        "has files of several kinds (1.parquet, 2.csv); give only parquet, or only CSV files",
    ),
}


def test_files_that_do_not_fit_are_named(tmp_path: Path):
    (tmp_path / "schema.yml").write_text(SCHEMAS["binary"])
    steps = []
    for name, (spoil, _) in BAD_FILES.items():
        (tmp_path / name).mkdir()
        for number in (1, 2):
            typed_cells(400).write_parquet(tmp_path / name / f"{number}.parquet")
        spoil(tmp_path / name / "2.parquet")
        steps.append(Table(tmp_path, data=name).steps(tmp_path / f"{name}-out", spark=True)[0])

    done = run_in_one(steps, tmp_path / "runs", spark=True)

    assert {each.code for each in done} == {1}, done
    said = dict(zip(BAD_FILES, (each.stderr for each in done), strict=True))
    assert {name: words in said[name] for name, (_, words) in BAD_FILES.items()} == dict.fromkeys(BAD_FILES, True), said
    assert all(text.count("\n") == 2 for text in said.values()), said


def test_values_are_refused_in_the_words_of_csv_without_lines(tmp_path: Path):
    rows = typed_cells(400).with_columns(age=pl.when(pl.col("number") == 7).then(17.0).otherwise("age"))
    (tmp_path / "schema.yml").write_text(SCHEMAS["binary"])
    rows.write_csv(tmp_path / "rows.csv")
    rows.write_parquet(tmp_path / "rows.parquet")
    rows.with_columns(note=pl.col("note").str.split(" ")).write_parquet(tmp_path / "lists.parquet")
    (polars,) = Table(tmp_path).steps(tmp_path / "polars", spark=False)[:1]
    files = ("rows.parquet", "lists.parquet")
    (ours, _), *_ = run_both([(polars, Table(tmp_path).steps(tmp_path / "csv", spark=True)[0])], tmp_path)

    wrong, lists = run_in_one(
        [Table(tmp_path, data=name).steps(tmp_path / f"{name}-out", spark=True)[0] for name in files],
        tmp_path / "runs",
        spark=True,
    )

    line = ours.stderr.splitlines()[1]
    assert wrong.stderr.splitlines()[1] == line.replace(line[line.index("line ") : line.index("number 7")], "")
    assert "the column note holds array<string>, not one value per row; make columns of what it holds" in lists.stderr


def test_lost_files_of_a_delta_table_and_of_validated_rows_are_named(tmp_path: Path):
    # given a table without its data, validated rows of which one file is half-written, and none at all
    (tmp_path / "schema.yml").write_text(SCHEMAS["binary"])
    (tmp_path / "delta.py").write_text(AS_DELTA)
    typed_cells(400).write_parquet(tmp_path / "rows.parquet")
    whole, table = Table(tmp_path, data="rows.parquet"), Table(tmp_path, data="table")
    as_delta: Command = [tmp_path / "delta.py", tmp_path / "rows.parquet", tmp_path / "table"]
    made = [as_delta, whole.steps(tmp_path / "whole", spark=True)[0]]
    assert {each.code for each in run_in_one(made, tmp_path / "runs" / "made", spark=True)} == {0}
    for file in (tmp_path / "table").glob("*.parquet"):
        file.unlink()
    halved(next((tmp_path / "whole" / "validated" / "rows").glob("*.parquet")))
    shutil.copytree(tmp_path / "whole" / "validated" / "document", tmp_path / "none" / "validated" / "document")

    steps = [table.steps(tmp_path / "delta", spark=True)[0]]
    steps += [whole.steps(tmp_path / name, spark=True)[1] for name in ("whole", "none")]
    delta, rows, nothing = run_in_one(steps, tmp_path / "runs" / "spoiled", spark=True)

    assert (delta.code, rows.code, nothing.code) == (1, 1, 1)
    assert "the rows of the table cannot be read: " in delta.stderr
    assert delta.stderr.endswith("; restore its files, or an earlier version\n")
    assert "is not a readable parquet file: " in rows.stderr
    assert rows.stderr.endswith("; run validate_data_spark again\n")
    assert nothing.stderr.endswith("; run validate_data_spark again\n")
    assert [each.stderr.count("\n") for each in (delta, rows, nothing)] == [2, 1, 1]
