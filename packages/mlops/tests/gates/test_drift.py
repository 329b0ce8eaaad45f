"""Drift of recent inputs and of the challenger's scores against the training distribution."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops.gates.evidence import Drift, measure_drift
from model_package.errors import MeasurementError
from model_package.package import read_baseline
from model_package.runtime import Scorer


@pytest.fixture
def package(world: Any, recipe: Any) -> Path:
    return world.candidate("challenger", recipe()).folder


def drift_of(package: Path, rows: pl.DataFrame) -> Drift:
    return measure_drift(read_baseline(package), Scorer.open(package), rows)


def test_rows_like_training_do_not_drift(world: Any, package: Path) -> None:
    drift = drift_of(package, world.held_out)

    assert drift.rows == world.held_out.height
    assert list(drift.features) == ["age", "income", "kind"]
    assert max(drift.features.values()) < 0.05
    assert drift.score < 0.05


@pytest.mark.parametrize(
    "change",
    [{"kind": pl.lit(9)}, {"income": -pl.col("income")}],
    ids=["unknown category", "below all of training"],
)
def test_only_the_feature_that_drifted_is_large(world: Any, package: Path, change: dict[str, pl.Expr]) -> None:
    drift = drift_of(package, world.held_out.with_columns(**change))

    assert [name for name, index in drift.features.items() if index > 0.25] == list(change)


def test_a_baseline_without_a_feature_cannot_be_compared(world: Any, package: Path, edit_document: Any) -> None:
    edit_document(package / "baseline.json", lambda document: document["features"].pop("age"))

    with pytest.raises(MeasurementError, match="no feature 'age'"):
        drift_of(package, world.held_out)
