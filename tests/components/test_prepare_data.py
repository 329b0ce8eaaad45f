"""A row's part depends on its id and the salt alone, and a split that cannot be used is refused."""

import hashlib

import numpy as np
import polars as pl
import pytest
from chain import SCHEMA
from prepare_data import write_split
from split_rows import (
    Shares,
    SplitError,
    assign,
    assign_by_time,
    check,
    describe,
    fractions,
    groups,
    identities,
    sentence,
    tracked,
    warnings,
)

from model_package.package import read_schema
from model_package.rows.split import PARTS, part_file
from model_package.schema import MULTICLASS_CLASSIFICATION, Feature, Schema
from model_package.schema import REGRESSION as REGRESSION_TASK
from model_package.steps.synthetic_rows import synthetic_rows
from model_package.tasks import task_of

SHARES = Shares(validation=0.15, test=0.25)
X = (Feature("x", "number"),)
BINARY = task_of(Schema("", "y", X))
MULTICLASS = task_of(Schema("", "y", X, task=MULTICLASS_CLASSIFICATION, classes=("low", "middle", "high")))
REGRESSION = task_of(Schema("", "y", X, task=REGRESSION_TASK))


def test_the_hash_is_written_down_and_not_a_librarys():
    # Given the definition worked out in plain Python integers
    def by_hand(identifier: int, salt: str) -> float:
        key = int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "little")
        mask = 2**64 - 1
        mixed = ((identifier ^ key) + 0x9E3779B97F4A7C15) & mask
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        mixed ^= mixed >> 31
        return (mixed >> 11) / 2**53

    identifiers = np.array([0, 1, 2, 30_000, 2**40], dtype=np.int64)
    expected = [by_hand(int(identifier), "split-1") for identifier in identifiers]
    # Then the vectorised one agrees to the last bit
    assert fractions(identifiers, "split-1").tolist() == expected


def test_the_split_of_today_is_the_split_of_every_later_version():
    found = assign(np.arange(1, 13), SHARES, "split-1").tolist()
    assert found == [
        "train",
        "train",
        "train",
        "train",
        "validation",
        "train",
        "train",
        "validation",
        "validation",
        "train",
        "train",
        "train",
    ]


def test_fractions_are_even():
    counts = np.histogram(fractions(np.arange(100_000), "x"), bins=20, range=(0, 1))[0]
    assert abs(counts - 5_000).max() < 5 * np.sqrt(5_000)


def test_an_id_keeps_its_part_when_the_file_grows_and_is_reordered():
    # Given a split, and a refreshed file: longer and in another order
    before = dict(zip(range(1, 2001), assign(np.arange(1, 2001), SHARES, "s"), strict=True))
    refreshed = np.random.default_rng(1).permutation(np.arange(1, 3001))
    after = dict(zip(refreshed.tolist(), assign(refreshed, SHARES, "s"), strict=True))
    # Then every old id is where it was
    assert all(after[identifier] == part for identifier, part in before.items())


def test_another_validation_share_moves_no_test_row():
    identifiers = np.arange(5000)
    wider = assign(identifiers, Shares(validation=0.3, test=0.25), "s")
    assert ((wider == "test") == (assign(identifiers, SHARES, "s") == "test")).all()


def test_another_salt_gives_another_split():
    identifiers = np.arange(5000)
    assert (assign(identifiers, SHARES, "a") != assign(identifiers, SHARES, "b")).mean() > 0.3


def test_the_parts_have_the_shares_that_were_asked_for():
    parts = assign(np.arange(30_000), SHARES, "split-1")
    found = {part: float((parts == part).mean()) for part in PARTS}
    assert found == pytest.approx({"train": 0.60, "validation": 0.15, "test": 0.25}, abs=0.01)


def test_positives_are_counted_per_part():
    target = np.array([1, 0, 0, 1, 1, 0], dtype=np.int8)
    parts = np.array(["train", "train", "validation", "validation", "test", "test"])
    described = describe(target, parts, BINARY)
    assert described["test"]["positives"] == 1
    assert described["test"]["positive_rate"] == 0.5
    assert described["test"]["deviation"] == 0.0


def test_classes_are_counted_per_part_and_one_that_a_part_lacks_is_a_warning():
    target = np.array([0] * 40 + [1] * 40 + [2] * 3)
    parts = np.array((["train"] * 20 + ["validation", "test"] * 10) * 2 + ["train", "train", "test"])
    described = describe(target, parts, MULTICLASS)

    check(described)

    assert described["test"] == {"rows": 21, "classes": {"low": 10, "middle": 10, "high": 1}}
    assert sentence("test", described["test"]) == "test: 21 rows: 10 low, 10 middle, 1 high"
    assert warnings(described) == [
        "no row of the validation part is high: its probability is calibrated with the other classes",
        "fewer than 10 rows of the test part are high: what is measured of these is rough",
    ]
    assert tracked(described) == {"train_rows": 42, "validation_rows": 20, "test_rows": 21}


def test_a_class_that_cannot_be_learnt_or_measured_is_said():
    target = np.array([0, 1, 0, 1, 0, 1, 2])
    parts = np.array(["train", "train", "validation", "validation", "test", "test", "test"])

    absent = warnings(describe(target, parts, MULTICLASS))[0]

    assert absent == "no row of the train part is high: the model cannot learn it, and its probability is always 0"


def test_a_part_of_one_class_of_several_is_refused():
    target = np.array([0, 1, 2, 2, 0, 1])
    parts = np.array(["train", "train", "validation", "validation", "test", "test"])
    with pytest.raises(SplitError, match="all 2 rows of the validation part are high"):
        check(describe(target, parts, MULTICLASS))


def test_the_parts_of_a_regression_have_mean_and_spread():
    target = np.array([1.0, 3.0, 5.0, 5.0, 2.0, 2.0])
    parts = np.array(["train", "train", "validation", "validation", "test", "test"])
    described = describe(target, parts, REGRESSION)

    check(described)

    assert sentence("train", described["train"]) == "train: 2 rows, mean 2, standard deviation 1"
    assert warnings(described)[0] == ("all rows of the validation part have the same target: R² is not defined on it")


def test_a_part_without_rows_is_refused():
    with pytest.raises(SplitError, match="no row is left for test"):
        check(describe(np.array([1.0, 2.0]), np.array(["train", "validation"]), REGRESSION))


def test_a_part_without_positives_is_refused():
    target = np.array([1, 0, 1, 0, 0, 0], dtype=np.int8)
    parts = np.array(["train", "train", "validation", "validation", "test", "test"])
    with pytest.raises(SplitError, match="the test part has 0 positives among 2 rows"):
        check(describe(target, parts, BINARY))


def test_a_share_of_positives_beyond_chance_is_refused():
    # Given ids that tell the target: all in the test part are positive but one
    parts = assign(np.arange(4000), SHARES, "s")
    target = (parts == "test").astype(np.int8)
    target[np.flatnonzero(parts == "test")[0]] = 0
    target[np.flatnonzero(parts != "test")[::10]] = 1
    with pytest.raises(SplitError, match="standard errors from the whole"):
        check(describe(target, parts, BINARY))


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.25), (0.5, 0.5), (0.2, -0.1)])
def test_shares_that_leave_a_part_empty_are_refused(validation: float, test: float):
    with pytest.raises(SplitError, match="add up to less than 1"):
        Shares(validation, test)


def test_a_reordered_source_gives_the_same_files(tmp_path):
    # Given the same rows twice, once shuffled
    rows = synthetic_rows(SCHEMA, 300)
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=5)
    for name, frame in (("a", rows), ("b", shuffled)):
        write_split(frame, assign(identities(frame, SCHEMA), SHARES, "s"), tmp_path / name, SCHEMA)
    # Then the files are equal, byte for byte
    for part in PARTS:
        first, second = (part_file(tmp_path / name, part).read_bytes() for name in ("a", "b"))
        assert first == second
    # And the columns go on beside them
    assert read_schema(tmp_path / "a") == SCHEMA


def grouped(rows: int = 600) -> tuple[pl.DataFrame, Schema]:
    """Rows of customers, five each, in an order that mixes them."""
    numbers = np.arange(rows)
    table = pl.DataFrame({"id": numbers, "customer": [f"c{each % (rows // 5)}" for each in numbers], "x": 1.0, "y": 0})
    return table, Schema("id", "y", X, group="customer")


def test_the_rows_of_a_group_are_in_one_part_and_stay_there_when_rows_are_added():
    rows, schema = grouped()

    parts = assign(groups(rows, schema), SHARES, "split-1")

    where = rows.with_columns(part=pl.Series(parts)).group_by("customer").agg(pl.col("part").n_unique())
    assert where["part"].max() == 1
    assert set(parts) == set(PARTS)
    # A split by id would have torn most of them apart.
    by_id = assign(identities(rows, schema), SHARES, "split-1")
    torn = rows.with_columns(part=pl.Series(by_id)).group_by("customer").agg(pl.col("part").n_unique())
    assert torn.filter(pl.col("part") > 1).height > len(torn) / 2
    # New customers and another order move none of the old ones.
    shuffled = pl.concat([rows, rows.with_columns(customer=pl.lit("new"))]).sample(fraction=1, shuffle=True, seed=1)
    again = dict(zip(shuffled["customer"], assign(groups(shuffled, schema), SHARES, "split-1"), strict=True))
    assert {name: again[name] for name in rows["customer"]} == dict(zip(rows["customer"], parts, strict=True))


def test_rows_without_a_group_are_refused():
    rows, schema = grouped()

    with pytest.raises(SplitError, match="1 rows have no customer, by which they are split"):
        groups(rows.with_columns(customer=pl.when(pl.col("id") > 0).then("customer")), schema)


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        pytest.param(pl.date_range(pl.date(2024, 1, 1), pl.date(2025, 12, 31), eager=True), 30, id="days of a date"),
        pytest.param(pl.Series(np.arange(1_000)), 40, id="the unit of a number"),
    ],
)
def test_a_gap_lies_between_the_parts_of_a_split_by_time(times: pl.Series, gap: float):
    parts = assign_by_time(times, SHARES, gap)

    physical = times.to_physical().to_numpy()
    ends = {part: physical[parts == part] for part in PARTS}
    assert ends["validation"].min() - ends["train"].max() == gap
    assert ends["test"].min() - ends["validation"].max() == gap
    assert (parts == "").sum() == 2 * (gap - 1)
    # The gap takes nothing from the test part.
    assert ((parts == "test") == (assign_by_time(times, SHARES) == "test")).all()


def test_a_gap_that_leaves_no_rows_is_refused():
    with pytest.raises(SplitError, match="no row is left for train and validation: write a smaller `gap`"):
        assign_by_time(pl.Series(np.arange(100)), SHARES, 90)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_rows_in_any_order_give_the_same_parts_without_being_held_all_at_once(tmp_path, monkeypatch, is_sorted):
    # Given more rows than are read at a time
    monkeypatch.setattr("prepare_data._BATCH_ROWS", 7)
    schema = Schema("id", "y", X)
    ordered = pl.DataFrame({"id": [f"{number:03}" for number in range(100)], "x": range(100), "y": [0, 1] * 50})
    rows = ordered if is_sorted else ordered.sample(fraction=1, shuffle=True, seed=1)
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=11)

    parts = assign(rows["x"].to_numpy(), SHARES, "s")
    write_split(pl.scan_parquet(tmp_path / "*.parquet"), parts, tmp_path / "split", schema)

    expected = assign(ordered["x"].to_numpy(), SHARES, "s")
    for part in PARTS:
        found = pl.read_parquet(part_file(tmp_path / "split", part))
        assert found.equals(ordered.select("id", "x", "y").filter(pl.Series(expected == part)))
