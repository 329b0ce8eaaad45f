"""The stability index: against a value computed by hand, and at the edges of what baselines hold."""

import math
from typing import Any

import numpy as np
import pytest

from mlops.gates.drift import measure_drift, stability_index
from mlops.models.package_documents import Baseline, Schema
from mlops.settings.measures import Unmeasurable

SCHEMA = Schema.model_validate(
    {
        "target": "late",
        "features": [
            {"name": "age", "type": "number"},
            {"name": "kind", "type": "integer", "categories": [1, 2]},
        ],
        "decision": {"threshold": 0.5},
    }
)


def baseline(**age: Any) -> Baseline:
    known = {"edges": [0, 10, 20], "counts": [500, 500], "missing": 0} | age
    kind = {"categories": [1, 2], "counts": [500, 500], "missing": 0}
    score = {"edges": [0, 0.5, 1], "counts": [500, 500]}
    facts = {"rows": 1_000, "features": {"age": known, "kind": kind}, "probability": score}
    return Baseline.model_validate(facts)


def recent(age: Any, kind: Any) -> np.ndarray:
    return np.stack([np.resize(age, 1_000), np.resize(kind, 1_000)], axis=1).astype(np.float32)


SCORES = np.resize([0.2, 0.7], 1_000)


def test_the_index_is_the_sum_over_bins() -> None:
    shares = [(50.5 / 201, 100.5 / 201), (150.5 / 201, 100.5 / 201)]
    expected = sum((new - old) * math.log(new / old) for old, new in shares)

    assert stability_index(np.array([50, 150.0]), np.array([100, 100.0])) == pytest.approx(expected)


def test_the_same_distribution_does_not_drift() -> None:
    drift = measure_drift(baseline(), SCHEMA, recent([5, 15], [1, 2]), SCORES)

    assert drift.features == pytest.approx({"age": 0, "kind": 0}, abs=1e-6)
    assert drift.score == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("age", "kind", "feature"),
    [([5], [1, 2], "age"), ([25, 5], [1, 2], "age"), ([-5, 15], [1, 2], "age"), ([np.nan, 15], [1, 2], "age"),
     ([5, 15], [1], "kind"), ([5, 15], [1, 3], "kind"), ([5, 15], [np.nan, 2], "kind")],
    ids=["one bin", "above", "below", "missing", "one category", "unknown category", "missing category"],
)  # fmt: skip
def test_what_moved_is_seen(age: Any, kind: Any, feature: str) -> None:
    drift = measure_drift(baseline(), SCHEMA, recent(age, kind), SCORES)

    assert drift.features[feature] > 0.25
    assert sum(value > 0.25 for value in drift.features.values()) == 1


def test_the_right_edge_belongs_to_the_last_bin() -> None:
    drift = measure_drift(baseline(), SCHEMA, recent([5, 20], [1, 2]), SCORES)

    assert drift.features["age"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "known",
    [{"counts": [0, 0]}, {"counts": [500]}, {"edges": [0, 20, 10]}, {"edges": None}],
    ids=["no rows", "too few counts", "edges out of order", "neither edges nor categories"],
)
def test_a_baseline_that_says_nothing_is_refused(known: dict[str, Any]) -> None:
    with pytest.raises(Unmeasurable):
        measure_drift(baseline(**known), SCHEMA, recent([5, 15], [1, 2]), SCORES)
