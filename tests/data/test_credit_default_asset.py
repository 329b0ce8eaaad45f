"""The data asset of the real file: it loads, and its checksum is that of the file where that is at hand."""

import hashlib
from pathlib import Path

import pytest
from azure.ai.ml import load_data

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
