"""pipelines/train.spark.yml makes the model of train.yml, on the local workspace; three of its steps differ."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from chain import ROOT, run_chain, write_sample
from polars.testing import assert_frame_equal

from model_package.rows.split import PARTS, part_file

STEPS = {"validate_data", "prepare_data", "gather_split"}


def pipeline(name: str) -> dict:
    return yaml.safe_load((ROOT / "pipelines" / name).read_text())


def test_it_differs_in_three_steps_only():
    spark, other = pipeline("train.spark.yml"), pipeline("train.yml")

    jobs, others = (each.pop("jobs") for each in (spark, other))
    rest = yaml.safe_dump({name: step for name, step in jobs.items() if name not in STEPS})
    assert yaml.safe_load(rest.replace("jobs.gather_split.", "jobs.prepare_data.")) == {
        name: step for name, step in others.items() if name not in STEPS
    }
    for name in ("data", "schema"):
        assert spark["inputs"][name].pop("mode") == "direct"
    assert {**spark, "display_name": ""} == {**other, "display_name": ""}


@pytest.mark.long
def test_it_makes_the_same_model(tmp_path: Path):
    pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")
    from spark_jobs import run_pipeline

    data = write_sample(tmp_path / "rows.csv")
    options = {"iterations": 20, "bootstrap_resamples": 50}

    run_pipeline(ROOT / "pipelines" / "train.spark.yml", tmp_path, **{"data.path": str(data)}, **options)

    chain = run_chain(data, tmp_path / "chain", iterations=20)
    (model,) = (tmp_path / "got").rglob("model.onnx")
    assert model.read_bytes() == (chain.package / "model.onnx").read_bytes()
    (split,) = (file.parent for file in (tmp_path / "got").rglob("split.json"))
    for part in PARTS:
        found, expected = (pl.read_parquet(part_file(folder, part)) for folder in (split, chain.split))
        assert_frame_equal(found, expected, check_exact=True)
