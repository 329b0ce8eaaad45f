"""Rows of a recession: the file's own columns and limits, the same for a seed, and another population."""

from pathlib import Path

import polars as pl
import pytest
from programs import run_script
from validate_data import build_report

from model_package.schema_file import read_schema_file

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema_file(ROOT / "schema.yml")
DATA = ROOT / "data"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sample") / "sample.csv"
    assert run_script(DATA / "generate_sample.py", "--out", str(file), "--rows", "3000").returncode == 0
    return file


def shifted(source: Path, out: Path) -> pl.DataFrame:
    assert run_script(DATA / "shift_rows.py", "--rows-of", str(source), "--out", str(out)).returncode == 0
    return pl.read_csv(out)


def test_they_are_valid_and_the_same_for_csv_and_parquet(sample: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "sample.parquet"
    pl.read_csv(sample).write_parquet(parquet)

    rows = shifted(sample, tmp_path / "shifted.csv")

    assert rows.equals(shifted(parquet, tmp_path / "again.csv"))
    assert rows.height == 2_000
    report = build_report(tmp_path / "shifted.csv", SCHEMA, tmp_path / "rows.parquet")
    assert report["problems"] == []


def test_clients_are_worse_off(sample: Path, tmp_path: Path) -> None:
    before = pl.read_csv(sample)
    after = shifted(sample, tmp_path / "shifted.csv")

    for name in ("PAY_0", "PAY_2", "BILL_AMT1", "default"):
        assert after[name].to_numpy().mean() > 1.2 * before[name].to_numpy().mean()
    for name in ("LIMIT_BAL", "PAY_AMT1"):
        assert after[name].to_numpy().mean() < 0.9 * before[name].to_numpy().mean()
    assert (after["AGE"].to_numpy().mean() / before["AGE"].to_numpy().mean()) == pytest.approx(1, abs=0.05)
