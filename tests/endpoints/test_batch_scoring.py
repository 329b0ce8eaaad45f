"""Files of rows become files of predictions: as plain Python, with a tiny package, good files and bad ones."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from file_scoring import Model, score_file

from model_package.package import package_digest
from model_package.rows.requests import read_request
from model_package.rows.rules import RowRules
from model_package.runtime import Scorer

SCRIPT = Path(__file__).parents[2] / "endpoints" / "batch" / "score_batch.py"
ROWS = pl.DataFrame(
    {
        "id": [f"row-{number}" for number in range(60)],
        "age": [18 + number for number in range(60)],
        "income": [number * 1000.5 for number in range(60)],
        "kind": [(1, 2, 4)[number % 3] for number in range(60)],
        "note": ["not for the model"] * 60,
    }
)


@dataclass(frozen=True)
class Scored:
    """A run that has ended."""

    code: int
    output: str
    predictions: Path

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        lines = (self.predictions / "outcomes.jsonl").read_text().splitlines()
        return {each["file"]: each for each in map(json.loads, lines)}

    def frame(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.predictions / f"{name}.scored.parquet")


def command(data: Path, package: Path, predictions: Path, *more: str) -> list[str]:
    given = ["--data", str(data), "--model", str(package.parent), "--predictions", str(predictions)]
    return [sys.executable, str(SCRIPT), *given, "--outcomes", str(predictions / "outcomes.jsonl"), *more]


def score(data: Path, package: Path, predictions: Path, *more: str) -> Scored:
    done = subprocess.run(command(data, package, predictions, *more), capture_output=True, text=True, check=False)
    return Scored(done.returncode, done.stdout + done.stderr, predictions)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Good files in two forms and two folders."""
    folder = tmp_path / "data"
    (folder / "below").mkdir(parents=True)
    ROWS.write_csv(folder / "rows.csv")
    ROWS.write_parquet(folder / "below" / "rows.parquet", row_group_size=7)
    return folder


def test_every_file_is_scored_as_a_request_is(data: Path, package: Path, tmp_path: Path) -> None:
    # given the answer to a request with the same rows
    rows, scorer = ROWS.drop("id", "note").to_dicts(), Scorer.open(package)
    request = read_request(json.dumps({"input_data": rows}).encode(), RowRules(scorer.schema))
    answer = scorer.task.predictions(scorer.score(request))
    # when
    digest = package_digest(package)
    scored = score(
        data, package, tmp_path / "out", "--model-name", "tiny", "--model-version", "3", "--model-digest", digest
    )
    # then both files have the same, in their rows' order, with their identifiers
    assert scored.code == 0, scored.output
    for name in ("rows.csv", "below/rows.parquet"):
        frame = scored.frame(name)
        assert frame.columns == ["id", "probability", "decision"]
        assert frame["id"].to_list() == ROWS["id"].to_list()
        assert frame["probability"].to_list() == pytest.approx([each["probability"] for each in answer], abs=1e-7)
        assert frame["decision"].to_list() == [each["decision"] for each in answer]
        assert scored.outcomes[name]["rows"] == 60
        assert scored.outcomes[name]["output"] == f"{name}.scored.parquet"
    # and each says what it was made with
    told = pl.read_parquet_metadata(tmp_path / "out" / "below" / "rows.parquet.scored.parquet")
    expected = {"model": "tiny", "model_version": "3", "model_digest": digest, "threshold": "0.4"}
    assert {name: told[name] for name in expected} == expected
    assert told["scored_from"] == "below/rows.parquet"


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_file_without_identifiers_is_scored(package: Path, tmp_path: Path, name: str) -> None:
    file, rows = tmp_path / name, ROWS.drop("id")
    rows.write_csv(file) if file.suffix == ".csv" else rows.write_parquet(file)

    outcome = score_file(Model.open(package), file, file.name, tmp_path / "out")

    assert (outcome.status, outcome.rows) == ("scored", ROWS.height)
    frame = pl.read_parquet(tmp_path / "out" / f"{file.name}.scored.parquet")
    assert (frame.columns, frame.height) == (["probability", "decision"], ROWS.height)


def half_written(folder: Path) -> None:
    whole = (folder / "below" / "rows.parquet").read_bytes()
    (folder / "bad.parquet").write_bytes(whole[: len(whole) // 2])


def torn_inside(folder: Path) -> None:
    whole = bytearray((folder / "below" / "rows.parquet").read_bytes())
    whole[40:400] = bytes(360)
    (folder / "bad.parquet").write_bytes(whole)


BAD = {
    "half-written parquet": (half_written, "bad.parquet", "parquet"),
    "parquet torn inside": (torn_inside, "bad.parquet", ""),
    "a column missing": (lambda f: ROWS.drop("age").write_csv(f / "bad.csv"), "bad.csv", "lacks the column age"),
    "separated by something else": (
        lambda f: ROWS.write_csv(f / "bad.csv", separator=";"),
        "bad.csv",
        "it has id;age;income;kind;note: are its values separated by commas?",
    ),
    "empty": (lambda f: (f / "bad.csv").write_text(""), "bad.csv", "it is empty"),
    "a header only": (lambda f: ROWS.head(0).write_csv(f / "bad.csv"), "bad.csv", "it has no rows"),
    "no rows": (lambda f: ROWS.head(0).write_parquet(f / "bad.parquet"), "bad.parquet", "it has no rows"),
    "no file of rows": (lambda f: (f / "bad.txt").write_text("x"), "bad.txt", "must end with .csv or .parquet"),
    "text for a number": (
        lambda f: (f / "bad.csv").write_text("id,age,income,kind\na,old,1,1\n"),
        "bad.csv",
        "could not parse `old`",
    ),
    "a column of text": (
        lambda f: ROWS.with_columns(pl.col("age").cast(pl.String)).write_parquet(f / "bad.parquet"),
        "bad.parquet",
        "column age holds String, not numbers",
    ),
    "a value out of range": (
        lambda f: ROWS.with_columns(age=pl.when(pl.col("id") == "row-41").then(17).otherwise("age")).write_parquet(
            f / "bad.parquet"
        ),
        "bad.parquet",
        "row 41, age must be at least 18, got 17",
    ),
    "an unknown category": (
        lambda f: ROWS.with_columns(kind=pl.lit(3)).write_csv(f / "bad.csv"),
        "bad.csv",
        "row 0, kind 3 is not one of 1, 2, 4",
    ),
    "a fraction": (
        lambda f: ROWS.with_columns(age=pl.lit(20.5)).write_csv(f / "bad.csv"),
        "bad.csv",
        "must be a whole number, got 20.5",
    ),
    "a value missing": (
        lambda f: ROWS.with_columns(income=pl.lit(None, pl.Float64)).write_parquet(f / "bad.parquet"),
        "bad.parquet",
        "is null, and this column must have a value",
    ),
    "not a number": (
        lambda f: ROWS.with_columns(income=pl.lit(float("nan"))).write_parquet(f / "bad.parquet"),
        "bad.parquet",
        "must be a finite number, got NaN",
    ),
}


@pytest.mark.xdist_group("batch scoring")
def test_each_bad_file_is_set_aside_with_its_reason_and_the_rest_completes(
    data: Path, package: Path, tmp_path: Path
) -> None:
    # given every bad file at once, each in a folder of its own beside the good ones
    for number, (spoil, name, _) in enumerate(BAD.values()):
        folder = tmp_path / "spoiled" / str(number)
        (folder / "below").mkdir(parents=True)
        (folder / "below" / "rows.parquet").write_bytes((data / "below" / "rows.parquet").read_bytes())
        spoil(folder)
        (data / f"bad-{number}").mkdir()
        (folder / name).replace(data / f"bad-{number}" / name)
    (data / "_SUCCESS").touch()
    # when
    scored = score(data, package, tmp_path / "out")
    # then
    assert scored.code == 1
    for number, (title, (_, name, reason)) in enumerate(BAD.items()):
        outcome = scored.outcomes[f"bad-{number}/{name}"]
        assert outcome["status"] == "set aside", title
        assert reason in outcome["reason"], title
    assert scored.outcomes["_SUCCESS"]["status"] == "ignored"
    assert {name for name, each in scored.outcomes.items() if each["status"] == "scored"} == {
        "rows.csv",
        "below/rows.parquet",
    }
    # and nothing else lies there, finished or not
    files = {path.name for path in scored.predictions.rglob("*") if path.is_file()}
    assert files == {"rows.csv.scored.parquet", "rows.parquet.scored.parquet", "outcomes.jsonl"}
    details = next(each for each in scored.outcomes.values() if each["details"])
    assert set(details["details"][0]) == {"row", "field", "reason"}


def test_an_empty_folder_is_refused(package: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()

    scored = score(tmp_path / "nothing", package, tmp_path / "out")

    assert scored.code == 1
    assert "there are no files" in scored.output


def test_another_package_than_the_promised_one_scores_nothing(data: Path, package: Path, tmp_path: Path) -> None:
    scored = score(data, package, tmp_path / "out", "--model-digest", "sha256:0000")

    assert scored.code == 1
    assert "but the release promises sha256:0000" in scored.output
    assert not (tmp_path / "out").exists()


def test_killed_in_the_middle_and_run_again_it_ends_as_if_nothing_had_happened(
    data: Path, package: Path, tmp_path: Path
) -> None:
    # given a run that is killed while it writes its largest file
    large = pl.concat([ROWS.drop("note").with_columns(pl.col("age").clip(18, 77))] * 20_000)
    large.write_parquet(data / "zz-large.parquet")
    running = subprocess.Popen(command(data, package, tmp_path / "out"), stdout=subprocess.DEVNULL)
    unfinished = tmp_path / "out" / "zz-large.parquet.scored.parquet.unfinished"
    while not unfinished.exists() and running.poll() is None:
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    whole = tmp_path / "out" / "zz-large.parquet.scored.parquet"
    killed_in_time = not whole.exists()
    # when it is run again
    scored = score(data, package, tmp_path / "out")
    # then everything is there once, and whole
    assert scored.code == 0, scored.output
    assert killed_in_time
    assert scored.frame("zz-large.parquet").height == large.height
    assert not unfinished.exists()
