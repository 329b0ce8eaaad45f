"""Rows of every kind give the same tensors from JSON, CSV, parquet and a table, and go back to their words."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_package.errors import Finding, InvalidRows, UnreadableRows
from model_package.rows.encoding import Tensors, concatenated, decode
from model_package.rows.files import batches
from model_package.rows.requests import as_request, read_request, request_tensors
from model_package.rows.rules import RowRules
from model_package.rows.tables import read_column, tensors
from model_package.schema import Feature, Schema

PLANS = ("Basic", "Pro", "Größe, „XL“", " padded", "2", "true")
SCHEMA = Schema(
    identifier="",
    target="left",
    features=(
        Feature("age", minimum=18, maximum=100, nullable=True),
        Feature("plan", "category", categories=PLANS),
        Feature("zone", "category", categories=(7, 2**60, -3), nullable=True, unknown="other"),
        Feature("note", "text", nullable=True),
        Feature("member", "boolean", nullable=True),
        Feature("seen", "timestamp", nullable=True),
        Feature("income", "number", nullable=True),
        Feature("city", "category", categories=("Bonn", "Rome"), nullable=True, unknown="other"),
        Feature("title", "text"),
    ),
)
RULES = RowRules(SCHEMA)
GOOD: dict[str, Any] = {
    "age": 40,
    "plan": "Basic",
    "zone": 7,
    "note": "all is well",
    "member": True,
    "seen": "2026-01-31T18:30:15.25",
    "income": 12.5,
    "city": "Rome",
    "title": "x",
}

letters = st.text(st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1)
rows_of_every_kind = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.none() | st.integers(18, 100),
            "plan": st.sampled_from(PLANS),
            "zone": st.none() | st.sampled_from([7, 2**60, -3]) | st.integers(-(2**62), 2**62),
            "note": st.none() | letters,
            "member": st.none() | st.booleans(),
            "seen": st.none()
            | st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2290-01-01")),
            "income": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
            "city": st.none() | st.sampled_from(["Bonn", "Rome"]) | letters,
            "title": letters,
        }
    ),
    min_size=1,
    max_size=8,
)


def bits(found: Tensors) -> tuple[bytes, list[list[str]]]:
    """What must be alike: NaN counts as equal to itself."""
    return found.features.tobytes(), [each[:, 0].tolist() for each in found.texts]


def from_json(rows: list[dict[str, Any]]) -> Tensors:
    document = {"input_data": [row | {"seen": row["seen"] and row["seen"].isoformat()} for row in rows]}
    return read_request(json.dumps(document).encode(), RULES)


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    types = {"age": pl.Int32, "zone": pl.Int64, "member": pl.Boolean, "seen": pl.Datetime("us"), "income": pl.Float64}
    return pl.DataFrame(rows, schema={name: types.get(name, pl.String) for name in SCHEMA.names})


def from_file(file: Path, rules: RowRules = RULES) -> Tensors:
    return concatenated([batch.rows for batch in batches(file, rules)])


@settings(max_examples=150, deadline=None)
@given(rows=rows_of_every_kind)
def test_json_csv_parquet_and_a_table_give_the_same_tensors(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]):
    folder, known = tmp_path_factory.mktemp("rows"), table(rows)
    known.write_parquet(folder / "rows.parquet")
    known.write_csv(folder / "rows.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6f")

    found = from_json(rows)

    assert bits(from_file(folder / "rows.parquet")) == bits(found)
    assert bits(from_file(folder / "rows.csv")) == bits(found)
    assert bits(tensors(known, SCHEMA)) == bits(found)


moments = st.datetimes(
    datetime.fromisoformat("1900-01-01"),
    datetime.fromisoformat("2200-01-01"),
    # Minutes, as ISO 8601 writes them.
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@settings(max_examples=60, deadline=None)
@given(seen=st.lists(st.none() | moments, min_size=1, max_size=6), zone=st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_moments_of_any_time_zone_give_the_same_tensors(
    tmp_path_factory: pytest.TempPathFactory, seen: list[datetime | None], zone: str
):
    # given times whose zones differ from row to row, in parquet in one zone
    folder, rules = (
        tmp_path_factory.mktemp("rows"),
        RowRules(Schema("", "y", (Feature("seen", "timestamp", nullable=True),))),
    )
    texts = [each and each.isoformat() for each in seen]
    pl.DataFrame({"seen": texts, "more": 1}).write_csv(folder / "rows.csv")
    series = pl.Series("seen", [each and each.astimezone(UTC) for each in seen], pl.Datetime("us", "UTC"))
    known = pl.DataFrame([series.dt.convert_time_zone(zone)])
    known.write_parquet(folder / "rows.parquet")

    found = request_tensors({"input_data": [{"seen": each} for each in texts]}, rules)

    assert bits(from_file(folder / "rows.parquet", rules)) == bits(found)
    assert bits(from_file(folder / "rows.csv", rules)) == bits(found)
    assert bits(tensors(known, rules.schema)) == bits(found)


@settings(max_examples=150, deadline=None)
@given(rows=rows_of_every_kind)
def test_tensors_go_back_to_a_request_that_gives_them_again(rows: list[Any]):
    found = from_json(rows)
    request = json.loads(json.dumps(as_request(found, SCHEMA)))

    assert bits(request_tensors(request, RULES)) == bits(found)


def test_a_row_goes_back_to_its_own_words():
    rows = [GOOD, GOOD | dict.fromkeys(["age", "zone", "note", "member", "seen", "income", "city"])]

    assert as_request(request_tensors({"input_data": rows}, RULES), SCHEMA) == {
        "input_data": [GOOD | {"seen": "2026-01-31T18:30:15.250000"}, rows[1]]
    }


def test_a_timestamp_becomes_its_parts_in_utc():
    early = {"seen": "2026-02-01T00:30:15.5+06:00"}

    found = request_tensors({"input_data": [GOOD | early]}, RULES)

    at = SCHEMA.matrix_columns.index("seen.days")
    days = (date(2026, 1, 31) - date(2000, 1, 1)).days
    # A Saturday.
    assert found.features[0, at : at + 7].tolist() == [days, 1, 31, 6, 18, 30, 15.5]


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31 00:00", "2026-01-31T00:00:00Z", "20260131", "2026-01-31T01:00:00+01:00"]
)
def test_every_form_of_iso_8601_is_the_same_moment(text: str):
    expected = request_tensors({"input_data": [GOOD | {"seen": "2026-01-31T00:00:00"}]}, RULES)

    assert bits(request_tensors({"input_data": [GOOD | {"seen": text}]}, RULES)) == bits(expected)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("seen", [date(2026, 1, 31)]),
        pl.Series("seen", [datetime.fromisoformat("2026-01-31")], pl.Datetime("ns")),
        pl.Series("seen", [datetime(2026, 1, 31, tzinfo=UTC)], pl.Datetime("ms", "UTC")),
        pl.Series(
            "seen", [datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=1)))], pl.Datetime("us", "Europe/Rome")
        ),
        pl.Series("seen", ["2026-01-31"]),
    ],
    ids=["date", "nanoseconds", "utc", "another zone", "text"],
)
def test_every_type_of_moment_in_a_table_is_the_same(series: pl.Series):
    found = read_column(pl.DataFrame([series]), Feature("seen", "timestamp"))

    assert found.values.tolist() == [(date(2026, 1, 31) - date(2000, 1, 1)).days]


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "t", "yes", "Y", "1", " true "])
def test_a_csv_may_write_true_as_people_do(tmp_path: Path, text: str):
    schema = Schema("", "left", (Feature("member", "boolean"),))
    (tmp_path / "rows.csv").write_text(f"member\n{text}\nno\n")

    (batch,) = batches(tmp_path / "rows.csv", RowRules(schema))

    assert batch.rows.features.tolist() == [[1.0], [0.0]]


REFUSED = [
    ("plan", "Gold", "'Gold' is not one of Basic, Pro, Größe, „XL“,  padded, 2, true"),
    ("plan", 2, "must be a text, got 2"),
    ("plan", True, "must be a text, got true"),
    ("plan", None, "is null, and this column must have a value"),
    ("plan", "", "is empty, and this column must have a value"),
    ("zone", "7", "must be a whole number, got '7'"),
    ("zone", True, "must be a whole number, got true"),
    ("zone", 7.5, "must be a whole number, got 7.5"),
    ("note", 3, "must be a text, got 3"),
    ("note", ["a"], "must be a text, got a list"),
    ("title", "", "is empty, and this column must have a value"),
    ("member", "yes", "must be true or false, got 'yes'"),
    ("member", 1, "must be true or false, got 1"),
    ("seen", "31/01/2026", "must be a date or a time such as 2026-01-31 or 2026-01-31T18:30:00Z, got '31/01/2026'"),
    ("seen", 1769817600, "must be a date or a time such as 2026-01-31 or 2026-01-31T18:30:00Z, got 1769817600"),
    ("age", 17, "must be at least 18, got 17"),
    ("age", "40", "must be a number, got '40'"),
    ("income", "x" * 100, f"must be a number, got '{'x' * 60}…'"),
]


@pytest.mark.parametrize(("name", "cell", "reason"), REFUSED, ids=[f"{name} {cell!r:.20}" for name, cell, _ in REFUSED])
def test_a_request_says_what_is_wrong_in_its_own_words(name: str, cell: Any, reason: str):
    with pytest.raises(InvalidRows) as caught:
        request_tensors({"input_data": [GOOD, GOOD | {name: cell}]}, RULES)

    assert caught.value.findings == (Finding(1, name, reason),)
    assert caught.value.total == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_says_what_is_wrong_in_its_own_words(tmp_path: Path, suffix: str):
    good = GOOD | {"seen": None, "member": None}
    rows = [good, good | {"plan": "Gold"}, good | {"plan": None}, good | {"title": None, "age": 3}]
    file = tmp_path / f"rows{suffix}"
    write = pl.DataFrame.write_csv if suffix == ".csv" else pl.DataFrame.write_parquet
    write(table(rows), file)

    with pytest.raises(InvalidRows) as caught:
        list(batches(file, RULES))

    assert [(found.row, found.field) for found in caught.value.findings] == [
        (1, "plan"),
        (2, "plan"),
        (3, "age"),
        (3, "title"),
    ]
    assert caught.value.findings[0].reason.startswith("'Gold' is not one of Basic, Pro")
    assert caught.value.findings[1].reason == "is null, and this column must have a value"


def test_a_column_of_another_type_is_refused(tmp_path: Path):
    table([GOOD | {"seen": None}]).with_columns(plan=pl.lit(3)).write_parquet(tmp_path / "rows.parquet")

    with pytest.raises(UnreadableRows, match="its column plan holds Int32, not values of type category"):
        list(batches(tmp_path / "rows.parquet", RULES))


def test_all_findings_of_a_row_are_reported_at_once():
    wrong = {"age": 3, "plan": "Gold", "member": "perhaps", "seen": "soon", "title": None}

    with pytest.raises(InvalidRows) as caught:
        request_tensors({"input_data": [GOOD | wrong]}, RULES)

    assert {found.field for found in caught.value.findings} == set(wrong)


def test_a_field_that_is_missing_hides_nothing_else():
    row = {name: cell for name, cell in GOOD.items() if name not in ("title", "seen")} | {"plan": "Gold"}

    with pytest.raises(InvalidRows) as caught:
        request_tensors({"input_data": [row]}, RULES)

    assert {(found.field, found.reason.split(" ")[0]) for found in caught.value.findings} == {
        ("title", "missing"),
        ("seen", "missing"),
        ("plan", "'Gold'"),
    }


def test_a_value_counts_text_by_length_and_a_timestamp_in_days():
    values = decode(request_tensors({"input_data": [GOOD]}, RULES), SCHEMA)

    assert dict(zip(SCHEMA.names, values[0].tolist(), strict=True)) == {
        "age": 40,
        "plan": 0,
        "zone": 0,
        "note": 11,
        "member": 1,
        "seen": pytest.approx(9527.771, abs=0.001),
        "income": 12.5,
        "city": 1,
        "title": 1,
    }


def test_five_thousand_categories_are_shown_by_the_first():
    schema = Schema("", "left", (Feature("code", "category", categories=tuple(f"c{at}" for at in range(5_000))),))

    with pytest.raises(InvalidRows) as caught:
        request_tensors({"input_data": [{"code": "d"}]}, RowRules(schema))

    assert caught.value.findings[0].reason.endswith("c10, c11 and 4,988 more")
    assert request_tensors({"input_data": [{"code": "c4999"}]}, RowRules(schema)).features.tolist() == [[4999]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_without_any_value_are_read(tmp_path: Path, suffix: str):
    nullable = [feature for feature in SCHEMA.features if feature.nullable]
    rows = pl.DataFrame({feature.name: [None, None] for feature in nullable})
    (rows.write_csv if suffix == ".csv" else rows.write_parquet)(tmp_path / f"rows{suffix}")

    found = from_file(tmp_path / f"rows{suffix}", RowRules(Schema("", "left", tuple(nullable))))

    assert np.isnan(found.features).all()
    assert found.texts[0].tolist() == [[""], [""]]


def test_a_file_may_have_a_byte_order_mark_and_line_breaks_of_windows(tmp_path: Path):
    schema = Schema(
        "", "left", (Feature("n.1", "number"), Feature("ein „Plan“", "category", categories=("a", 'b "c"')))
    )
    (tmp_path / "rows.csv").write_bytes('\ufeffn.1,ein „Plan“\r\n1,a\r\n2,"b ""c"""\r\n'.encode())

    found = from_file(tmp_path / "rows.csv", RowRules(schema))

    assert found.features.tolist() == [[1, 0], [2, 1]]


def test_a_fraction_for_a_category_of_whole_numbers_is_shown_and_nan_is_missing(tmp_path: Path):
    schema = Schema("", "left", (Feature("zone", "category", categories=(7, 12), nullable=True),))
    pl.DataFrame({"zone": [7.0, float("nan"), 7.5]}).write_parquet(tmp_path / "rows.parquet")

    with pytest.raises(InvalidRows) as caught:
        list(batches(tmp_path / "rows.parquet", RowRules(schema)))

    assert caught.value.findings == (Finding(2, "zone", "7.5 is not one of 7, 12"),)
