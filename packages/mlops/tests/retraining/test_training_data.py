"""Collected rows with their outcomes: joined once, fit to train on, and numbered the same way every time."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from validate_data import build_report

from mlops.core.errors import InputError
from mlops.retraining.training_data import LabelledRows, label, merge_dataset, row_numbers, without_known_rows
from mlops.settings.policies import CollectedRows
from mlops.settings.project import read_project_schema
from model_package.collected.labels import read_labels
from model_package.schema import Decision, Feature, Schema

ROOT = Path(__file__).parents[4]
GENERATOR = ROOT / "data" / "generate_sample.py"
COLUMNS = read_project_schema(ROOT)
RULES = CollectedRows(
    window_days=90,
    label_delay_days=0,
    min_rows=4,
    min_rows_per_class=1,
    max_rows=1000,
    include_history=True,
    exclude_known_rows=True,
)
SCHEMA = Schema(
    identifier="ID",
    target="default",
    features=(
        Feature("AGE", minimum=18, maximum=120),
        Feature("RATE", "number"),
        Feature("SEX", categories=(1, 2)),
    ),
    decision=Decision(0.5),
)


def asked(*rows: tuple[str, float | None, float | None, float | None]) -> pl.DataFrame:
    """Collected rows: request, AGE, RATE, SEX."""
    table = pl.DataFrame(
        rows, schema={"correlation_id": pl.String, "AGE": float, "RATE": float, "SEX": float}, orient="row"
    )
    number, version = pl.lit(0, pl.Int64).alias("row"), pl.lit("3").alias("model_version")
    return table.with_columns(number, version, time=pl.lit(datetime(2026, 3, 1, tzinfo=UTC)))


def outcomes_file(folder: Path, *lines: str) -> Path:
    file = folder / "outcomes.csv"
    file.write_text("\n".join(["correlation_id,row,default", *lines]) + "\n")
    return file


ASKED = asked(("a", 30, 0.5, 1), ("b", 40, 1.5, 2), ("c", 50, 2.5, 1), ("d", 60, 3.5, 2), ("late", 33, 0.1, 1))


def labelled(tmp_path: Path, rows: pl.DataFrame = ASKED, *lines: str) -> LabelledRows:
    file = outcomes_file(tmp_path, *(lines or ("a,0,1", "b,0,0", "c,0,0", "d,0,1")))
    return label(rows, read_labels(file, SCHEMA), SCHEMA, "prod")


def test_late_double_contradicting_and_foreign_outcomes(tmp_path: Path) -> None:
    # given outcomes that come twice, contradict each other, belong to another window, or are none; one is not known yet
    lines = ("a,0,1", "a,0,1.0", "b,0,0", "c,0,0", "c,0,1", "elsewhere,0,1", "d,0,2", "d,,1", ",0,1")
    outcomes = read_labels(outcomes_file(tmp_path, *lines), SCHEMA)

    found = label(ASKED, outcomes, SCHEMA, "prod")

    assert (outcomes.repeated, outcomes.contradictory, outcomes.unusable) == (1, 1, 3)
    assert sorted(zip(found.table["AGE"], found.table["default"], strict=True)) == [(30, 1), (40, 0)]
    assert (found.collected, found.unlabelled, found.unfit, found.models) == (5, 3, 0, ("3",))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(("a", None, 0.5, 1), id="missing"),
        pytest.param(("a", 17, 0.5, 1), id="below the limit"),
        pytest.param(("a", 121, 0.5, 1), id="above the limit"),
        pytest.param(("a", 30.5, 0.5, 1), id="no whole number"),
        pytest.param(("a", 30, float("nan"), 1), id="no number"),
        pytest.param(("a", 30, 0.5, 3), id="unknown code"),
    ],
)
def test_what_validation_would_refuse_is_left_out(row: tuple[str, float, float, float], tmp_path: Path) -> None:
    found = labelled(tmp_path, pl.concat([asked(row), ASKED.filter(pl.col("correlation_id") != "a")]))

    assert (found.table.height, found.unfit) == (3, 1)


@pytest.mark.parametrize(
    ("lines", "rules", "words"),
    [
        pytest.param((), RULES, "", id="enough"),
        pytest.param(
            (), RULES.model_copy(update={"min_rows": 5}), "of 5 rows 4 can be used, 1 have no outcome yet", id="few"
        ),
        pytest.param(("a,0,0", "b,0,0", "c,0,0", "d,0,0"), RULES, "0 of 4 rows have outcome 1", id="one class"),
        pytest.param(("x,0,0",), RULES, "of 5 rows 0 can be used", id="never"),
    ],
)
def test_too_little_is_refused_with_a_sentence(
    lines: tuple[str, ...], rules: CollectedRows, words: str, tmp_path: Path
) -> None:
    objection = labelled(tmp_path, ASKED, *lines).objection(rules)

    assert words in objection
    assert bool(objection) == bool(words)


def test_nothing_asked_is_no_error(tmp_path: Path) -> None:
    assert "of 0 rows 0 can be used" in labelled(tmp_path, asked().drop("RATE")).objection(RULES)


def test_another_models_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rows that prod collected have no column RATE"):
        labelled(tmp_path, ASKED.drop("RATE"))


def test_numbers_stay_the_same_below_zero_and_all_different() -> None:
    numbers = row_numbers("prod", ["a", "a", "b"], [0, 1, 0])

    assert numbers == row_numbers("prod", ["a", "a", "b"], [0, 1, 0])
    assert numbers[:1] == [-105189608135303981]
    assert max(numbers) < 0
    assert len({*numbers, *row_numbers("staging", ["a"], [0])}) == 4


def test_history_keeps_its_rows_and_a_second_window_takes_the_place_of_its_own(tmp_path: Path) -> None:
    # given a data file, one of whose rows was asked again, and an unused column
    history = tmp_path / "history.csv"
    history.write_text("ID,note,AGE,RATE,SEX,default\n1,x,30,0.5,1,0\n2,y,31,0.7,2,1\n")
    found = labelled(tmp_path)

    # when
    new = without_known_rows(history, found.table, SCHEMA)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    rows = merge_dataset(history, new, SCHEMA, first)

    # then what equals a row of history is left out
    assert sorted(new["AGE"]) == [40, 50, 60]
    assert rows == 5
    table = pl.read_csv(first)
    assert table.columns == ["ID", "AGE", "RATE", "SEX", "default"]
    assert table["ID"][:2].to_list() == [1, 2]

    # and the same window behind that file makes the same bytes: no row is there twice, or known by itself
    assert without_known_rows(first, found.table, SCHEMA).equals(new)
    assert merge_dataset(first, new, SCHEMA, second) == 5
    assert second.read_bytes() == first.read_bytes()

    # and an outcome that changed counts once
    corrected = labelled(tmp_path, ASKED, "b,0,1", "c,0,0", "d,0,1").table
    merge_dataset(first, corrected, SCHEMA, second)
    assert pl.read_csv(second).filter(AGE=40)["default"].to_list() == [1]


def test_validation_takes_what_was_made(tmp_path: Path) -> None:
    # given the example's own columns, and clients as they were asked about
    schema = COLUMNS
    sample = tmp_path / "sample.csv"
    command = [sys.executable, str(GENERATOR), "--rows", "50", "--seed", "3", "--out", str(sample)]
    subprocess.run(command, check=True, capture_output=True)
    clients = pl.read_csv(sample)
    history, file = tmp_path / "history.csv", tmp_path / "made.csv"
    clients.head(20).write_csv(history)
    ids = pl.Series("correlation_id", [f"r{number}" for number in range(30)])
    rows = (
        clients.tail(30)
        .select(pl.col(schema.names).cast(float))
        .with_columns(ids, pl.lit(0, pl.Int64).alias("row"), pl.lit("1").alias("model_version"))
    )
    outcomes = outcomes_file(tmp_path, *(f"r{at},0,{at % 2}" for at in range(30)))

    # when
    found = label(rows, read_labels(outcomes, schema), schema, "prod")
    total = merge_dataset(history, without_known_rows(history, found.table, schema), schema, file)

    # then
    report = build_report(file, COLUMNS, tmp_path / "rows.parquet")
    assert (total, report["problems"], report["warnings"]) == (50, [], [])
    assert pl.read_parquet(tmp_path / "rows.parquet")["ID"].n_unique() == 50


def test_without_history_the_window_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "alone.csv"

    assert merge_dataset(None, labelled(tmp_path).table, SCHEMA, file) == 4
    assert set(pl.read_csv(file)["ID"]) == set(row_numbers("prod", ["a", "b", "c", "d"], [0] * 4))


def test_a_history_of_other_columns_is_refused(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text("ID;AGE\n1;30\n")

    with pytest.raises(InputError, match=r"history.csv has no column ID, AGE, RATE, SEX, default"):
        merge_dataset(history, labelled(tmp_path).table, SCHEMA, tmp_path / "out.csv")
