"""Two distributions as text: what fits, what is put together, and that nothing gets lost."""

from __future__ import annotations

import pytest

from mlops.cli.rendering import MOST_ROWS, histogram_lines, merged
from mlops.core.results import HistogramPair

SIDES = ("training", "window")
DELAYS = HistogramPair(
    "delays", SIDES, (("below", 0, 0), ("-1", 0.25, 0.1), ("0", 0.5, 0.4), ("2", 0.25, 0.5), ("above", 0, 0))
)


def test_a_line_a_bin_with_both_shares_and_no_empty_ends() -> None:
    lines = [line.text for line in histogram_lines(DELAYS, 60)]

    assert lines == [
        "                       training │ window",
        "  -1   25 %          ▐█████████ │ ███▊ 10 %",
        "   0   50 % ███████████████████ │ ███████████████▎ 40 %",
        "   2   25 %          ▐█████████ │ ███████████████████ 50 %",
    ]


@pytest.mark.parametrize("width", [20, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    wide = HistogramPair("many", SIDES, tuple((f"{number:,} of a long name", 0.05, 0.05) for number in range(20)))

    assert max(len(line.text) for line in histogram_lines(wide, width)) <= max(width, 60)


def test_the_emptiest_neighbours_are_put_together_and_every_row_counts() -> None:
    rows = (*((str(at), 0.01, 0.02) for at in range(20)), ("peak", 0.8, 0.6))

    few = merged(rows)

    assert len(few) == MOST_ROWS
    assert few[-1] == ("peak", 0.8, 0.6)
    assert sum(left for _, left, _ in few) == pytest.approx(1)
    assert sum(right for *_, right in few) == pytest.approx(1)


def test_nothing_at_all_is_only_a_header() -> None:
    assert len(histogram_lines(HistogramPair("", SIDES, (("a", 0.0, 0.0),)), 80)) == 1
