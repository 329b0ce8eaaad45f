"""The task that a target asks for, what is refused and with which advice, and columns that give the target away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops.core.errors import InputError
from mlops.init.columns import infer
from mlops.init.proposal import Proposal, backwards, propose
from mlops.init.reading import Source

ROWS = 400
RANDOM = np.random.default_rng(3)
NOISE = [str(value) for value in RANDOM.integers(0, 50, ROWS)]


def proposal(
    columns: Mapping[str, Sequence[Any]], target: str = "y", task: str | None = None, **options: str
) -> Proposal:
    """What follows from a table: columns are repeated to ROWS rows, and one of noise is added."""
    texts = {name: [str(each[row % len(each)]) for row in range(ROWS)] for name, each in columns.items()}
    return of_texts({"noise": NOISE, **texts}, target, task, **options)


def of_texts(texts: Mapping[str, Sequence[str]], target: str, task: str | None = None, **options: str) -> Proposal:
    source = Source(Path("a.csv"), pl.DataFrame(dict(texts)), "CSV", "")
    return propose(source, infer(source), target, task, options.get("identifier"), options.get("time"))


@pytest.mark.parametrize(
    ("values", "task", "positive", "reason"),
    [
        (["0", "1"], "binary_classification", None, "1 is the positive class"),
        (["0.0", "1.0"], "binary_classification", None, "1 is the positive class"),
        (["1", "2"], "binary_classification", 2, "2 is the larger number"),
        (["yes", "no"], "binary_classification", "yes", "'yes' is positive by its name"),
        (["Y", "N", "N"], "binary_classification", "Y", "'Y' is positive by its name"),
        (["true", "false"], "binary_classification", "true", "'true' is positive by its name"),
        (["Churned", "stayed"], "binary_classification", "Churned", "'Churned' is positive by its name"),
        (["blue", "blue", "red"], "binary_classification", "red", "'red' is the rarer class"),
        (["a", "b", "c"], "multiclass_classification", None, ""),
        (["1", "2", "3"], "multiclass_classification", None, ""),
        ([str(number) for number in range(40)], "regression", None, ""),
        (["1.5", "2.5", "7"], "regression", None, ""),
    ],
)
def test_the_task_follows_from_the_target(
    values: list[str], task: str, positive: str | int | None, reason: str
) -> None:
    target = proposal({"y": values}).target

    assert (target.task, target.positive, target.positive_reason) == (task, positive, reason)


def test_whole_numbers_of_which_some_are_rare_are_a_regression() -> None:
    assert proposal({"y": [*["5", "6"] * 49, "3", "9"]}).target.task == "regression"


@pytest.mark.parametrize(
    ("values", "asked", "task"),
    [
        (["1", "2", "3"], "regression", "regression"),
        ([str(number) for number in range(20)], "multiclass", "multiclass_classification"),
        (["a", "b"], "binary", "binary_classification"),
    ],
)
def test_another_task_that_fits_can_be_asked_for(values: list[str], asked: str, task: str) -> None:
    assert proposal({"y": values}, task=asked).target.task == task


@pytest.mark.parametrize(
    ("values", "asked", "message", "advice"),
    [
        (["a", "b", "c"], "regression", "y has 3 different texts", "Give --task multiclass_classification."),
        (["a", "b", "c"], "binary_classification", "y has 3 different texts", "Give --task multiclass_classification."),
        (["a", "b"], "multiclass_classification", "has two values", "Give --task binary_classification."),
        (["0", "1"], "regression", "y has two values", "Give --task binary_classification."),
        (["1.5", "2.5", "7"], "binary_classification", "y has 3 different numbers", "Give --task regression."),
        (["1.5", "2.5", "7"], "forecasting", "there is no task 'forecasting'", "is a regression, with --time"),
        (["1.5", "2.5", "7"], "guess", "there is no task 'guess'", "Give one of binary_classification"),
        (["a"], None, "one value only, 'a'", "other outcomes"),
        (["", "?"], None, "has no values", "Give another --target"),
        (["2024-01-31", "2024-02-01"], None, "is a date", "number of days"),
        ([f"c{row}" for row in range(150)], None, "150 different texts in 400 rows: at most 100 classes", "Group them"),
        (
            [f"a{row}" for row in range(55)] + [""] * 345,
            None,
            "55 different texts in 55 rows: too few of each",
            "Group",
        ),
        ([f"a long text about {row} and much more" for row in range(ROWS)], None, "400 different texts", "Group them"),
        (["a"] * 199 + ["b"], None, "too few rows of a class to split them: 'b' (2)", "merge the classes"),
        ([*["a", "b", "c"] * 66, "d", "e"], None, "some classes to split them: 'd' (2), 'e' (2)", "at least 10"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(
    values: list[str], asked: str | None, message: str, advice: str
) -> None:
    with pytest.raises(InputError) as refused:
        proposal({"y": values}, task=asked)

    assert message in refused.value.message
    assert advice in f"{refused.value.message} {refused.value.advice}"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["1", "2"], "y": ["0", "1"]}, "2 rows have a target; at least 50 are needed"),
        ({"a": list("abc") * 4, "y": list("abc") * 4}, "12 rows have a target; at least 50 are needed"),
    ],
)
def test_too_few_rows_are_refused(columns: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_texts(columns, "y")


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        ("Price", "Did you mean 'price'?"),
        ("pirce", "Did you mean 'price'?"),
        ("wholly else", "The columns are 'noise', 'price'."),
    ],
)
def test_a_target_that_is_absent_brings_similar_names(wanted: str, advice: str) -> None:
    with pytest.raises(InputError) as refused:
        proposal({"price": ["1.5", "2.5", "3"]}, target=wanted)

    assert refused.value.message == f"there is no column {wanted!r} (--target)"
    assert refused.value.advice == advice


def test_a_file_without_a_header_says_so() -> None:
    with pytest.raises(InputError) as refused:
        of_texts({"1.5": NOISE, "7": NOISE}, "price")

    assert "add a header line" in refused.value.advice


def test_rows_without_a_target_are_left_out() -> None:
    found = proposal({"y": ["0", "1", "1", "NA"]})

    assert (found.rows, found.target.column.missing) == (300, 100)
    assert len(found.csv.splitlines()) == 301


def test_an_id_that_repeats_or_is_missing_is_refused() -> None:
    numbers = [*range(ROWS - 2), "1", "2"]
    with pytest.raises(InputError) as refused:
        proposal({"y": ["0", "1"], "customer": numbers}, identifier="customer")
    assert "the id 'customer' repeats: 2 values occur in more than one row, such as 1, 2" in refused.value.message

    with pytest.raises(InputError, match="is missing in 1 row"):
        proposal({"y": ["0", "1"], "customer": [*range(ROWS - 1), ""]}, identifier="customer")


def test_a_likely_id_is_found_and_is_no_feature() -> None:
    found = proposal({"y": ["0", "1"], "customer": list(range(ROWS))})

    assert found.identifier is not None
    assert found.identifier.name == "customer"
    assert [column.name for column in found.features] == ["noise"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"], "holds neither dates nor numbers, such as 'a'"),
        (["2024-01-31", ""], "is missing in 200 rows"),
        (["01/02/2024", "02/03/2024"], "cannot be read"),
    ],
)
def test_a_time_that_cannot_order_the_rows_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        proposal({"y": ["0", "1"], "when": values}, time="when")


def test_a_time_that_goes_backwards_is_found() -> None:
    found = proposal({"y": ["0", "1"], "when": ["2024-01-31", "2024-02-01"]}, time="when")

    assert found.time is not None
    assert backwards(found.time) == 3


@pytest.mark.parametrize("option", ["identifier", "time"])
def test_the_target_cannot_be_id_or_time(option: str) -> None:
    with pytest.raises(InputError, match="is both --target and"):
        proposal({"y": ["0", "1"]}, **{option: "y"})


def test_one_column_cannot_be_id_and_time() -> None:
    with pytest.raises(InputError, match="is both --id and --time"):
        proposal({"y": ["0", "1"], "n": list(range(ROWS))}, identifier="n", time="n")


def test_a_table_without_a_useful_column_is_refused_with_the_reasons() -> None:
    with pytest.raises(InputError) as refused:
        of_texts({"a": ["x"] * ROWS, "b": [""] * ROWS, "y": ["0", "1"] * 200}, "y")

    assert refused.value.message == "no column is of use as a feature"
    assert refused.value.details == ("a: constant", "b: all missing")


def leaking(kind: str) -> dict[str, list[str]]:
    outcome = RANDOM.integers(0, 2, ROWS)
    amount = RANDOM.gamma(2.0, 1000.0, ROWS)
    classes = RANDOM.integers(0, 4, ROWS)
    return {
        "flag": {"y": [*map(str, outcome)], "leak": [["kept", "closed"][value] for value in outcome]},
        "amount": {"y": [f"{value:.2f}" for value in amount], "leak": [f"{value * 1.19:.1f}" for value in amount]},
        "code": {"y": [f"c{value}" for value in classes], "leak": [*map(str, 7 * classes)]},
        "date": {
            "y": [*map(str, outcome)],
            "leak": [f"2024-0{1 + 5 * value}-{1 + row % 28:02}" for row, value in enumerate(outcome)],
        },
    }[kind]


@pytest.mark.parametrize("kind", ["flag", "amount", "code", "date"])
def test_a_column_that_gives_the_target_away_is_named(kind: str) -> None:
    found = of_texts({"noise": NOISE, **leaking(kind)}, "y")

    assert [leak.name for leak in found.leaks] == ["leak"]
    assert "is it known before the target is?" in found.columns[2].notes[-1]
    assert found.columns[2].label == "leak?"


def test_good_features_are_no_leaks() -> None:
    outcome = RANDOM.integers(0, 2, ROWS)
    good = [f"{value:.4f}" for value in outcome + RANDOM.normal(0, 0.5, ROWS)]

    assert of_texts({"noise": NOISE, "good": good, "y": [*map(str, outcome)]}, "y").leaks == ()
