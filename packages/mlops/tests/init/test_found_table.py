"""What `mlops init` shows of a table: columns at 80 characters, numbers in three digits, shares, what to try next."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_in_git import Init
from table_files import DIALECTS

from mlops.core.results import Line, Table
from mlops.init.proposal import percent


def test_the_table_fits_80_columns(churn: Path, init: Init, tmp_path: Path) -> None:
    names = [f"a column with the rather long name {number}" for number in range(4)]
    rows = {name: [f"a value that is long as well, number {row % 5}" for row in range(100)] for name in names}
    data = DIALECTS["commas"].write({**rows, "y": [row % 2 for row in range(100)]}, tmp_path / "wide.csv")

    result = init(data, "y", is_dry_run=True)

    table = next(block for block in result.blocks() if isinstance(block, Table))
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    # A frame takes three characters per column, and one; a terminal folds the first column, so that no two names
    # look alike.
    assert 13 + sum(widths[1:]) + 3 * len(widths) + 1 <= 80
    assert [row[0] for row in table.rows] == [*names, "y"]


def test_a_column_of_times_is_offered_as_time(init: Init, tmp_path: Path) -> None:
    days = [f"2024-{1 + row // 28 % 12:02}-{1 + row % 28:02}" for row in range(100)]
    columns = {"signed up": days, "income": [row * 2.5 for row in range(100)], "y": [row % 2 for row in range(100)]}
    data = DIALECTS["commas"].write(columns, tmp_path / "times.csv")

    offered = [block for block in init(data, "y", is_dry_run=True).blocks() if "--time" in getattr(block, "text", "")]
    taken = init(data, "y", time="signed up", is_dry_run=True).blocks()

    assert [each.text for each in offered if isinstance(each, Line)] == [
        "signed up: a time; with `--time 'signed up'` the newest rows test the model"
    ]
    assert not [block for block in taken if "--time" in getattr(block, "text", "")]


@pytest.mark.parametrize(
    ("value", "shown"), [(12, "12"), (9999, "9999"), (99_950, "100k"), (999_900, "1M"), (1_022_221, "1.02M")]
)
def test_a_number_of_the_table_has_three_digits(init: Init, tmp_path: Path, value: int, shown: str) -> None:
    columns = {"x": [0 if row else value for row in range(60)], "z": [0.5 * row for row in range(60)]}
    data = DIALECTS["commas"].write({**columns, "y": [row % 2 for row in range(60)]}, tmp_path / "numbers.csv")

    table = next(block for block in init(data, "y", is_dry_run=True).blocks() if isinstance(block, Table))

    assert table.rows[0][2] == f"0 to {shown}"


def test_a_share_is_all_only_of_all() -> None:
    assert [percent(share) for share in (0, 0.001, 0.5, 0.996, 1)] == [
        "0 %",
        "below 1 %",
        "50 %",
        "above 99 %",
        "100 %",
    ]
