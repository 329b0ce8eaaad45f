"""The real file: its data asset loads, its checksum is stated, and a model of it is as good as promised."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from azure.ai.ml import load_data
from chain import run_chain

ROOT = Path(__file__).parents[2]
# Where data/README.md has it created, or beside the project.
REAL_FILES = (ROOT / "data" / "credit_default.csv", ROOT.parent / "shared" / "data" / "credit_default.csv")
REAL = next((file for file in REAL_FILES if file.is_file()), None)


def asset_tags() -> dict[str, str]:
    asset = load_data(ROOT / "data" / "credit_default.yml")
    assert asset.type == "uri_file"
    return asset.tags or {}


def test_it_loads_with_its_source_and_licence():
    tags = asset_tags()
    assert tags["doi"] == "10.24432/C55S3H"
    assert tags["licence"] == "CC-BY-4.0"
    assert tags["source"].startswith("https://archive.ics.uci.edu/")


@pytest.mark.published_files
@pytest.mark.skipif(REAL is None, reason="needs the real file: data/README.md has the commands that create it")
def test_its_checksum_is_that_of_the_real_file():
    assert REAL is not None
    assert hashlib.sha256(REAL.read_bytes()).hexdigest() == asset_tags()["sha256"]


@pytest.mark.published_files
@pytest.mark.skipif(REAL is None, reason="needs the real file: data/README.md has the commands that create it")
def test_a_model_of_it_has_the_quality_that_is_promised(tmp_path: Path):
    # Given the real data with its quirks
    assert REAL is not None
    chain = run_chain(REAL, tmp_path)
    evaluation = json.loads((chain.package / "evaluation.json").read_text())
    # Then the model is good enough on the held-out part, and ONNX agrees
    assert evaluation["rows"] == pytest.approx(7_500, abs=200)
    assert evaluation["metrics"]["roc_auc"]["value"] >= 0.77
    assert evaluation["onnx_parity"]["maximum_difference"] <= 1e-5
    assert pl.read_parquet(tmp_path / "rows" / "rows.parquet").height == 30_000
