"""Measures that a fork adds for monitoring: taken of enough rows, not of fewer, and never silently missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitoring_harness import SETTINGS, collected, draw, make_reference

from model_package.errors import ExtensionError
from model_package.isolated_extensions import use_isolated_extensions
from model_package.monitoring.measuring import measure
from model_package.tasks import use_extensions

TEXT = """
from model_package.tasks import MonitorMeasure
MONITOR = [MonitorMeasure("low_income", "Low incomes", "lower", lambda rows: {})]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    use_extensions(tmp_path)
    yield tmp_path
    use_extensions(tmp_path / "none")


def test_it_is_measured_of_enough_rows(folder: Path) -> None:
    (folder / "measures.py").write_text(TEXT.format('(rows["income"] < 0).mean()'))
    rows = draw(2_000, 4)

    enough = measure(collected(rows), make_reference(), None, SETTINGS).measures["low_income"]
    few = measure(collected(draw(100, 4)), make_reference(), None, SETTINGS).measures["low_income"]

    assert enough.value == pytest.approx((rows.features[:, 0] < 0).mean())
    assert (few.state, few.reason) == ("nothing", "there are 100 rows; fewer than 500 say nothing")


def test_code_that_fails_ends_the_step_with_a_sentence(folder: Path) -> None:
    (folder / "measures.py").write_text(TEXT.format('rows["salary"].mean()'))

    with pytest.raises(ExtensionError, match=r"extensions/measures\.py: low_income raised ColumnNotFoundError"):
        measure(collected(draw(2_000, 4)), make_reference(), None, SETTINGS)


def test_in_a_process_of_its_own_it_measures_the_same(folder: Path) -> None:
    (folder / "measures.py").write_text(TEXT.format('(rows["income"] < 0).mean()'))
    rows = draw(2_000, 4)
    use_isolated_extensions(folder)

    found = measure(collected(rows), make_reference(), None, SETTINGS).measures["low_income"]

    assert found.value == pytest.approx((rows.features[:, 0] < 0).mean())
