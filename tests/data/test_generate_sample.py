"""The synthetic sample: the real file's columns, the same bytes for a seed, and something to learn."""

import hashlib
import subprocess
from pathlib import Path

import polars as pl
import pytest
from programs import run_script
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from model_package.schema_file import read_schema_file

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema_file(ROOT / "schema.yml")
GENERATOR = ROOT / "data" / "generate_sample.py"
ROWS = 30_000


def generate(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_script(GENERATOR, "--out", str(out), *options)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "sample.csv"
    assert generate(out, "--rows", str(ROWS), "--seed", "7").returncode == 0
    return out


def test_it_has_the_columns_and_rows_of_the_real_file(sample: Path):
    frame = pl.read_csv(sample)
    assert tuple(frame.columns) == SCHEMA.columns
    assert frame.height == ROWS
    assert frame["ID"].to_list() == list(range(1, ROWS + 1))


def test_the_share_of_defaults_resembles_the_real_one(sample: Path):
    assert 0.19 < pl.read_csv(sample)["default"].to_numpy().mean() < 0.25


def test_a_model_learns_from_it_about_as_much_as_from_the_real_file(sample: Path):
    frame = pl.read_csv(sample)
    features, target = frame.select(SCHEMA.names).to_numpy(), frame["default"].to_numpy()
    half = ROWS // 2
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=12, random_state=0)
    probability = model.fit(features[:half], target[:half]).predict_proba(features[half:])[:, 1]
    assert 0.75 < roc_auc_score(target[half:], probability) < 0.80


def test_a_seed_gives_the_same_bytes_and_another_seed_gives_others(tmp_path: Path):
    digests = []
    for number, seed in enumerate(("3", "3", "4")):
        out = tmp_path / f"{number}.csv"
        generate(out, "--rows", "500", "--seed", seed)
        digests.append(hashlib.sha256(out.read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_it_says_that_it_is_synthetic(tmp_path: Path):
    assert "synthetic" in generate(tmp_path / "x.csv", "--rows", "10").stdout


def test_no_rows_are_refused(tmp_path: Path):
    done = generate(tmp_path / "x.csv", "--rows", "0")
    assert done.returncode != 0
    assert "--rows must be at least 1" in done.stderr


def test_help_shows_an_example(tmp_path: Path):
    assert "example: python data/generate_sample.py" in generate(tmp_path / "x", "--help").stdout
