"""Validation and split with Spark: rows, parts, reports and refusals are those of the steps that run on one machine."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from spark_session import COMPONENTS, Done, run_in_one

from model_package.rows.split import PARTS, part_file

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("spark")]
pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")

FEATURES = """\
ignore: [comment]
features:
  - {name: plan, type: category, categories: [Basic, Pro]}
  - {name: zone, type: category, categories: [7, 12], unknown: other, nullable: true}
  - {name: member, type: boolean, nullable: true}
  - {name: seen, type: timestamp}
  - {name: note, type: text, nullable: true}
  - {name: a.b `c`, type: number, minimum: 0, nullable: true}
  - {name: age, type: integer, minimum: 18, maximum: 100}
"""
BINARY = "format: 1\nid: number\ntarget: left\npositive: 'yes'\n" + FEATURES
COUNT = 200_000
Command = list[str | Path]
# The first line of each schema.yml differs: what identifies the rows, and what they are split by.
SCHEMAS = {
    "binary": BINARY,
    "multiclass-without-id": "format: 1\ntask: multiclass_classification\ntarget: grade\nclasses: [low, medium, high]\n"
    + FEATURES,
    "regression-by-time": "format: 1\ntask: regression\nid: name\ntime: day\ngap: 2.5\ntarget: spent\n" + FEATURES,
    "numbers-by-year": "format: 1\nid: number\ntime: year\ngap: 1\ntarget: bit\n" + FEATURES,
    "by-group": "format: 1\nid: name\ngroup: customer\ntarget: bit\n" + FEATURES,
}


def cells(count: int) -> pl.DataFrame:
    """Rows as a CSV file has them, with what is hard to read: quotes, lines, separators, blanks, missing values."""
    drawn = np.random.default_rng(3)

    def some(*texts: str) -> list[str]:
        return drawn.choice(np.array(texts, object), count).tolist()

    days = (np.datetime64("2024-01-01T00:00", "m") + drawn.integers(0, 600_000, count)).astype(str).tolist()
    return pl.DataFrame(
        {
            "number": drawn.permutation(count),
            "name": [f"n{number}" for number in drawn.permutation(count)],
            "day": days,
            "year": drawn.integers(1990, 2020, count),
            "customer": [f"c {number}" for number in drawn.integers(0, 5_000, count)],
            "plan": some("Basic", "Pro"),
            "zone": some("7", "12.0", "99", ""),
            "member": some("true", "No", ""),
            "seen": some("2026-01-01", "2026-01-02T10:00:00Z", "2026-01-03 11:30"),
            "note": some("all is well", "one, two", 'say "hi"', "", "two\nlines", "“ä”"),
            "a.b `c`": some("12.5", "0", "1e3", ""),
            "age": some("18", "99.0", " 40 "),
            "comment": some("x"),
            "left": some("yes", "no"),
            "grade": some("low", "medium", "high"),
            "spent": drawn.normal(100, 20, count).round(3),
            "bit": drawn.integers(0, 2, count),
        }
    )


@dataclass(frozen=True)
class Table:
    """A CSV file with its schema, and where the steps of one kind write what they make of it."""

    folder: Path
    schema: str = "schema.yml"
    data: str = "rows.csv"

    def steps(self, out: Path, *, spark: bool) -> list[list[str | Path]]:
        """The commands of validation and split."""
        suffix = "_spark" if spark else ""
        validate, prepare = f"validate_data{suffix}", f"prepare_data{suffix}"
        given = ["--data", self.folder / self.data, "--schema", self.folder / self.schema]
        written = ["--validated-data", out / "validated", "--validation-report", out / "report"]
        split = ["--validated-data", out / "validated", "--split-data", out / "split"]
        return [
            [COMPONENTS / validate / f"{validate}.py", *given, *written],
            [COMPONENTS / prepare / f"{prepare}.py", *split],
        ]

    def gather(self, out: Path) -> list[str | Path]:
        """The command that ends what Spark began."""
        file = COMPONENTS / "gather_split" / "gather_split.py"
        given = ["--split-rows", out / "split", "--report", out / "report"]
        return [file, *given, "--split-data", out / "gathered", "--validation-report", out / "page"]


def run_both(steps: Sequence[tuple[Command, ...]], folder: Path) -> list[tuple[Done, Done]]:
    """Run pairs of commands, of polars and of Spark."""
    polars = run_in_one([pair[0] for pair in steps], folder / "runs" / "polars", spark=False)
    spark = run_in_one([pair[1] for pair in steps], folder / "runs" / "spark", spark=True)
    return list(zip(polars, spark, strict=True))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rows, and for each schema what both kinds of steps made of them."""
    folder = tmp_path_factory.mktemp("spark")
    cells(COUNT).write_csv(folder / "rows.csv")
    pairs, gathered = [], []
    for name, text in SCHEMAS.items():
        (folder / f"{name}.yml").write_text(text)
        table = Table(folder, f"{name}.yml")
        polars, spark = folder / name / "polars", folder / name / "spark"
        pairs += zip(table.steps(polars, spark=False), table.steps(spark, spark=True), strict=True)
        gathered.append(table.gather(spark))
    done = run_both(pairs, folder)
    assert [(each.code, each.stderr) for pair in done for each in pair] == [(0, "")] * len(done) * 2
    assert [polars.stdout for polars, _ in done] == [spark.stdout for _, spark in done]
    assert {each.code for each in run_in_one(gathered, folder / "runs" / "gather", spark=False)} == {0}
    return folder


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_split_has_the_same_rows_in_the_same_files(prepared: Path, name: str):
    found, expected = prepared / name / "spark" / "gathered", prepared / name / "polars" / "split"

    for part in PARTS:
        tables = [pl.read_parquet(part_file(folder, part)) for folder in (found, expected)]
        assert_frame_equal(*tables, check_exact=True)
    assert (found / "schema.json").read_text() == (expected / "schema.json").read_text()
    split, other = (json.loads((folder / "split.json").read_text()) for folder in (found, expected))
    # A mean is a sum in another order.
    for part in PARTS:
        facts, others = split["parts"][part], other["parts"][part]
        assert facts.pop("classes", None) == others.pop("classes", None)
        assert facts == pytest.approx(others, rel=1e-12)
    assert {**split, "parts": 0} == {**other, "parts": 0}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_report_says_the_same(prepared: Path, name: str):
    found, expected = (
        json.loads((prepared / name / folder / "report.json").read_text()) for folder in ("spark/page", "polars/report")
    )

    columns, others = found.pop("columns"), expected.pop("columns")
    assert found == expected
    for column, other in zip(columns, others, strict=True):
        assert column == pytest.approx(other, rel=1e-12)


def changed(line: int, column: str, value: str) -> str:
    rows = cells(40).with_columns(pl.all().cast(pl.String))
    return rows.with_columns(
        pl.when(pl.int_range(pl.len()) == line).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    ).write_csv()


GOOD = cells(40).write_csv()
REFUSED_TABLES: dict[str, tuple[str, str | bytes]] = {
    "wrong values": (BINARY, changed(7, "age", "17").replace("Basic", "Gold").replace("12.5", "-1")),
    "texts for numbers": (BINARY, GOOD.replace(",18,", ",young,").replace("1e3", "1e99")),
    "a missing value": (BINARY, changed(3, "seen", "")),
    "repeated ids": (BINARY, changed(8, "number", "3").replace("\n5,", "\n3.0,")),
    "ids that are no numbers": (BINARY, changed(8, "number", "x")),
    "a column is missing": (BINARY, GOOD.replace("plan", "Plan", 1)),
    "a column twice": (BINARY, GOOD.replace("comment", "plan", 1)),
    "semicolons": (BINARY, GOOD.replace(",", ";")),
    "another positive value": (BINARY.replace("'yes'", "gone"), GOOD),
    "a third outcome": (BINARY, GOOD.replace(",yes,", ",maybe,", 3)),
    "a number to predict": (BINARY.replace("target: left\npositive: 'yes'", "target: spent"), GOOD),
    "an unknown class": (SCHEMAS["multiclass-without-id"].replace("medium", "middle"), GOOD),
    "no file": (BINARY, ""),
    "an empty file": (BINARY, b""),
    "a header without rows": (BINARY, GOOD.splitlines()[0] + "\n"),
    "not UTF-8": (BINARY, GOOD.replace("“", "\ufffe").encode().replace("\ufffe".encode(), b"\xff")),
    "binary data": (BINARY, b"\0\1" + GOOD.encode()),
    "too many values": (BINARY, GOOD.replace("all is well", "all, is, well", 1)),
    "a half-written file": (BINARY, GOOD[:-40]),
    "half a quoted value": (BINARY, GOOD[: GOOD.rindex('"one, two"') + 6]),
    "no schema": ("format: 1\n", GOOD),
}


def test_refused_tables_are_refused_in_the_same_words(tmp_path: Path):
    steps = []
    for name, (schema, rows) in REFUSED_TABLES.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "schema.yml").write_text(schema)
        if name != "no file":
            (folder / "rows.csv").write_bytes(rows.encode() if isinstance(rows, str) else rows)
        table = Table(folder)
        steps.append(tuple(table.steps(folder / kind, spark=kind == "spark")[0] for kind in ("polars", "spark")))

    done = dict(zip(REFUSED_TABLES, run_both(steps, tmp_path), strict=True))

    assert {name: spark.stderr for name, (_, spark) in done.items()} == {
        name: polars.stderr for name, (polars, _) in done.items()
    }
    assert {each.code for pair in done.values() for each in pair} == {1}


REFUSED_SPLITS = {
    "too few rows": BINARY,
    "equal times": "format: 1\nid: number\ntime: year\ntarget: bit\n" + FEATURES,
    "a wide gap": "format: 1\nid: number\ntime: day\ngap: 1000\ntarget: bit\n" + FEATURES,
}


def test_refused_splits_are_refused_in_the_same_words(tmp_path: Path):
    rows = cells(40).with_columns(year=2020)
    steps = []
    for name, schema in REFUSED_SPLITS.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "schema.yml").write_text(schema)
        (rows.head(4) if name == "too few rows" else rows).write_csv(folder / "rows.csv")
        pair = [Table(folder).steps(folder / kind, spark=kind == "spark") for kind in ("polars", "spark")]
        steps += zip(*pair, strict=True)

    done = run_both(steps, tmp_path)[1::2]

    assert [spark.stderr for _, spark in done] == [polars.stderr for polars, _ in done]
    assert [polars.stderr.partition(":")[0] for polars, _ in done] == ["the split is refused"] * len(done)


def test_several_files_make_one_table(tmp_path: Path):
    # Given three files, of which the second has no rows
    (tmp_path / "schema.yml").write_text(BINARY)
    parts = {"1.csv": cells(40).head(20), "2.csv": cells(40).head(0), "3.csv": cells(40).tail(20)}
    tables = {"same": parts, "other": {**parts, "3.csv": parts["3.csv"].rename({"age": "years"})}}
    for folder, files in tables.items():
        (tmp_path / folder).mkdir()
        for name, rows in files.items():
            rows.write_csv(tmp_path / folder / name)

    steps = [Table(tmp_path, data=name).steps(tmp_path / f"{name}-out", spark=True)[0] for name in tables]
    same, other = run_in_one(steps, tmp_path / "runs", spark=True)

    assert same.stdout.splitlines()[-1] == "40 rows are valid"
    assert other.code == 1
    assert "3.csv has other columns than 1.csv (age, years); give files with the same header" in other.stderr
