"""Batch scoring with Spark: the component on the local workspace gives the answers of score_batch, and its refusals."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from every_kind import AMOUNTS, MULTICLASS, ROWS, SCHEMA, write_package
from file_scoring import Model, score_file
from polars.testing import assert_frame_equal
from spark_jobs import run_pipeline
from spark_session import run_in_one

from model_package.package import package_digest

pytestmark = pytest.mark.long
pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")

ROOT = Path(__file__).parents[4]
PIPELINE = """
type: pipeline
experiment_name: spark
inputs:
  data: {{type: uri_folder, path: data, mode: direct}}
  model: {{type: uri_folder, path: model, mode: direct}}
outputs:
  predictions: {{type: uri_folder, mode: direct}}
  outcomes: {{type: uri_folder, mode: direct}}
jobs:
  score:
    type: spark
    component: {component}
    inputs: {{data: "${{{{parent.inputs.data}}}}", model: "${{{{parent.inputs.model}}}}", model_digest: "{digest}"}}
    outputs: {{predictions: "${{{{parent.outputs.predictions}}}}", outcomes: "${{{{parent.outputs.outcomes}}}}"}}
    resources: {{instance_type: standard_e4s_v3, runtime_version: "3.5"}}
"""
COUNT = 200_000
TASKS = {"binary": SCHEMA, "multiclass": MULTICLASS, "regression": AMOUNTS}
SCORE = ROOT / "components" / "score_batch_spark" / "score_batch_spark.py"
WRITE_DELTA = """\
import sys
from pyspark.sql import SparkSession

rows = SparkSession.builder.getOrCreate().read.parquet(sys.argv[1])
rows.where("age < 50 or age is null").write.format("delta").save(sys.argv[2])
rows.where("age >= 50").write.format("delta").mode("append").save(sys.argv[2])
"""


def rows_of_every_kind(count: int) -> pl.DataFrame:
    drawn = np.random.default_rng(7)
    moments = np.datetime64("1995-01-01", "us") + drawn.integers(0, 10**15, count)
    return pl.DataFrame(
        {
            "plan": drawn.choice(["Basic", "Pro"], count).tolist(),
            "note": drawn.choice(np.array(["bad", "good, “very”", "", None], object), count).tolist(),
            "member": drawn.choice(np.array([True, False, None], object), count).tolist(),
            "seen": moments,
            "age": pl.Series(drawn.integers(18, 101, count)).set(pl.Series(drawn.random(count) < 0.1), None),
            "zone": drawn.choice(np.array([7, 2**60, 99]), count),
        }
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, `model` and, under `got`, what the component made of them."""
    folder = tmp_path_factory.mktemp("spark")
    package = write_package(folder / "model" / "model_package")
    (folder / "data" / "sub").mkdir(parents=True)
    rows_of_every_kind(COUNT).write_parquet(folder / "data" / "rows.parquet", row_group_size=50_000)
    few = pl.DataFrame(ROWS, schema_overrides={"zone": pl.Int64})
    few.write_parquet(folder / "data" / "sub" / "texts.parquet")
    few.head(0).write_parquet(folder / "data" / "sub" / "empty.parquet")
    few.drop("age").write_parquet(folder / "data" / "short.parquet")
    few.with_columns(plan=pl.lit("Gold")).write_parquet(folder / "data" / "sub" / "wrong.parquet")
    few.write_csv(folder / "data" / "rows.csv")
    component = ROOT / "components" / "score_batch_spark" / "component.yml"
    (folder / "pipeline.yml").write_text(PIPELINE.format(component=component, digest=package_digest(package)))
    run_pipeline(folder / "pipeline.yml", folder)
    return folder


def predictions(folder: Path, name: str) -> pl.DataFrame:
    (found,) = (folder / "got").rglob(f"{name}.scored.parquet")
    return pl.scan_parquet(found / "*.parquet").collect()


@pytest.mark.parametrize("name", ["rows.parquet", "sub/texts.parquet"])
def test_spark_and_polars_give_the_same_answers(scored: Path, tmp_path: Path, name: str):
    rows = pl.read_parquet(scored / "data" / name)

    score_file(Model.open(scored / "model" / "model_package"), scored / "data" / name, name, tmp_path)

    # Without an id, Spark keeps the columns that the model was given.
    answers = pl.read_parquet(tmp_path / f"{name}.scored.parquet")
    expected = pl.concat([rows, answers], how="horizontal")
    found = predictions(scored, Path(name).name)
    assert found.height == rows.height
    assert_frame_equal(found.sort(found.columns), expected.select(found.columns).sort(found.columns), check_exact=True)


def test_each_file_has_its_outcome(scored: Path):
    files = [file for file in (scored / "got").rglob("outcomes/*") if file.is_file() and file.suffix == ".txt"]
    outcomes = [json.loads(line) for file in files for line in file.read_text().splitlines()]

    assert {each["file"]: each["reason"] for each in outcomes} == {
        "rows.csv": "it is not a table: its name must end with .parquet",
        "rows.parquet": None,
        "short.parquet": "it lacks the column age; it has plan, note, member, seen, zone",
        "sub/empty.parquet": "it has no rows",
        "sub/texts.parquet": None,
        "sub/wrong.parquet": "it has values that the model must not be given, 3 or more; the first: "
        "row 0, plan 'Gold' is not one of Basic, Pro",
    }
    assert {each["file"]: each["rows"] for each in outcomes if each["status"] == "scored"} == {
        "rows.parquet": COUNT,
        "sub/texts.parquet": 3,
    }


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per task with what Spark made of `data`, and of a Delta table of the same rows."""
    folder = tmp_path_factory.mktemp("tasks")
    rows = rows_of_every_kind(COUNT)
    (folder / "data").mkdir()
    rows.write_parquet(folder / "data" / "rows.parquet", row_group_size=50_000)
    late = rows.with_columns(
        plan=pl.when(pl.int_range(pl.len()) == COUNT - 7).then(pl.lit("Gold")).otherwise("plan"),
        age=pl.when(pl.int_range(pl.len()) == COUNT - 5).then(17).otherwise("age"),
    )
    late.write_parquet(folder / "data" / "late.parquet", row_group_size=50_000)
    whole = (folder / "data" / "rows.parquet").read_bytes()
    (folder / "data" / "half.parquet").write_bytes(whole[: len(whole) // 2])
    # Its end is read first, and is right.
    (folder / "data" / "holes.parquet").write_bytes(whole[:5000] + bytes(40_000) + whole[45_000:])
    (folder / "data" / "_notes.parquet").write_text("")
    few = rows.head(50)
    few.with_columns(age=pl.lit("old")).write_parquet(folder / "data" / "typed.parquet")
    few.select(reversed(few.columns)).write_parquet(folder / "data" / "ordered.parquet")
    scripts: list[list[str | Path]] = [[folder / "delta.py", folder / "data" / "rows.parquet", folder / "table"]]
    (folder / "delta.py").write_text(WRITE_DELTA)
    for name, schema in TASKS.items():
        write_package(folder / name / "model", schema)
        given = ["--model", folder / name / "model", "--outcomes"]
        written, delta = folder / name / "spark", ["--table-format", "delta", "--predictions"]
        scripts += [
            [SCORE, "--data", folder / "data", *given, f"{written}-outcomes", "--predictions", written],
            [SCORE, "--data", folder / "table", *given, f"{written}-delta-outcomes", *delta, folder / name / "delta"],
        ]
    done = run_in_one(scripts, folder / "runs", spark=True)
    assert [each.code for each in done] == [0] * len(done), done
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_each_task_is_scored_the_same_from_files_and_from_delta_tables(tasks: Path, name: str, tmp_path: Path):
    score_file(Model.open(tasks / name / "model"), tasks / "data" / "rows.parquet", "rows.parquet", tmp_path)

    answers = pl.read_parquet(tmp_path / "rows.parquet.scored.parquet")
    expected = pl.concat([pl.read_parquet(tasks / "data" / "rows.parquet"), answers], how="horizontal")
    for found in (tasks / name / "spark" / "rows.parquet.scored.parquet", tasks / name / "delta" / "table"):
        read = pl.scan_parquet(found / "*.parquet").collect()
        assert_frame_equal(read.sort(read.columns), expected.select(read.columns).sort(read.columns), check_exact=True)
    assert (tasks / name / "delta" / "table" / "_delta_log").is_dir()


def test_bad_files_have_the_outcomes_of_score_batch(tasks: Path, tmp_path: Path):
    model = Model.open(tasks / "binary" / "model")
    outcomes = {}
    for file in (tasks / "binary" / "spark-outcomes").glob("*.txt"):
        outcomes |= {each["file"]: each for each in map(json.loads, file.read_text().splitlines())}

    assert outcomes["ordered.parquet"]["rows"] == 50
    for name in ("late.parquet", "half.parquet", "holes.parquet", "typed.parquet"):
        expected = json.loads(json.dumps(asdict(score_file(model, tasks / "data" / name, name, tmp_path))))
        assert outcomes[name] == expected
