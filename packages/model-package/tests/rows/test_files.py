"""CSV and parquet files as matrices: the same rows in every form, and refusals that name the place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_package import SCHEMA
from tiny_package import rows as allowed_rows

from model_package.errors import InvalidRows, UnreadableRows
from model_package.rows.files import batches, identifiers
from model_package.rows.requests import as_request, request_tensors
from model_package.rows.rules import RowRules

RULES = RowRules(SCHEMA)
FORMS = ["rows.csv", "rows.parquet"]
ROWS = pl.DataFrame(
    {
        "id": [f"row-{number}" for number in range(60)],
        "age": [18 + number for number in range(60)],
        "income": [number * 1000.5 for number in range(60)],
        "kind": [(1, 2, 4)[number % 3] for number in range(60)],
        "note": ["not for the model"] * 60,
    }
)


def write(table: pl.DataFrame, file: Path) -> Path:
    table.write_csv(file) if file.suffix == ".csv" else table.write_parquet(file)
    return file


@pytest.mark.parametrize("name", FORMS)
def test_rows_keep_their_order_and_their_identifiers(tmp_path: Path, name: str):
    file = write(ROWS, tmp_path / name)

    (batch,) = batches(file, RULES)

    assert batch.rows.features.tolist() == ROWS.select(SCHEMA.names).cast(pl.Float32).to_numpy().tolist()
    assert batch.keys["id"].to_list() == ROWS["id"].to_list()
    assert identifiers(file, RULES) == {"id": pl.String()}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 30))
def test_a_request_a_csv_and_a_parquet_file_give_the_same_matrix(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
):
    features = allowed_rows(count, seed)
    records = as_request(features, SCHEMA)
    folder = tmp_path_factory.mktemp("forms")
    table = pl.DataFrame(records["input_data"])

    for name in FORMS:
        (batch,) = batches(write(table, folder / name), RULES)
        assert np.array_equal(batch.rows.features, request_tensors(records, RULES).features)
    assert np.array_equal(batch.rows.features, features)


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(12, 2)], ids=str)
def test_every_type_of_number_is_read(tmp_path: Path, kind: pl.DataType):
    # given ages in a type that another program chose, in more rows than are made into a matrix at a time
    rows = pl.concat([ROWS] * 100)
    rows.with_columns(pl.col("age").cast(kind)).write_parquet(tmp_path / "rows.parquet")

    (batch,) = batches(tmp_path / "rows.parquet", RULES)

    assert batch.rows.features.dtype == np.float32
    assert batch.rows.features.flags.c_contiguous
    assert batch.rows.features.tolist() == rows.select(SCHEMA.names).cast(pl.Float32).to_numpy().tolist()


WRONG: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "below the minimum": (lambda t: t.with_columns(age=pl.lit(17)), "row 0, age must be at least 18, got 17"),
    "unknown category": (lambda t: t.with_columns(kind=pl.lit(3)), "row 0, kind 3 is not one of 1, 2, 4"),
    "a fraction": (lambda t: t.with_columns(age=pl.lit(20.5)), "must be a whole number, got 20.5"),
    "missing": (
        lambda t: t.with_columns(income=pl.lit(None, pl.Float64)),
        "row 0, income is null, and this column must have a value",
    ),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("change", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named(tmp_path: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame], says: str):
    with pytest.raises(InvalidRows, match=says) as caught:
        list(batches(write(change(ROWS), tmp_path / name), RULES))
    assert caught.value.total == 60
    assert caught.value.findings[1].row == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.txt", b"x", r"must end with \.csv or \.parquet"),
        ("rows.csv", b"", "it is empty"),
        ("rows.csv", b"id;age;income;kind\n1;20;3;1\n", "are its values separated by commas"),
        ("rows.csv", b"id,income,kind\n1,20,3\n", "it lacks the column age"),
        ("rows.parquet", b"PAR1 half a file", "parquet"),
    ],
    ids=["another kind", "empty", "another separator", "a column missing", "half-written"],
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, name: str, content: bytes, says: str):
    file = tmp_path / name
    file.write_bytes(content)

    with pytest.raises(UnreadableRows, match=says):
        list(batches(file, RULES))


def test_columns_that_hold_no_numbers_are_refused(tmp_path: Path):
    file = write(ROWS.with_columns(pl.col("age").cast(pl.String)), tmp_path / "rows.parquet")

    with pytest.raises(UnreadableRows, match="its column age holds String, not numbers"):
        list(batches(file, RULES))
