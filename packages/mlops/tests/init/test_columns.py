"""What a column holds: types, notations, missing values, and the columns that are of no use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from table_files import DIALECTS, Dialect, parquet

from mlops.init.columns import Column, infer
from mlops.init.proposal import propose, schema_text
from mlops.init.reading import Source, read_table

ROWS = 60


def column_of(values: Sequence[str], separator: str = ",", others: Mapping[str, Sequence[str]] | None = None) -> Column:
    """The column that these texts, repeated, are found to be, beside others."""
    columns = {"x": values, **(others or {})}
    texts = {name: [each[row % len(each)] for row in range(ROWS)] for name, each in columns.items()}
    return infer(Source(Path("a.csv"), pl.DataFrame(texts), "CSV", "", separator))[0]


@pytest.mark.parametrize(
    ("values", "kind", "written"),
    [
        (["1", "2"], "integer", "1"),
        (["-1", "+2"], "integer", "-1"),
        (["1", "2", ""], "integer", "1"),
        (["1.0", "2.0", ""], "integer", "1"),
        (["1.0", "2.0"], "number", "1.0"),
        (["1.5", "2"], "number", "1.5"),
        (["1e-3", ".5"], "number", "0.001"),
        (["1,234.5", "7"], "number", "1234.5"),
        (["1.234,5", "7"], "number", "1234.5"),
        (["1 234,5", "7,25"], "number", "1234.5"),
        (["1\u00a0234", "12\u202f345"], "integer", "1234"),
        (["1'234.50", "2"], "number", "1234.5"),
        (["1,234,567", "2"], "integer", "1234567"),
        (["0,123", "0,456"], "number", "0.123"),
        (["007", "012"], "category", "007"),
        (["a", "b"], "category", "a"),
        (["None", "Attached"], "category", "None"),
        (["Yes", "No"], "boolean", "true"),
        (["n", "y"], "boolean", "false"),
        (["TRUE", "false"], "boolean", "true"),
        (["T", "F", "NA"], "boolean", "true"),
        (["2024-01-31", "2024-02-01"], "timestamp", "2024-01-31"),
        (["2024-01-31T12:30:00", "2024-02-01T00:00:00"], "timestamp", "2024-01-31T12:30:00"),
        (["2024-01-31 12:30:00.5+02:00", "2024-02-01 00:00Z"], "timestamp", "2024-01-31T10:30:00.500Z"),
        (["31/01/2024", "01/02/2024"], "timestamp", "2024-01-31"),
        (["01/31/2024 1:05 PM", "02/01/2024 12:00 AM"], "timestamp", "2024-01-31T13:05:00"),
        (["1.2.2024", "3.4.2024"], "timestamp", "2024-02-01"),
        (["31 Jan 2024", "1 February 2024"], "timestamp", "2024-01-31"),
        (["Jan 31, 2024", "Feb 1, 2024"], "timestamp", "2024-01-31"),
        (["2024-01", "2024-02"], "timestamp", "2024-01-01"),
        (["20240131", "20240201"], "timestamp", "2024-01-31"),
        (["2024", "2025"], "integer", "2024"),
        (["31.02.2024", "1.1.2024"], "category", "31.02.2024"),
    ],
)
def test_the_type_and_the_form_in_which_the_pipeline_reads_it(values: list[str], kind: str, written: str) -> None:
    column = column_of(values)

    assert (column.type, column.example) == (kind, written)
    assert not column.ignored


@pytest.mark.parametrize("marker", ["", "NA", "N/A", "n/a", "#N/A", "NaN", "null", "NULL", "?", "-", "  "])
def test_missing_markers(marker: str) -> None:
    column = column_of(["1", "2", marker])

    assert (column.type, column.missing) == ("integer", ROWS // 3)
    assert column.markers == ((marker,) if marker.strip() else ())


@pytest.mark.parametrize(
    ("values", "reason", "note"),
    [
        ([""], "all missing", "no row has a value"),
        (["?", "NA"], "all missing", "no row has a value"),
        (["same"], "constant", "every row has 'same'"),
        (["3.0"], "constant", "every row has '3.0'"),
        ([f"{2**53 + 1 + 2 * row}" for row in range(30)], "identifier", "above 2**53"),
        (["9" * 30, "1"], "identifier", "above 2**53"),
        ([f"ticket {row * 7}" for row in range(ROWS)], "identifier", "a value of its own"),
        ([f"t{row}" for row in range(50)], "nearly unique texts", "50 different texts in 60 rows"),
        (["01/02/2024", "03/04/2024"], "ambiguous dates", "write the dates as 2024-01-31"),
        (["1e39", "2"], "too large", "do not fit"),
    ],
)
def test_columns_of_no_use_say_why(values: list[str], reason: str, note: str) -> None:
    column = column_of(values)

    assert column.ignored == reason
    assert note in column.notes[0]


def test_other_dates_of_the_file_decide_whether_the_day_comes_first() -> None:
    american = {"other": ["12/31/2023", "1/2/2024"]}
    european = {"other": ["31/12/2023", "1/2/2024"]}

    assert column_of(["01/02/2024", "03/04/2024"], others=american).example == "2024-01-02"
    assert column_of(["01/02/2024", "03/04/2024"], others=european).example == "2024-02-01"


@pytest.mark.parametrize(
    ("values", "separator", "others", "read"),
    [
        (["1,234", "5,678"], ",", {}, "1234"),
        (["1,234", "5,678"], ";", {}, "1.234"),
        (["1,234", "5,678"], ",", {"other": ["3,5", "7,25"]}, "1.234"),
        (["1.234", "5.678"], ";", {"other": ["3.5", "7.25"]}, "1.234"),
    ],
)
def test_the_file_decides_what_a_lone_separator_means_and_says_so(
    values: list[str], separator: str, others: dict[str, list[str]], read: str
) -> None:
    column = column_of(values, separator, others)

    assert column.example == read
    assert column.notes[0] == f"{values[0]!r} is read as {read}"


@pytest.mark.parametrize("name", ["id", "Order ID", "customer_no", "passengerId", "row"])
def test_consecutive_numbers_and_unique_numbers_called_id_are_identifiers(name: str) -> None:
    numbers = range(1, ROWS + 1) if name == "row" else range(7, 7 + 3 * ROWS, 3)
    table = pl.DataFrame({name: [str(number) for number in numbers]})

    column = infer(Source(Path("a.csv"), table, "CSV", ""))[0]

    assert column.ignored == "identifier"


def test_an_id_that_repeats_in_a_few_rows_is_no_feature_and_says_so() -> None:
    numbers = [str(7 * number) for number in range(ROWS - 1)]
    table = pl.DataFrame({"customer_id": [*numbers, numbers[0]], "income": [*numbers, numbers[0]]})

    key, income = infer(Source(Path("a.csv"), table, "CSV", ""))

    assert (key.ignored, income.ignored) == ("identifier", "")
    assert key.notes == ("looks like an id, but 1 of 60 rows repeat one or have none; remove them to use it with --id",)


def test_consecutive_years_are_a_measurement() -> None:
    table = pl.DataFrame({"season": [str(year) for year in range(1960, 2020)]})

    assert not infer(Source(Path("a.csv"), table, "CSV", ""))[0].ignored


@pytest.mark.parametrize("name", ["income", "paid", "humid"])
def test_unique_numbers_that_measure_are_features(name: str) -> None:
    table = pl.DataFrame({name: [str(number * number) for number in range(ROWS)]})

    assert not infer(Source(Path("a.csv"), table, "CSV", ""))[0].ignored


def test_categories_are_closed_only_where_they_are_few_and_frequent() -> None:
    few = column_of(["Basic", "Pro"])
    rare = column_of(["Basic", *["Pro"] * 59])

    assert (few.categories, few.is_open) == (("Basic", "Pro"), False)
    assert (rare.categories, rare.is_open) == (("Basic", "Pro"), True)


def test_of_five_thousand_categories_the_most_frequent_are_listed() -> None:
    texts = [f"c{number % 5_000:04}" for number in range(20_000)] + ["c4999"]

    column = infer(Source(Path("a.csv"), pl.DataFrame({"x": texts}), "CSV", ""))[0]

    assert len(column.categories) == 1_000
    assert "c4999" in column.categories
    assert column.is_open
    assert "the 1,000 most frequent of 5,000" in column.notes[0]


def test_long_and_varied_texts_are_free_text() -> None:
    assert column_of([f"the parcel number {row} arrived late again" for row in range(ROWS)]).type == "text"


def test_a_flag_of_0_and_1_lists_both_and_other_whole_numbers_have_a_range() -> None:
    assert column_of(["0", "1"]).categories == (0, 1)
    assert column_of(["1", "2", "3"]).categories == ()


def test_a_column_of_numbers_with_a_few_texts_says_which() -> None:
    column = column_of([*[str(number) for number in range(40)], "about 7"])

    assert "most values are numbers, but not 'about 7'" in column.notes[0]


def test_numbers_above_24_bits_say_that_they_are_rounded() -> None:
    column = column_of(["16777217", "3"])

    assert column.type == "number"
    assert "rounded to 24 bits" in column.notes[0]


def rows(*, dates_of_parquet: bool = False) -> dict[str, list[Any]]:
    random = np.random.default_rng(5)
    days = [np.datetime64("2023-01-01") + int(day) for day in random.integers(0, 700, 200)]
    return {
        "Größe (m²)": [round(float(value), 2) for value in random.normal(1500, 400, 200)],
        "rooms": [int(value) if value else None for value in random.integers(0, 7, 200)],
        "when": [day.item() if dates_of_parquet else str(day) for day in days],
        "plan": [f"plan {value}" if value < 3 else None for value in random.integers(0, 4, 200)],
        "paid": [bool(value) for value in random.integers(0, 2, 200)],
        "account": [int(value) for value in random.permutation(200) + 100_000],
        "price": [round(float(value), 3) for value in random.gamma(2, 90_000, 200)],
    }


def proposed(file: Path) -> str:
    source = read_table(file)
    text = schema_text(propose(source, infer(source), "price", None, None, None))
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("name", [*DIALECTS, "parquet"])
def test_the_same_table_gives_the_same_schema_in_every_form(name: str, tmp_path: Path) -> None:
    expected = proposed(Dialect().write(rows(), tmp_path / "a.csv"))

    if name == "parquet":
        file = parquet(rows(dates_of_parquet=True), tmp_path / "b.parquet")
    else:
        file = DIALECTS[name].write(rows(), tmp_path / "b.csv")

    assert "type: timestamp" in expected
    assert proposed(file) == expected
