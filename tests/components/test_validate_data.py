"""Bad data are refused with column, rule, count and rows; good data go on as typed parquet."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chain import SCHEMA, SCHEMA_FILE
from programs import run_script
from validate_data import build_report

from model_package.package import read_schema

ROOT = Path(__file__).parents[2]
STEP = ROOT / "components" / "validate_data" / "validate_data.py"
GENERATOR = ROOT / "data" / "generate_sample.py"


@dataclass(frozen=True)
class Outcome:
    code: int
    error: str
    report: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("good") / "good.csv"
    run_script(GENERATOR, "--rows", "40", "--out", str(out)).check_returncode()
    return pl.read_csv(out)


def validate(file: Path, folder: Path) -> Outcome:
    outputs = ("--validated-data", str(folder / "rows"), "--validation-report", str(folder / "report"))
    done = run_script(STEP, "--data", str(file), "--schema", str(SCHEMA_FILE), *outputs)
    report = json.loads((folder / "report" / "report.json").read_text())
    return Outcome(done.returncode, done.stderr, report, folder)


def checked(frame: pl.DataFrame, folder: Path) -> dict[str, Any]:
    file = folder / "data.csv"
    frame.write_csv(file)
    return build_report(file, SCHEMA)[0]


def changed(frame: pl.DataFrame, column: str, row: int, value: str | None) -> pl.DataFrame:
    texts = frame.with_columns(pl.all().cast(pl.String))
    at = pl.int_range(pl.len()) == row
    return texts.with_columns(pl.when(at).then(pl.lit(value, pl.String)).otherwise(column).alias(column))


def test_good_rows_go_on_as_typed_parquet(good: pl.DataFrame, tmp_path: Path):
    file = tmp_path / "good.csv"
    good.write_csv(file)
    outcome = validate(file, tmp_path)
    assert outcome.code == 0, outcome.error
    assert outcome.report["valid"]
    assert pl.read_parquet(tmp_path / "rows" / "rows.parquet").equals(good)
    assert read_schema(tmp_path / "rows") == SCHEMA
    assert "The data are valid" in (tmp_path / "report" / "report.html").read_text()


def test_refused_rows_stop_the_step_and_leave_a_report_but_no_rows(good: pl.DataFrame, tmp_path: Path):
    file = tmp_path / "bad.csv"
    changed(good, "EDUCATION", 4, "99").write_csv(file)
    outcome = validate(file, tmp_path)
    assert outcome.code == 1
    assert "EDUCATION: the value must be one of 0, 1, 2, 3, 4, 5, 6" in outcome.error
    assert "line 6, ID 5, value '99'" in outcome.error
    assert not (tmp_path / "rows").exists()
    assert "99" in (tmp_path / "report" / "report.html").read_text()


def test_a_missing_column_is_named(good: pl.DataFrame, tmp_path: Path):
    report = checked(good.drop("AGE"), tmp_path)
    assert [problem["column"] for problem in report["problems"]] == ["AGE"]
    assert "missing" in report["problems"][0]["rule"]


def test_a_missing_column_is_reported_with_whole_names(good: pl.DataFrame, tmp_path: Path):
    rule = checked(good.drop("default"), tmp_path)["problems"][0]["rule"]
    assert rule.endswith("header has ID, LIMIT_BAL, SEX, EDUCATION, MARRIAGE, AGE, PAY_0, PAY_2 and 16 more")


def test_a_column_that_stands_twice_is_refused(good: pl.DataFrame, tmp_path: Path):
    file = tmp_path / "twice.csv"
    lines = good.write_csv().splitlines()
    file.write_text("\n".join([f"{lines[0]},AGE", *(f"{line},33" for line in lines[1:])]))
    (problem,) = build_report(file, SCHEMA)[0]["problems"]
    assert (problem["column"], problem["count"]) == ("AGE", 2)
    assert "more than once" in problem["rule"]


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_told_in_one_line(good: pl.DataFrame, tmp_path: Path, separator: str, word: str):
    file = tmp_path / "data.csv"
    good.write_csv(file, separator=separator)
    (problem,) = build_report(file, SCHEMA)[0]["problems"]
    assert word in problem["rule"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        pytest.param("LIMIT_BAL", "lots", "of type integer", id="text for a number"),
        pytest.param("LIMIT_BAL", "NaN", "of type integer", id="NaN"),
        pytest.param("AGE", "33.5", "of type integer", id="a fraction for an integer"),
        pytest.param("SEX", "3", "one of 1, 2", id="unknown category"),
        pytest.param("default", "2", "0 or 1", id="target neither 0 nor 1"),
        pytest.param("AGE", "12", "at least 18", id="below the range"),
        pytest.param("PAY_0", "10", "at most 9", id="above the range"),
        pytest.param("BILL_AMT1", None, "missing", id="missing value"),
    ],
)
def test_a_bad_value_is_named_with_its_row(
    good: pl.DataFrame, tmp_path: Path, column: str, value: str | None, rule: str
):
    report = checked(changed(good, column, 7, value), tmp_path)
    (problem,) = report["problems"]
    assert problem["column"] == column
    assert rule in problem["rule"]
    assert problem["count"] == 1
    assert problem["samples"][0]["line"] == 9
    assert problem["samples"][0]["ID"] == "8"


def test_repeated_ids_are_counted(good: pl.DataFrame, tmp_path: Path):
    (problem,) = checked(changed(good, "ID", 7, "3"), tmp_path)["problems"]
    assert (problem["column"], problem["count"]) == ("ID", 2)
    assert [sample["line"] for sample in problem["samples"]] == [4, 9]


def test_of_many_bad_rows_five_are_shown(good: pl.DataFrame, tmp_path: Path):
    (problem,) = checked(good.with_columns(SEX=pl.lit(7)), tmp_path)["problems"]
    assert (problem["count"], len(problem["samples"])) == (40, 5)


def test_every_problem_is_reported_at_once(good: pl.DataFrame, tmp_path: Path):
    bad = changed(changed(good, "SEX", 1, "9"), "AGE", 2, "old")
    assert {problem["column"] for problem in checked(bad, tmp_path)["problems"]} == {"SEX", "AGE"}


def test_rows_alike_but_for_the_id_are_a_warning(good: pl.DataFrame, tmp_path: Path):
    twice = pl.concat([good, good.with_columns(pl.col("ID") + 1000)])
    report = checked(twice, tmp_path)
    assert report["valid"]
    assert report["warnings"] == ["40 rows equal another row in everything except ID"]


def test_an_unknown_column_is_left_out_with_a_warning(good: pl.DataFrame, tmp_path: Path):
    report = checked(good.with_columns(NAME=pl.lit("x")), tmp_path)
    assert report["valid"]
    assert "NAME" in report["warnings"][0]


def test_integers_as_spreadsheets_write_them_are_accepted(good: pl.DataFrame, tmp_path: Path):
    assert checked(good.with_columns(pl.col("AGE").cast(pl.Float64)), tmp_path)["valid"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "is empty", id="empty file"),
        pytest.param(",".join(SCHEMA.columns).encode() + b"\n", "no rows", id="header only"),
        pytest.param(b"PAR1\x00\x01\x02" * 50, "binary data", id="parquet named csv"),
        pytest.param(b"\xff\xfe,\xe9\n1,\xe9\n", "not a readable CSV", id="not UTF-8"),
        pytest.param(b'{"rows": [1,\n2, 3, 4]}\n', "not a readable CSV", id="JSON"),
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
    good.write_csv(tmp_path / "good.csv")
    schema = tmp_path / "schema.yml"
    schema.write_text(SCHEMA_FILE.read_text().replace("minimum: 18", "minimum: 180"))
    outputs = ("--validated-data", str(tmp_path / "rows"), "--validation-report", str(tmp_path / "report"))
    done = run_script(STEP, "--data", str(tmp_path / "good.csv"), "--schema", str(schema), *outputs)
    assert done.returncode == 1
    assert "feature AGE: minimum 180 lies above maximum 120" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_does_not_exist_is_named(tmp_path: Path):
    assert "does not exist" in validate(tmp_path / "none.csv", tmp_path).error
