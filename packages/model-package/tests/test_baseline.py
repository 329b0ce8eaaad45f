"""The baseline describes training, counts live data in the same bins, and refuses to compare what is empty."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_package import SCHEMA, documents, rows, write_package

from model_package.baseline import Baseline, Distribution, PredictionBins
from model_package.errors import MeasurementError
from model_package.package import BASELINE_FILE, prediction_bins
from model_package.statistics.psi import population_stability_index

AGE = Distribution((500, 500), edges=(0.0, 10.0, 20.0))
KIND = Distribution((500, 500), categories=(1, 2))


def psi(known: Distribution, values: list[float]) -> float:
    recent = np.resize(values, 1_000).astype(np.float32)
    return population_stability_index(*known.compared(known.count(recent)))


@pytest.mark.parametrize(
    ("known", "values"),
    [(AGE, [5, 15]), (KIND, [1, 2]), (AGE, [5, 20])],
    ids=["numbers", "categories", "the right edge belongs to the last bin"],
)
def test_the_same_distribution_does_not_drift(known: Distribution, values: list[float]):
    assert psi(known, values) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("known", "values"),
    [
        (AGE, [5]),
        (AGE, [25, 5]),
        (AGE, [-5, 15]),
        (AGE, [np.nan, 15]),
        (KIND, [1]),
        (KIND, [1, 3]),
        (KIND, [np.nan, 2]),
    ],
    ids=["one bin", "above", "below", "missing", "one category", "unknown category", "missing category"],
)
def test_what_drifted_is_seen(known: Distribution, values: list[float]):
    assert psi(known, values) > 0.25


def test_a_baseline_without_rows_cannot_be_compared():
    with pytest.raises(MeasurementError, match="without rows"):
        psi(replace(AGE, counts=(0, 0)), [5, 15])


def test_every_training_row_is_counted_once_whatever_it_holds():
    features = rows(300)
    features[:7, 1] = np.nan
    features[:, 0] = 40

    baseline = Baseline.build(SCHEMA, features, np.linspace(0, 1, 300))

    assert {sum(each.counts) + each.missing for each in baseline.features.values()} == {300}
    assert baseline.features["income"].missing == 7
    assert baseline.features["age"].edges == (39.5, 40.5)
    assert sum(baseline.predictions.counts) == 300


def test_prediction_bins_count_single_rows_as_they_count_many():
    bins = PredictionBins(documents().baseline)
    scores = np.concatenate([np.random.default_rng(3).random(500), np.linspace(0, 1, 11)])

    def total(parts: Iterable[np.ndarray]) -> dict[int, int]:
        found: dict[int, int] = {}
        for part in parts:
            for index, count in bins.count(part):
                found[index] = found.get(index, 0) + count
        return found

    expected = dict(enumerate(np.histogram(scores, documents().baseline.predictions.edges)[0].tolist()))
    assert total([scores]) == total(np.split(scores, len(scores))) == expected
    assert sum(bins.shares) == pytest.approx(1)
    assert bins.names[0] == "0.00-0.05"


def test_a_package_without_a_baseline_has_even_bins(tmp_path: Path):
    package = write_package(tmp_path / "package")
    (package / BASELINE_FILE).unlink()

    bins = prediction_bins(package)

    assert (len(bins.names), bins.shares) == (20, ())
