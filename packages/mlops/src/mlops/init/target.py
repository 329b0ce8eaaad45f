"""The task that a target asks for, and the columns that give the target away. Refuses what cannot be trained. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.core.errors import InputError
from mlops.init.columns import Column
from mlops.init.values import TRUE_AND_FALSE
from model_package.schema import BINARY_CLASSIFICATION as BINARY
from model_package.schema import BOOLEAN, CATEGORY, INTEGER, REGRESSION, TASKS, TEXT, TIMESTAMP
from model_package.schema import MULTICLASS_CLASSIFICATION as MULTICLASS

_SHORT: Final = {"binary": BINARY, "multiclass": MULTICLASS}
_NOT_THERE: Final = ("forecasting", "forecast", "clustering", "ranking", "survival", "recommendation")

FEWEST_ROWS: Final = 50
# The split is by chance: of ten rows, one part in five stays without any in validation.
ROWS_PER_CLASS: Final = 10
MOST_CLASSES: Final = 100
# Whole numbers with more values than this are quantities.
_CLASSES_OF_NUMBERS: Final = 10
_POSITIVE_WORDS: Final = frozenset(
    {
        "1",
        "yes",
        "y",
        "ja",
        "oui",
        "si",
        "sí",
        "sim",
        "tak",
        "true",
        "t",
        "positive",
        "pos",
        "bad",
        "default",
        "fraud",
        "spam",
        "churn",
        "churned",
        "malignant",
    }
)
_TRUTHS: Final = {*TRUE_AND_FALSE, "0", "1"}
_SHOWN: Final = 5

_LEAK_ROWS: Final = 20_000
_BINS: Final = 64
_TOO_GOOD: Final = 0.995
_FEWEST_FOR_LEAK: Final = 100

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Target:
    """The column to predict. `counts` has the rows of each class, by class; empty for a regression.

    `positive` is None where the classes are 0 and 1. `reason` says why the task fits.
    """

    column: Column
    task: str
    reason: str
    counts: dict[str | int, int]
    positive: str | int | None = None
    positive_reason: str = ""


@dataclass(frozen=True)
class Leak:
    """A column that predicts the target almost alone: by how much, in a metric from 0 to 1."""

    name: str
    metric: str
    value: float

    @property
    def sentence(self) -> str:
        """What was found."""
        return f"predicts the target almost alone ({self.metric} {self.value:.3f}): is it known before the target is?"


def find_column(columns: Sequence[Column], name: str, option: str) -> Column:
    """The column that an option names. Raises InputError with similar names."""
    found = next((column for column in columns if column.name == name), None)
    if found is not None:
        return found
    names = [column.name for column in columns]
    by_case = {each.casefold().strip(): each for each in names}
    close = [by_case[each] for each in get_close_matches(name.casefold().strip(), by_case, n=3, cutoff=0.6)]
    if close:
        advice = f"Did you mean {' or '.join(map(repr, close))}?"
    elif all(_is_number(each) for each in names):
        advice = "The first line has numbers, not names: add a header line with the names of the columns."
    else:
        advice = f"The columns are {', '.join(map(repr, names[:20]))}{' …' if len(names) > 20 else ''}."
    raise InputError(f"there is no column {name!r} ({option})", advice)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.startswith("column_")
    return True


def settle(column: Column, task: str | None) -> Target:
    """Choose the task, or check the one that was asked for. Raises InputError with the reason, and with what fits."""
    wanted = _task_named(task)
    column = _as_whole(column)
    rows = len(column.values) - column.missing
    if rows == 0:
        raise InputError(f"the target {column.name!r} has no values", "Give another --target, or a file that has them.")
    if column.distinct == 1:
        raise InputError(
            f"the target {column.name!r} has one value only, {column.example!r}: there is nothing to predict",
            "Give another --target, or a file with other outcomes as well.",
        )
    if rows < FEWEST_ROWS:
        raise InputError(
            f"{rows} rows have a target; at least {FEWEST_ROWS} are needed to train, validate and test",
            "Give a file with more rows.",
        )
    if column.type == TIMESTAMP:
        raise InputError(
            f"the target {column.name!r} is a date: no task predicts dates",
            "Add a column with the number of days or seconds until it, and predict that.",
        )
    if column.type == TEXT or (column.type == CATEGORY and (column.ignored or column.distinct > MOST_CLASSES)):
        limit = f"at most {MOST_CLASSES} classes are possible" if column.distinct > MOST_CLASSES else "too few of each"
        raise InputError(
            f"the target {column.name!r} has {column.distinct:,} different texts in {rows:,} rows: {limit}",
            "Group them into fewer classes, or give another --target.",
        )
    words = {text.lower() for text in column.values.unique().drop_nulls()} if column.type == CATEGORY else set()
    if len(words) > 2 and words <= _TRUTHS:
        written = ", ".join(map(repr, column.values.unique().drop_nulls().sort()))
        raise InputError(
            f"the target {column.name!r} spells yes and no in several ways: {written}",
            "Write each of the two in one way, and run again.",
        )
    return _settled(column, wanted)


def _as_whole(column: Column) -> Column:
    """Classes that are written as 0.0 and 1.0 are whole numbers."""
    values = column.values
    if values.dtype != pl.Float64 or column.distinct > MOST_CLASSES or not bool((values == values.round()).all()):
        return column
    whole = values.cast(pl.Int64)
    return replace(column, type=INTEGER, values=whole, written=whole.cast(pl.String))


def _task_named(task: str | None) -> str | None:
    if task is None:
        return None
    if task in _NOT_THERE:
        raise InputError(
            f"there is no task {task!r}",
            f"Give one of {', '.join(TASKS)}: a value to come is a regression, with --time for a split by time.",
        )
    if _SHORT.get(task, task) not in TASKS:
        raise InputError(f"there is no task {task!r}", f"Give one of {', '.join(TASKS)}.")
    return _SHORT.get(task, task)


def _settled(column: Column, wanted: str | None) -> Target:
    counts = _counts(column)
    possible = _possible(column, counts)
    if wanted is not None and wanted not in possible:
        raise InputError(f"{wanted} does not fit the target: {_described(column)}", f"Give --task {possible[0]}.")
    task = wanted or possible[0]
    if task == REGRESSION:
        return Target(column, task, _described(column), {})
    rare = {value: rows for value, rows in counts.items() if rows < ROWS_PER_CLASS}
    if rare:
        shown = ", ".join(f"{value!r} ({rows})" for value, rows in list(rare.items())[:_SHOWN])
        raise InputError(
            f"too few rows of {'a class' if len(rare) == 1 else 'some classes'} to split them: {shown}; "
            f"every class needs at least {ROWS_PER_CLASS}",
            "Leave these rows out, merge the classes, or give more rows"
            + (f"; or give --task {REGRESSION}." if REGRESSION in possible else "."),
        )
    if task == MULTICLASS:
        return Target(column, task, _described(column), counts)
    positive, reason = _positive(counts)
    return Target(column, task, _described(column), counts, positive, reason)


def _possible(column: Column, counts: dict[str | int, int]) -> list[str]:
    """The tasks that fit, the best first."""
    if column.distinct == 2:
        return [BINARY]
    if column.type == CATEGORY:
        return [MULTICLASS]
    if column.values.dtype != pl.Int64 or column.distinct > MOST_CLASSES:
        return [REGRESSION]
    few = column.distinct <= _CLASSES_OF_NUMBERS and min(counts.values()) >= ROWS_PER_CLASS
    return [MULTICLASS, REGRESSION] if few else [REGRESSION, MULTICLASS]


def _described(column: Column) -> str:
    kind = "texts" if column.type in (CATEGORY, BOOLEAN) else "numbers"
    if column.distinct == 2:
        return f"{column.name} has two values"
    whole = "whole " if column.values.dtype == pl.Int64 else ""
    return f"{column.name} has {column.distinct:,} different {whole}{kind}"


def _counts(column: Column) -> dict[str | int, int]:
    """The rows of each class, in order, booleans by their texts; empty if there are too many values for classes."""
    if column.distinct > MOST_CLASSES:
        return {}
    values = column.values.drop_nulls().rename("value")
    if column.pair is not None:
        values = values.cast(pl.String).replace_strict(["false", "true"], list(column.pair))
    return dict(values.value_counts(name="rows").sort("value").iter_rows())


def _positive(counts: dict[str | int, int]) -> tuple[str | int | None, str]:
    """The class that counts as 1, and why; None where the classes are 0 and 1."""
    values = list(counts)
    if values == [0, 1]:
        return None, "1 is the positive class"
    if all(isinstance(value, int | float) for value in values):
        return values[1], f"{values[1]} is the larger number"
    named = [value for value in values if str(value).lower() in _POSITIVE_WORDS]
    if len(named) == 1:
        return named[0], f"{named[0]!r} is positive by its name"
    rare = min(values, key=lambda value: (counts[value], values.index(value)))
    return rare, f"{rare!r} is the rarer class"


def find_leaks(target: Target, columns: Sequence[Column]) -> list[Leak]:
    """Columns that predict the target almost alone, on a sample of rows.

    Half of the rows say what to expect in each bin or category of a column, the other half measures: ROC AUC, accuracy
    or R². An identifier fails by itself, because none of its values comes back.
    """
    known = target.column.values.is_not_null()
    rows = np.flatnonzero(known.to_numpy())
    if len(rows) < _FEWEST_FOR_LEAK:
        return []
    # Every nth row and not the first ones: files are often sorted.
    rows = rows[:: max(1, len(rows) // _LEAK_ROWS)]
    rows = np.random.default_rng(0).permutation(rows)
    half = len(rows) // 2
    learnt, tested = rows[:half], rows[half:]
    outcome = _outcome(target)
    leaks = []
    for column in columns:
        bins = _bins(column, learnt)
        metric, value = _scored(target.task, bins[learnt], outcome[learnt], bins[tested], outcome[tested])
        if target.task == REGRESSION:
            value = max(value, _line(column, outcome, tested))
        if value >= _TOO_GOOD:
            leaks.append(Leak(column.name, metric, value))
    return leaks


def _outcome(target: Target) -> npt.NDArray[np.float64]:
    values = target.column.values
    if target.task == REGRESSION:
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    codes = values.cast(pl.String).rank("dense")
    return codes.cast(pl.Float64).fill_null(1).to_numpy() - 1


def _bins(column: Column, learnt: Classes) -> Classes:
    """A whole number per row: a bin of its number, or the place of its category; 0 is missing."""
    values = column.values
    if values.dtype == pl.String or values.dtype == pl.Boolean:
        return values.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    numbers = values.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    seen = numbers[learnt]
    seen = seen[~np.isnan(seen)]
    if not len(seen):
        return np.zeros(len(numbers), np.int64)
    edges = np.unique(np.quantile(seen, np.linspace(0, 1, _BINS + 1)))
    bins = np.searchsorted(edges, numbers, side="right") + 1
    return np.where(np.isnan(numbers), 0, bins).astype(np.int64)


def _scored(
    task: str, bins: Classes, outcome: npt.NDArray[np.float64], others: Classes, truth: npt.NDArray[np.float64]
) -> tuple[str, float]:
    size = int(max(bins.max(), others.max())) + 1
    rows = np.bincount(bins, minlength=size)
    if task == MULTICLASS:
        classes = int(max(outcome.max(), truth.max())) + 1
        table = np.zeros((size, classes))
        np.add.at(table, (bins, outcome.astype(np.int64)), 1)
        table += np.bincount(outcome.astype(np.int64), minlength=classes) / (len(outcome) * 1e6)
        return "accuracy", float((table.argmax(axis=1)[others] == truth).mean())
    mean = outcome.mean()
    expected = (np.bincount(bins, outcome, minlength=size) + mean * 1e-6) / (rows + 1e-6)
    found = expected[others]
    if task == REGRESSION:
        spread = float(((truth - truth.mean()) ** 2).sum())
        return "R²", 1 - float(((truth - found) ** 2).sum()) / spread if spread else 0.0
    return "ROC AUC", _area(truth, found)


def _line(column: Column, outcome: npt.NDArray[np.float64], rows: Classes) -> float:
    """R² of the best straight line: bins are coarse where a column repeats the target in another unit."""
    if not column.values.dtype.is_numeric():
        return 0.0
    numbers = column.values.cast(pl.Float64).fill_null(float("nan")).to_numpy()[rows]
    known = np.isfinite(numbers)
    if known.sum() < _FEWEST_FOR_LEAK // 2 or np.ptp(numbers[known]) == 0 or np.ptp(outcome[rows][known]) == 0:
        return 0.0
    return float(np.corrcoef(numbers[known], outcome[rows][known])[0, 1] ** 2 * known.mean())


def _area(truth: npt.NDArray[np.float64], score: npt.NDArray[np.float64]) -> float:
    """The area under the ROC curve, by ranks; ties count half."""
    ranks = pl.Series(score).rank("average").to_numpy()
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return 0.0
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
