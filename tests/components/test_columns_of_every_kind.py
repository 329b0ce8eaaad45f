"""Validation and split of a table with columns of every kind, without an id, by time, and with a target of texts."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from chain import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from prepare_data import row_identities
from programs import run_script
from split_rows import Shares, SplitError, assign, assign_by_time, identities
from typed_columns import merged_facts, typed_columns, unread_numbers
from validate_data import build_report
from written_rows import repeated_values

from model_package.package import read_schema
from model_package.rows.requests import request_tensors
from model_package.rows.rules import RowRules
from model_package.rows.split import PARTS, TEST, TRAIN, encode_target, part_file, read_part
from model_package.rows.tables import tensors
from model_package.schema import Feature, Schema
from model_package.schema_file import read_schema_file

SCHEMA_YML = """\
format: 1
time: seen
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
"""
GOOD = """\
plan,zone,member,seen,note,income,comment,left
Basic,7,true,2026-01-01,all is well,12.5,x,no
Pro,,no,2026-01-02T10:00:00Z,,,x,yes
Basic,99,,2026-01-03 11:30,"one, two",0,x,yes
"""


def report(folder: Path, rows: str, schema: str = SCHEMA_YML) -> tuple[dict, pl.DataFrame | None]:
    (folder / "schema.yml").write_text(schema)
    (folder / "rows.csv").write_text(rows)
    rows_file = folder / "rows" / "rows.parquet"
    found = build_report(folder / "rows.csv", read_schema_file(folder / "schema.yml"), rows_file)
    return found, pl.read_parquet(rows_file) if rows_file.exists() else None


def test_rows_of_every_kind_go_on_typed(tmp_path: Path):
    found, rows = report(tmp_path, GOOD)

    assert found["problems"] == []
    assert found["warnings"] == []
    assert rows is not None
    assert rows.columns == ["plan", "zone", "member", "seen", "note", "income", "left"]
    assert rows["zone"].to_list() == [7, None, 99]
    assert rows["member"].to_list() == [True, False, None]
    assert rows["seen"].dt.strftime("%Y-%m-%d %H:%M").to_list() == [
        "2026-01-01 00:00",
        "2026-01-02 10:00",
        "2026-01-03 11:30",
    ]
    assert rows["note"].to_list() == ["all is well", None, "one, two"]
    assert rows["left"].to_list() == ["no", "yes", "yes"]
    assert encode_target(rows, read_schema_file(tmp_path / "schema.yml")).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("old", "new", "column", "rule"),
    [
        ("Pro,", "Gold,", "plan", "the value must be one of Basic, Pro"),
        ("Pro,", ",", "plan", "the value is missing"),
        ("99", "west", "zone", "the value must be a whole number"),
        ("true", "perhaps", "member", "the value must be true or false"),
        ("2026-01-02T10:00:00Z", "02/01/2026", "seen", "the value must be a date or a time such as"),
        ("2026-01-01", "", "seen", "the value is missing"),
        ("12.5", "-3", "income", "the value must be at least 0"),
        ("12.5", "much", "income", "the value must be of type number"),
        ("x,no", "x,maybe\nBasic,7,true,2026-01-04,,1,x,no", "left", "the value must be yes or one other value"),
        ("x,no", "x,", "left", "the value is missing"),
    ],
    ids=["category", "no category", "number", "boolean", "date", "no date", "limit", "text", "target", "no target"],
)
def test_what_is_wrong_is_named_by_column_and_rule(tmp_path: Path, old: str, new: str, column: str, rule: str):
    found, rows = report(tmp_path, GOOD.replace(old, new, 1))

    assert rows is None
    assert [(each["column"], each["rule"][: len(rule)]) for each in found["problems"]] == [(column, rule)]


@pytest.mark.parametrize(
    ("positive", "values", "expected"),
    [
        ("true", "True,FALSE,true", [1, 0, 1]),
        ("Y", "Y,N,N", [1, 0, 0]),
        ("1", "1,2,2.0", [1, 0, 0]),
        ("1", "1,2,3", None),
        ("2", "1,2,2", [0, 1, 1]),
        ("maybe", "yes,no,no", None),
    ],
)
def test_a_target_of_two_other_values_is_encoded_as_0_and_1(
    tmp_path: Path, positive: str, values: str, expected: list[int] | None
):
    rows = GOOD
    for old, new in zip(["x,no", "x,yes", "x,yes"], values.split(","), strict=True):
        rows = rows.replace(f"{old}\n", f"x,{new} \n", 1)

    _, found = report(tmp_path, rows, SCHEMA_YML.replace('"yes"', positive))

    schema = read_schema_file(tmp_path / "schema.yml")
    assert (None if found is None else encode_target(found, schema).tolist()) == expected


KINDS = """\
format: 1
task: regression
target: y
features:
  - {name: plan, type: category, categories: [Basic, "true", "2"], nullable: true}
  - {name: city, type: category, categories: [Ulm, Bonn], unknown: other}
  - {name: zone, type: category, categories: [7, 12], unknown: other, nullable: true}
  - {name: member, type: boolean, nullable: true}
  - {name: seen, type: timestamp, nullable: true}
  - {name: note, type: text, nullable: true}
  - {name: age, type: integer, minimum: 18, nullable: true}
  - {name: income, type: number, nullable: true}
"""
LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
CELLS = {
    "plan": st.none() | st.sampled_from(["Basic", "true", "2"]),
    "city": st.sampled_from(["Ulm", "Bonn"]) | LETTERS.map(str.strip).filter(bool),
    "zone": st.none() | st.integers(-99, 99),
    "member": st.none() | st.booleans(),
    "seen": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "note": st.none() | LETTERS,
    "age": st.none() | st.integers(18, 120),
    "income": st.none() | st.floats(-1e6, 1e6),
    "y": st.floats(-9, 9),
}


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries(CELLS), min_size=2, max_size=6))
def test_rows_that_train_give_the_tensors_that_requests_give(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
):
    # given a request, and its rows as a CSV
    asked = [row | {"seen": row["seen"] and row["seen"].isoformat()} for row in rows]
    request = {"input_data": [{name: cell for name, cell in row.items() if name != "y"} for row in asked]}
    csv = pl.DataFrame(asked, infer_schema_length=None).write_csv()

    # when the step validates the CSV
    folder = tmp_path_factory.mktemp("rows")
    found, valid = report(folder, csv, KINDS)

    # then training reads what serving reads
    assert found["problems"] == []
    assert valid is not None
    schema = read_schema_file(folder / "schema.yml")
    served, trained = request_tensors(request, RowRules(schema)), tensors(valid, schema)
    assert served.features.tobytes() == trained.features.tobytes()
    assert [each.tolist() for each in served.texts] == [each.tolist() for each in trained.texts]


TASKS = {
    "binary": "target: y\n",
    "positive": "target: y\npositive: good\n",
    "regression": "task: regression\ntarget: y\n",
    "multiclass": "task: multiclass_classification\ntarget: y\nclasses: [low, middle, high]\n",
}
ONE_FEATURE = "format: 1\n{}features:\n  - {{name: count, type: number}}\n"


@pytest.mark.parametrize(
    ("task", "values", "said"),
    [
        ("binary", "good,bad", "must be 0 or 1; where it is something else, write `positive: VALUE` into schema.yml"),
        ("binary", "0,1,2", "(its 3 different values fit `task: multiclass_classification`)"),
        ("binary", "0.5,1.25,7", "(its 3 different values fit `task: regression`)"),
        ("positive", "good,bad,ugly", "(its 3 different values fit `task: multiclass_classification`)"),
        ("regression", "good,bad", "(its 2 different values fit `task: binary_classification`)"),
        ("regression", "good,bad,ugly", "(its 3 different values fit `task: multiclass_classification`)"),
        ("multiclass", "0.5,1.25,7", "(its 3 different values fit `task: regression`)"),
        ("multiclass", "low,middle,high,none", "must be one of low, middle, high"),
    ],
)
def test_a_target_that_does_not_fit_the_task_says_which_one_fits(tmp_path: Path, task: str, values: str, said: str):
    rows = "count,y\n" + "".join(f"{at},{value}\n" for at, value in enumerate(values.split(",") * 3))

    found, _ = report(tmp_path, rows, ONE_FEATURE.format(TASKS[task]))

    assert [each["column"] for each in found["problems"]] == ["y"]
    assert found["problems"][0]["rule"].endswith(said)


def test_a_target_may_have_the_name_of_a_tables_column(tmp_path: Path):
    rows = "x,count\n" + "1,good\n2,bad\n" * 3
    schema = "format: 1\ntarget: count\npositive: good\nfeatures:\n  - {name: x, type: number}\n"

    assert report(tmp_path, rows, schema)[0]["valid"]


def test_a_column_whose_name_differs_in_case_is_named(tmp_path: Path):
    found, _ = report(tmp_path, "count,Y\n1,0\n", ONE_FEATURE.format("target: y\n"))

    assert [each["rule"] for each in found["problems"]] == ["the column is missing; is 'Y' meant?"]


def test_the_steps_split_by_time_and_give_the_models_input(tmp_path: Path):
    lines = [f"Basic,7,true,2026-01-{1 + at % 28:02},note {at},{at},x,{'yes' if at % 3 else 'no'}" for at in range(280)]
    (tmp_path / "schema.yml").write_text(SCHEMA_YML)
    (tmp_path / "rows.csv").write_text("\n".join([GOOD.splitlines()[0], *lines]) + "\n")
    steps = ROOT / "components"
    run_script(
        steps / "validate_data/validate_data.py",
        *("--data", str(tmp_path / "rows.csv"), "--schema", str(tmp_path / "schema.yml")),
        *("--validated-data", str(tmp_path / "rows"), "--validation-report", str(tmp_path / "report")),
    ).check_returncode()
    run_script(
        steps / "prepare_data/prepare_data.py",
        *("--validated-data", str(tmp_path / "rows"), "--split-data", str(tmp_path / "split")),
    ).check_returncode()

    schema = read_schema(tmp_path / "split")
    train, test = (read_part(tmp_path / "split", part, schema) for part in (TRAIN, TEST))
    last = pl.read_parquet(part_file(tmp_path / "split", TRAIN))["seen"].max()

    assert pl.read_parquet(part_file(tmp_path / "split", TEST))["seen"].min() > last  # ty: ignore[unsupported-operator]
    assert train.features.shape[1] == len(schema.matrix_columns) == 11
    assert len(train.rows.texts) == 1
    assert set(test.target.tolist()) == {0, 1}
    assert sum(len(read_part(tmp_path / "split", part, schema).target) for part in PARTS) == 280


def test_rows_without_an_id_keep_their_part_when_the_file_grows_or_is_reordered(tmp_path: Path):
    _, rows = report(tmp_path, GOOD)
    assert rows is not None
    schema = read_schema_file(tmp_path / "schema.yml")
    many = pl.concat([rows.with_columns(income=pl.lit(float(at))) for at in range(50)])
    shares = Shares(0.2, 0.3)

    before = dict(zip(identities(many, schema), assign(identities(many, schema), shares, "s"), strict=True))
    shuffled = pl.concat([many, many[:5]]).sample(fraction=1.0, shuffle=True, seed=3)
    after = dict(zip(identities(shuffled, schema), assign(identities(shuffled, schema), shares, "s"), strict=True))

    assert len(before) == many.height
    assert len(after) == shuffled.height
    assert {row: after[row] for row in before} == before


def test_equal_rows_without_an_id_are_told_apart_in_batches_as_in_the_whole_table(tmp_path: Path):
    _, rows = report(tmp_path, GOOD)
    assert rows is not None
    schema = read_schema_file(tmp_path / "schema.yml")
    many = pl.concat([rows, rows.head(2), rows, rows.with_columns(income=None)])

    expected = identities(many, schema)

    assert len(set(expected.tolist())) == many.height
    assert row_identities(many.lazy(), schema, batch_rows=3).tolist() == expected.tolist()


def test_ids_may_be_texts():
    schema = Schema("key", "left", (Feature("age"),))
    rows = pl.DataFrame({"key": ["a", "b", "c"]})

    assert len(set(identities(rows, schema).tolist())) == 3
    assert np.array_equal(identities(rows[:2], schema), identities(rows, schema)[:2])


def test_a_time_with_too_few_values_is_refused():
    with pytest.raises(SplitError, match="too many rows have the same year"):
        assign_by_time(pl.Series("year", [2025] * 10), Shares(0.2, 0.3))


CELLS = st.sampled_from(["", "1", "2.0", "-3", "x", "7", "2026-01-31", "true", "yes", "no", "Basic", "1e3", " 5 "])
PARTED = Schema(
    identifier="id",
    target="left",
    positive="yes",
    time="when",
    group="owner",
    features=(Feature("plan", "category", categories=("Basic", "Pro")), Feature("age", "integer", minimum=0)),
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(*[CELLS] * 6), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    positive=st.sampled_from(["yes", 1, None]),
)
def test_a_table_that_is_typed_in_parts_is_typed_as_a_whole(
    rows: list[tuple[str, ...]], cut: int, positive: str | int | None
):
    schema = dataclasses.replace(PARTED, positive=positive)
    names = ["id", "when", "owner", "plan", "age", "left"]
    texts = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    texts = texts.with_columns(pl.all().replace("", None))
    parts = [texts.head(cut), texts.slice(cut)]
    outcomes = texts.group_by(pl.col("left").alias("text")).agg(rows=pl.len())

    facts = merged_facts([unread_numbers(part, schema) for part in parts], outcomes, schema)

    assert facts == merged_facts([unread_numbers(texts, schema)], outcomes, schema)
    whole = typed_columns(texts, schema, facts)
    pieces = [typed_columns(part, schema, facts) for part in parts if part.height]
    for name, column in whole.items():
        assert pl.concat([each[name].values for each in pieces]).equals(column.values, null_equal=True)
        broken = {rule: int(mask.sum()) for rule, mask in column.broken}
        counted = [{rule: int(mask.sum()) for rule, mask in each[name].broken} for each in pieces]
        assert {rule: sum(each.get(rule, 0) for each in counted) for each in counted for rule in each} == broken


@settings(max_examples=12, deadline=None)
@given(
    rows=st.lists(st.tuples(*[CELLS] * 6), min_size=1, max_size=12),
    last=st.sampled_from(["", "1,2,3,4,5,6,7\n", '"1', "1\n"]),
    positive=st.sampled_from(["yes", 1, None]),
)
def test_a_file_that_is_read_in_small_batches_gives_the_report_of_one_batch(
    rows: list[tuple[str, ...]], last: str, positive: str | int | None, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("batches")
    file, schema = folder / "rows.csv", dataclasses.replace(PARTED, positive=positive)
    names = ["id", "when", "owner", "plan", "age", "left"]
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    # Values with line breaks do not shift the numbers of lines.
    file.write_text(table.with_columns(note=pl.lit("two\nlines")).write_csv(quote_style="always") + last)

    whole = build_report(file, schema, folder / "whole.parquet")
    parts = build_report(file, schema, folder / "parts.parquet", batch_rows=2)

    assert parts == whole
    assert (folder / "parts.parquet").exists() == whole["valid"]
    if whole["valid"]:
        assert pl.read_parquet(folder / "parts.parquet").equals(pl.read_parquet(folder / "whole.parquet"))


def test_different_texts_with_one_hash_are_no_repeated_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = pl.DataFrame({"id": ["a", "b", None, "a", None]})
    rows.write_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(pl.Expr, "hash", lambda self, *_: self.str.len_chars().cast(pl.UInt64))

    assert repeated_values(tmp_path / "rows.parquet", "id").to_list() == [True, False, False, True, False]
