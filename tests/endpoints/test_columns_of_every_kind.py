"""A model with columns of every kind, served online and in batches: the same answers, and refusals in plain words."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from every_kind import ROWS, SCHEMA, write_package
from file_scoring import Model, score_file
from observability.azure_collector import input_frame
from scorer import Scorer

from model_package.collected.folder import read_window
from model_package.collected.window import Window
from model_package.golden import Golden
from model_package.rows.encoding import Tensors, concatenated, decode
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_package(tmp_path_factory.mktemp("every_kind") / "model_package")


def asked(scorer: Scorer, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return json.loads(scorer.answer(json.dumps({"input_data": rows}).encode()).body)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_online_and_batch_give_the_same_answers(package: Path, tmp_path: Path, suffix: str):
    table = pl.DataFrame(ROWS, schema_overrides={"zone": pl.Int64})
    file = tmp_path / f"rows{suffix}"
    (table.write_csv if suffix == ".csv" else table.write_parquet)(file)

    outcome = score_file(Model.open(package), file, file.name, tmp_path / "out")
    online = [each["probability"] for each in asked(Scorer(package), ROWS)["predictions"]]

    assert outcome.sentence() == f"rows{suffix}: scored, 3 rows"
    assert pl.read_parquet(tmp_path / "out" / (outcome.output or ""))["probability"].to_list() == pytest.approx(online)
    # The known text matters.
    assert online[0] > 0.7


def test_a_wrong_row_is_refused_in_the_callers_words(package: Path):
    wrong = ROWS[0] | {"plan": "Gold", "note": 3, "seen": "tomorrow", "zone": "7", "age": 17}

    error = asked(Scorer(package), [ROWS[0], wrong])["error"]

    assert {each["field"]: each["reason"] for each in error["details"]} == {
        "plan": "'Gold' is not one of Basic, Pro",
        "note": "must be a text, got 3",
        "seen": "must be a date or a time such as 2026-01-31 or 2026-01-31T18:30:00Z, got 'tomorrow'",
        "zone": "must be a whole number, got '7'",
        "age": "must be at least 18, got 17",
    }
    assert {each["row"] for each in error["details"]} == {1}


def test_a_wrong_file_is_set_aside_in_the_callers_words(package: Path, tmp_path: Path):
    pl.DataFrame([ROWS[0] | {"plan": "Gold"}]).write_csv(tmp_path / "rows.csv")

    outcome = score_file(Model.open(package), tmp_path / "rows.csv", "rows.csv", tmp_path / "out")

    assert outcome.is_set_aside
    assert (outcome.reason or "").endswith("row 0, plan 'Gold' is not one of Basic, Pro")


def test_golden_requests_are_in_the_callers_words_and_get_their_answers(package: Path):
    scorer, rows = Scorer(package), read(ROWS * 20)
    probability = np.array([each["probability"] for each in asked(scorer, ROWS * 20)["predictions"]])

    golden = Golden.build(SCHEMA, rows, probability, tolerance=1e-6)

    assert all(row in [*ROWS, ROWS[2] | {"zone": 2**60 + 1}] for row in stated(golden)[-1])
    for case, answers in zip(stated(golden), golden.cases, strict=True):
        found = [each["probability"] for each in asked(scorer, case)["predictions"]]
        assert found == pytest.approx(answers.answers["probability"])


def test_what_is_collected_is_read_as_the_model_read_it(tmp_path: Path):
    rows = concatenated([read(ROWS[:1]), read(ROWS[1:])])
    frame = input_frame(pd.DataFrame, rows, SCHEMA)
    frame["correlation_id"], frame["row"] = ["a", "b", "c"], 0
    frame["time"] = "2026-03-01T11:30:00.000+00:00"
    file = tmp_path / "blue" / "model_inputs" / "2026/03/01/11" / "instance.jsonl"
    file.parent.mkdir(parents=True)
    # As azureml-ai-monitoring writes a frame.
    file.write_text(f'{{"specversion": "1.0", "data": {frame.to_json(orient="records")}}}\n')
    window = Window(datetime(2026, 3, 1, 11, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))

    found = read_window(tmp_path, window, SCHEMA)

    expected = decode(rows, SCHEMA).astype(np.float32)
    assert found.found.broken == 0
    for name, column in zip(SCHEMA.names, expected.T, strict=True):
        assert found.column(name).tolist() == pytest.approx(column.tolist(), nan_ok=True)


def read(rows: list[dict[str, Any]]) -> Tensors:
    return request_tensors({"input_data": rows}, RowRules(SCHEMA))


def stated(golden: Golden) -> list[list[dict[str, Any]]]:
    return [case.request["input_data"] for case in golden.cases]
