"""`mlops explain` on what a stage runs: the probabilities of the endpoint, split into contributions."""

from __future__ import annotations

import pytest

from .conftest import Lifecycle

pytestmark = pytest.mark.xdist_group("e2e")


def test_answer_of_a_stage_is_taken_apart(lifecycle: Lifecycle) -> None:
    answered = lifecycle.clone.document("score", "--stage", "prod", **lifecycle.variables)

    explained = lifecycle.clone.document("explain", "--stage", "prod", **lifecycle.variables)

    assert explained["model"] == f"{answered['model']} {answered['model_version']}"
    assert len(explained["rows"]) == len(answered["predictions"])
    for row, prediction in zip(explained["rows"], answered["predictions"], strict=True):
        assert row["probability"] == pytest.approx(prediction["probability"], abs=1e-6)
        assert row["decision"] == prediction["decision"]
        added = sum(each["contribution"] for each in row["contributions"])
        assert added == pytest.approx(row["probability"] - explained["base"], abs=1e-6)
        # and the largest contribution is well above its standard error
        assert abs(row["contributions"][0]["contribution"]) > 4 * row["contributions"][0]["standard_error"]
