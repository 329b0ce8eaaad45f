"""Validation with Spark: the rows, the split and the report are those of validate_data, with columns of every kind."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from chain import ROOT
from polars.testing import assert_frame_equal
from programs import run_scripts
from spark_jobs import run_pipeline

from model_package.rows.split import PARTS, part_file

pytestmark = pytest.mark.long
pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")

SCHEMA_YML = """\
format: 1
id: number
target: left
positive: "yes"
ignore: [comment]
features:
  - {name: plan, type: category, categories: [Basic, Pro]}
  - {name: zone, type: category, categories: [7, 12], unknown: other, nullable: true}
  - {name: member, type: boolean, nullable: true}
  - {name: seen, type: timestamp}
  - {name: note, type: text, nullable: true}
  - {name: income, type: number, minimum: 0, nullable: true}
  - {name: age, type: integer, minimum: 18, maximum: 100}
"""
PIPELINE = """
type: pipeline
experiment_name: spark
settings: {{default_compute: azureml:cpu-cluster}}
inputs:
  data: {{type: uri_file, path: rows.csv, mode: direct}}
  schema: {{type: uri_file, path: schema.yml, mode: direct}}
outputs:
  split: {{type: uri_folder}}
  report: {{type: uri_folder}}
jobs:
  validate:
    type: spark
    component: {components}/validate_data_spark/component.yml
    inputs: {{data: "${{{{parent.inputs.data}}}}", schema: "${{{{parent.inputs.schema}}}}"}}
    resources: {{instance_type: standard_e4s_v3, runtime_version: "3.5"}}
  gather:
    type: command
    component: {components}/gather_rows/component.yml
    inputs:
      rows: ${{{{parent.jobs.validate.outputs.rows}}}}
      report: ${{{{parent.jobs.validate.outputs.report}}}}
      schema: {{type: uri_file, path: "${{{{parent.inputs.schema}}}}", mode: ro_mount}}
    outputs: {{validation_report: "${{{{parent.outputs.report}}}}"}}
  prepare:
    type: command
    component: {components}/prepare_data/component.yml
    inputs: {{validated_data: "${{{{parent.jobs.gather.outputs.validated_data}}}}"}}
    outputs: {{split_data: "${{{{parent.outputs.split}}}}"}}
"""
COUNT = 200_000


def cells(count: int) -> pl.DataFrame:
    """Rows as a CSV file has them, with what is hard to read: quotes, lines, separators, blanks, missing values."""
    drawn = np.random.default_rng(3)

    def some(*texts: str) -> list[str]:
        return drawn.choice(np.array(texts, object), count).tolist()

    return pl.DataFrame(
        {
            "number": drawn.permutation(count),
            "plan": some("Basic", "Pro"),
            "zone": some("7", "12.0", "99", ""),
            "member": some("true", "No", ""),
            "seen": some("2026-01-01", "2026-01-02T10:00:00Z", "2026-01-03 11:30"),
            "note": some("all is well", "one, two", 'say "hi"', "", "two\nlines", "“ä”"),
            "income": some("12.5", "0", "1e3", ""),
            "age": some("18", "99.0", " 40 "),
            "comment": some("x"),
            "left": some("yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the rows, and what Spark's steps and the others made of them, under `got` and `polars`."""
    folder = tmp_path_factory.mktemp("spark")
    cells(COUNT).write_csv(folder / "rows.csv")
    (folder / "schema.yml").write_text(SCHEMA_YML)
    (folder / "pipeline.yml").write_text(PIPELINE.format(components=ROOT / "components"))
    run_pipeline(folder / "pipeline.yml", folder)
    validated, report, split = (folder / "polars" / name for name in ("validated", "report", "split"))
    given = ["--data", f"{folder}/rows.csv", "--schema", f"{folder}/schema.yml", "--validation-report", f"{report}"]
    done = run_scripts(
        [f"{ROOT}/components/validate_data/validate_data.py", *given, "--validated-data", f"{validated}"],
        [
            f"{ROOT}/components/prepare_data/prepare_data.py",
            "--validated-data",
            f"{validated}",
            "--split-data",
            f"{split}",
        ],
    )
    assert done.returncode == 0, done.stderr
    return folder


def found(folder: Path, name: str) -> Path:
    (file,) = (folder / "got").rglob(name)
    return file


def test_the_split_has_the_same_rows(folder: Path):
    split = found(folder, "split.json").parent
    for part in PARTS:
        expected = pl.read_parquet(part_file(folder / "polars" / "split", part))
        assert_frame_equal(pl.read_parquet(part_file(split, part)), expected, check_exact=True)
    for name in ("split.json", "schema.json"):
        assert (split / name).read_text() == (folder / "polars" / "split" / name).read_text()


def test_the_report_says_the_same(folder: Path):
    report, expected = (
        json.loads(file.read_text())
        for file in (found(folder, "report.json"), folder / "polars" / "report" / "report.json")
    )

    columns, others = report.pop("columns"), expected.pop("columns")
    assert report == expected
    # A mean is a sum in another order.
    for column, other in zip(columns, others, strict=True):
        assert column == pytest.approx(other)
