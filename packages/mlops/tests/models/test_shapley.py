from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np
import numpy.typing as npt
import pytest

from mlops.models.explanation import Floats, contributions

WIDTH = 5


def score(rows: npt.NDArray[np.float64]) -> Floats:
    """A model of five features, with interactions, a step, and one feature that it never looks at."""
    x = rows.astype(np.float64)
    log_odds = 1.5 * x[:, 0] * x[:, 1] - x[:, 2] + 2.0 * (x[:, 0] > 0.5) * x[:, 3]
    return 1 / (1 + np.exp(-log_odds))


def column(score: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """The scores of one number as `contributions` takes them."""
    return lambda rows: score(rows)[:, None]


def exact(row: Floats, background: Floats) -> Floats:
    """Shapley values by their definition: every coalition, against every row of the background."""

    def worth(coalition: tuple[int, ...]) -> float:
        points = background.copy()
        points[:, list(coalition)] = row[list(coalition)]
        return float(score(points.astype(np.float32)).mean())

    values = np.zeros(WIDTH)
    for feature in range(WIDTH):
        others = [each for each in range(WIDTH) if each != feature]
        for size in range(WIDTH):
            weight = factorial(size) * factorial(WIDTH - 1 - size) / factorial(WIDTH)
            for coalition in combinations(others, size):
                values[feature] += weight * (worth((*coalition, feature)) - worth(coalition))
    return values


@pytest.fixture(scope="module")
def background() -> Floats:
    return np.random.default_rng(1).normal(size=(400, WIDTH)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_contributions_are_the_exact_ones_within_their_own_error(background: Floats, seed: int) -> None:
    row = np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32).astype(np.float64)

    found = contributions(column(score), row, background, np.random.default_rng(7))

    distance = np.abs(found.values - exact(row, background)[:, None])
    assert distance.max() < 0.02
    assert (distance <= 4 * found.errors + 1e-9).all()


def test_contributions_add_up_to_the_score_without_the_base(background: Floats) -> None:
    row = np.ones(WIDTH)

    found = contributions(column(score), row, background, np.random.default_rng(7))

    assert found.score[0] == pytest.approx(float(score(row[None].astype(np.float32))[0]), abs=1e-12)
    assert found.base[0] == pytest.approx(float(score(background.astype(np.float32)).mean()), abs=1e-12)
    assert found.values.sum() == pytest.approx((found.score - found.base)[0], abs=1e-12)


def test_feature_that_the_model_never_looks_at_adds_nothing(background: Floats) -> None:
    found = contributions(column(score), np.full(WIDTH, 3.0), background, np.random.default_rng(7))

    assert found.values[4, 0] == 0
    assert found.errors[4, 0] == 0


def test_two_features_are_explained_exactly() -> None:
    # given as many orders as there are: both, for every row of the background
    background = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]])

    found = contributions(column(product), np.array([2.0, 5.0]), background, np.random.default_rng(7))

    # then x0 adds the mean of ((2 - z0) z1 + (2 - z0) 5) / 2
    expected = np.mean([(2 - z0) * (z1 + 5) / 2 for z0, z1 in background])
    assert found.values[0, 0] == pytest.approx(expected)
    assert found.values.sum() == pytest.approx(10 - np.mean([0, 2, -3]))


def product(rows: npt.NDArray[np.float64]) -> Floats:
    return np.prod(rows.astype(np.float64), axis=1)
