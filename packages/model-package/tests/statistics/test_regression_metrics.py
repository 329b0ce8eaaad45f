"""The metrics of a regression agree with scikit-learn's for whole and drawn rows, near 0 and far from it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as reference

from model_package.statistics.bootstrap import Bootstrap, compare, estimates, point_values
from model_package.statistics.regression_metrics import prepare
from model_package.tasks.regression import Regression

Floats = npt.NDArray[np.float64]
ROWS = 500


def drawn(offset: float = 0.0, scale: float = 1.0, noise: float = 0.5) -> tuple[Floats, Floats]:
    random = np.random.default_rng(3)
    target = offset + scale * random.normal(size=ROWS)
    return target, target + scale * (0.1 + noise * random.normal(size=ROWS))


REFERENCES: dict[str, Callable[[Floats, Floats, Floats], float]] = {
    "root_mean_squared_error": lambda y, p, w: reference.root_mean_squared_error(y, p, sample_weight=w),
    "mean_absolute_error": lambda y, p, w: reference.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: reference.r2_score(y, p, sample_weight=w),
    "mean_absolute_percentage_error": lambda y, p, w: reference.mean_absolute_percentage_error(y, p, sample_weight=w),
    "bias": lambda y, p, w: float(np.average(p - y, weights=w)),
}


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e6, 1), (-50, 1e5)], ids=["near 0", "far from 0", "wide"])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_metric_is_scikit_learns_for_whole_and_drawn_rows(name: str, offset: float, scale: float):
    target, prediction = drawn(offset, scale)
    random = np.random.default_rng(2)
    weights = np.stack([np.ones(ROWS), np.bincount(random.integers(0, ROWS, ROWS), minlength=ROWS) * 1.0])
    expected = [REFERENCES[name](target, prediction, each) for each in weights]

    for given in (weights, weights.astype(np.float32)):
        assert prepare(target, prediction).measure(given)[name] == pytest.approx(expected, rel=1e-6)


def test_no_metric_is_without_a_reference():
    assert {each.name for each in Regression.metrics} == set(REFERENCES)


def test_what_the_rows_do_not_define_is_none():
    constant = point_values(prepare([2.0, 2.0], [1.0, 2.0]))
    with_zero = point_values(prepare([0.0, 2.0], [1.0, 2.0]))

    assert np.isnan(constant["r2"])
    assert np.isnan(with_zero["mean_absolute_percentage_error"])
    assert with_zero["mean_absolute_error"] == 0.5


def test_bias_by_subgroup():
    halves = np.repeat(np.eye(2, dtype=bool), 2, axis=0)

    values = point_values(prepare([1.0, 1.0, 5.0, 5.0], [2.0, 2.0, 4.0, 5.0], {"half": halves}))

    assert values["bias_difference.half"] == pytest.approx(1.0 - -0.5)


def test_a_worse_model_is_told_apart_by_the_paired_bootstrap():
    target, good = drawn(noise=0.3)
    worse = good + np.random.default_rng(9).normal(scale=0.3, size=ROWS)
    settings = Bootstrap(rounds=200, seed=1)

    found = compare(prepare(target, worse), prepare(target, good), settings)["root_mean_squared_error"].difference
    own = estimates(prepare(target, good), settings)["root_mean_squared_error"]

    assert found is not None
    assert found.low is not None
    assert found.low > 0
    assert own.low is not None
    assert own.value is not None
    assert own.low < own.value
