"""A row's part depends on its id and the salt alone, and a split that cannot be used is refused."""

import hashlib

import numpy as np
import pytest
from chain import SCHEMA
from prepare_data import (
    Shares,
    SplitError,
    assign,
    check,
    describe,
    fractions,
    identities,
    sentence,
    tracked,
    warnings,
    write_split,
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
