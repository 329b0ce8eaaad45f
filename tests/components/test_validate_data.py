"""Bad data are refused with column, rule, count and rows; good data go on as typed parquet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chain import SCHEMA, SCHEMA_FILE, run_step
from polars.testing import assert_frame_equal
from validate_data import build_report

from model_package.package import read_schema
from model_package.schema import BOOLEAN, CATEGORY, INTEGER, NUMBER, REGRESSION, TIMESTAMP, Feature
from model_package.steps.synthetic_rows import csv_of, synthetic_rows

ROWS = 40
# The header's line is the first.
LINE = 9


@dataclass(frozen=True)
class Outcome:
    code: int
    error: str
    report: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Wrong:
    """A value that a column refuses, and a part of the rule that says so."""

    column: str
    value: str | None
    rule: str


def wrong_values(feature: Feature) -> Iterator[tuple[str, Wrong]]:
    """Everything that a feature refuses, by what is wrong."""
    name = feature.name
    if not feature.nullable:
        yield "missing", Wrong(name, None, "missing")
    if feature.type in (INTEGER, NUMBER):
        yield f"a text for {feature.type}", Wrong(name, "lots", f"of type {feature.type}")
        yield f"NaN for {feature.type}", Wrong(name, "NaN", f"of type {feature.type}")
    if feature.type == INTEGER:
        yield "a fraction", Wrong(name, "33.5", "of type integer")
    if feature.type == INTEGER and feature.categories:
        yield "an unknown code", Wrong(name, str(int(max(map(float, feature.categories))) + 1), "one of")
    if feature.minimum is not None and not feature.categories:
        yield "below the range", Wrong(name, f"{int(feature.minimum) - 1}", "at least")
    if feature.maximum is not None and not feature.categories:
        yield "above the range", Wrong(name, f"{int(feature.maximum) + 2}", "at most")
    if feature.type == BOOLEAN:
        yield "no truth", Wrong(name, "perhaps", "true or false")
    if feature.type == TIMESTAMP:
        yield "no moment", Wrong(name, "soon", "must be a date or a time")
    if feature.type == CATEGORY and not feature.is_open:
        yield "an unknown category", Wrong(name, "1e9", "one of")


def cases() -> dict[str, Wrong]:
    """One case of each kind of mistake that the project's own columns can have, and those of its target."""
    found: dict[str, Wrong] = {"no target": Wrong(SCHEMA.target, None, "missing")}
    if SCHEMA.task == REGRESSION:
        found["a text for the target"] = Wrong(SCHEMA.target, "lots", "of type number")
    elif SCHEMA.classes or SCHEMA.positive is None:
        found["an unknown target"] = Wrong(SCHEMA.target, "7", "must be")
    for feature in SCHEMA.features:
        for what, wrong in wrong_values(feature):
            found.setdefault(what, wrong)
    return found


CASES = cases()


@pytest.fixture(scope="module")
def good() -> pl.DataFrame:
    return synthetic_rows(SCHEMA, ROWS)


def written(frame: pl.DataFrame, file: Path) -> Path:
    file.write_text(csv_of(frame), encoding="utf-8")
    return file


def validate(file: Path, folder: Path) -> Outcome:
    outputs = {"validated_data": folder / "rows", "validation_report": folder / "report"}
    done = run_step("validate_data", data=file, schema=SCHEMA_FILE, **outputs)
    report = json.loads((folder / "report" / "report.json").read_text())
    return Outcome(done.returncode, done.stderr, report, folder)


def checked(frame: pl.DataFrame, folder: Path) -> dict[str, Any]:
    return report_of(written(frame, folder / "data.csv"))


def report_of(file: Path) -> dict[str, Any]:
    return build_report(file, SCHEMA, file.parent / "rows" / "rows.parquet")


def changed(frame: pl.DataFrame, wrong: Wrong, row: int = LINE - 2) -> pl.DataFrame:
    texts = pl.read_csv(csv_of(frame).encode(), infer_schema=False)
    at = pl.int_range(pl.len()) == row
    value = pl.lit(wrong.value, pl.String)
    return texts.with_columns(pl.when(at).then(value).otherwise(wrong.column).alias(wrong.column))


def test_good_rows_go_on_as_typed_parquet(good: pl.DataFrame, tmp_path: Path):
    outcome = validate(written(good, tmp_path / "good.csv"), tmp_path)
    assert outcome.code == 0, outcome.error
    assert outcome.report["valid"]
    found = pl.read_parquet(tmp_path / "rows" / "rows.parquet")
    assert_frame_equal(found, good.select(found.columns), check_dtypes=False)
    assert sorted(found.columns) == sorted(SCHEMA.columns)
    assert read_schema(tmp_path / "rows") == SCHEMA
    assert "The data are valid" in (tmp_path / "report" / "report.html").read_text()


def test_refused_rows_stop_the_step_and_leave_a_report_but_no_rows(good: pl.DataFrame, tmp_path: Path):
    wrong = CASES.get("below the range") or next(each for each in CASES.values() if each.value)
    outcome = validate(written(changed(good, wrong), tmp_path / "bad.csv"), tmp_path)
    assert outcome.code == 1
    assert f"{wrong.column}: the value" in outcome.error
    assert wrong.rule in outcome.error
    assert f"line {LINE}" in outcome.error
    assert f"value {wrong.value!r}" in outcome.error
    assert not (tmp_path / "rows").exists()
    assert str(wrong.value) in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize("wrong", CASES.values(), ids=CASES.keys())
def test_a_bad_value_is_named_with_its_row(good: pl.DataFrame, tmp_path: Path, wrong: Wrong):
    (problem,) = checked(changed(good, wrong), tmp_path)["problems"]
    assert problem["column"] == wrong.column
    assert wrong.rule in problem["rule"]
    assert problem["count"] == 1
    assert problem["samples"][0]["line"] == LINE
    if SCHEMA.identifier:
        assert problem["samples"][0][SCHEMA.identifier] == str(LINE - 1)


def test_a_missing_column_is_named(good: pl.DataFrame, tmp_path: Path):
    report = checked(good.drop(SCHEMA.names[-1]), tmp_path)
    assert [problem["column"] for problem in report["problems"]] == [SCHEMA.names[-1]]
    assert "missing" in report["problems"][0]["rule"]


def test_a_column_that_stands_twice_is_refused(good: pl.DataFrame, tmp_path: Path):
    file, name = tmp_path / "twice.csv", SCHEMA.target
    first, *rest = csv_of(good.select(pl.col(name), pl.exclude(name))).splitlines()
    file.write_text("\n".join([f"{name},{first}", *(f"33,{line}" for line in rest)]), encoding="utf-8")
    (problem,) = report_of(file)["problems"]
    assert (problem["column"], problem["count"]) == (name, 2)
    assert "more than once" in problem["rule"]


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named_in_one_line(tmp_path: Path, separator: str, word: str):
    file = tmp_path / "data.csv"
    # Values without commas, which the project's own may have.
    plain = pl.DataFrame({name: [1, 2] for name in SCHEMA.columns})
    plain.write_csv(file, separator=separator)
    if separator == ";":
        # Decimal commas: rows that have more commas than the header.
        file.write_text(file.read_text().replace("\n2;", "\n2,50;").replace(";2;", ";2,50;"))
    (problem,) = report_of(file)["problems"]
    assert word in problem["rule"]


def test_a_line_with_too_many_values_is_named(good: pl.DataFrame, tmp_path: Path):
    file = written(good, tmp_path / "data.csv")
    lines = file.read_text().splitlines()
    lines[2] += ",1"
    file.write_text("\n".join(lines))
    (problem,) = report_of(file)["problems"]
    assert "line 3 has " in problem["rule"]
    assert "put a value with a comma in quotes" in problem["rule"]


def test_a_column_without_a_name_is_named_by_its_place(good: pl.DataFrame, tmp_path: Path):
    report = checked(good.with_columns(pl.lit("x").alias("")), tmp_path)
    assert report["valid"]
    assert f"column {len(good.columns) + 1}, which has no name" in report["warnings"][0]


@pytest.mark.skipif(not SCHEMA.identifier, reason="the rows of this project have no id")
def test_repeated_ids_are_counted(good: pl.DataFrame, tmp_path: Path):
    (problem,) = checked(changed(good, Wrong(SCHEMA.identifier, "3", "")), tmp_path)["problems"]
    assert (problem["column"], problem["count"]) == (SCHEMA.identifier, 2)
    assert [sample["line"] for sample in problem["samples"]] == [4, LINE]


def test_of_many_bad_rows_five_are_shown(good: pl.DataFrame, tmp_path: Path):
    wrong = CASES.get("missing", CASES["no target"])
    (problem,) = checked(good.with_columns(pl.lit(None).alias(wrong.column)), tmp_path)["problems"]
    assert (problem["count"], len(problem["samples"])) == (ROWS, 5)


def test_every_problem_is_reported_at_once(good: pl.DataFrame, tmp_path: Path):
    by_column = {wrong.column: wrong for wrong in CASES.values()}
    bad = good
    for row, wrong in enumerate(by_column.values()):
        bad = changed(bad, wrong, row)
    assert {problem["column"] for problem in checked(bad, tmp_path)["problems"]} == by_column.keys()


@pytest.mark.skipif(not SCHEMA.identifier, reason="the rows of this project have no id")
def test_rows_alike_but_for_the_id_are_a_warning(good: pl.DataFrame, tmp_path: Path):
    twice = pl.concat([good, good.with_columns(pl.col(SCHEMA.identifier) + 1000)])
    report = checked(twice, tmp_path)
    assert report["valid"]
    assert f"in everything except {SCHEMA.identifier}" in report["warnings"][0]


def test_an_unknown_column_is_left_out_with_a_warning(good: pl.DataFrame, tmp_path: Path):
    report = checked(good.with_columns(pl.lit("x").alias("a column of nobody")), tmp_path)
    assert report["valid"]
    assert "a column of nobody" in report["warnings"][0]


def test_whole_numbers_as_spreadsheets_write_them_are_accepted(good: pl.DataFrame, tmp_path: Path):
    whole = [each.name for each in SCHEMA.features if each.type == INTEGER]
    assert checked(good.with_columns(pl.col(whole).cast(pl.Float64)), tmp_path)["valid"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "is empty", id="empty file"),
        pytest.param(",".join(SCHEMA.columns).encode() + b"\n", "no rows", id="header only"),
        pytest.param(b"PAR1\x00\x01\x02" * 50, "binary data", id="parquet named csv"),
        pytest.param(b"\xff\xfe,\xe9\n1,\xe9\n", "line 1 is not UTF-8 text", id="not UTF-8"),
        pytest.param(b'{"rows": [1,\n2, 3, 4]}\n', "the column is missing", id="JSON"),
        pytest.param(b"Dear Sir or Madam\nplease find enclosed\n", "missing", id="a letter"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, says: str):
    file = tmp_path / "data.csv"
    file.write_bytes(content)
    outcome = validate(file, tmp_path)
    assert outcome.code == 1
    assert says in outcome.error
    assert "Traceback" not in outcome.error


def test_a_schema_that_contradicts_itself_stops_the_step(good: pl.DataFrame, tmp_path: Path):
    schema = tmp_path / "schema.yml"
    more = "  - {name: contradictory, type: integer, minimum: 180, maximum: 120}\n"
    schema.write_text(SCHEMA_FILE.read_text().replace("\nfeatures:\n", f"\nfeatures:\n{more}"))
    outputs = {"validated_data": tmp_path / "rows", "validation_report": tmp_path / "report"}
    done = run_step("validate_data", data=written(good, tmp_path / "good.csv"), schema=schema, **outputs)
    assert done.returncode == 1
    assert "feature contradictory: minimum 180 lies above maximum 120" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_does_not_exist_is_named(tmp_path: Path):
    assert "does not exist" in validate(tmp_path / "none.csv", tmp_path).error
