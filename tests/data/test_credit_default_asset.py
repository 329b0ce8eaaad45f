"""The data asset of the real file: it loads, and its checksum is that of the file where that is at hand."""

import hashlib
from pathlib import Path

import pytest
from azure.ai.ml import load_data

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "credit_default.csv"


def asset_tags() -> dict[str, str]:
    asset = load_data(ROOT / "data" / "credit_default.yml")
    assert asset.type == "uri_file"
    return asset.tags or {}


def test_it_loads_with_its_source_and_licence():
    tags = asset_tags()
    assert tags["doi"] == "10.24432/C55S3H"
    assert tags["licence"] == "CC-BY-4.0"
    assert tags["source"].startswith("https://archive.ics.uci.edu/")


@pytest.mark.skipif(not REAL.exists(), reason="the real file is not part of the repository")
def test_its_checksum_is_that_of_the_real_file():
    assert hashlib.sha256(REAL.read_bytes()).hexdigest() == asset_tags()["sha256"]
