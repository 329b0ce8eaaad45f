"""`mlops demo --bad-model`: one model that the gate stops, and one that only traffic shows to be bad. Last of all here:

it leaves every stage with what it ran before, but in deployments of their own and with more versions registered.
"""

from __future__ import annotations

import re

import pytest

from .conftest import Lifecycle

# Its fixture counts as well: three demos in all, where each takes minutes on a machine that does other things.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(1_800)]


def test_bad_models_are_stopped_and_rolled_back_and_no_caller_notices(lifecycle: Lifecycle) -> None:
    answer = lifecycle.clone.document("demo", "--bad-model", "--data", str(lifecycle.data))

    # the worse one does not pass the gate
    stopped = answer["bad_model"]["stopped_by_gate"]
    assert "roc_auc" in stopped["blocking"]
    # the one that degrades passes it, and is rolled back automatically under traffic
    back = answer["bad_model"]["rolled_back"]
    assert "is not released to prod" in back["reason"]
    # how it is found depends on which comes first: a slow answer, or one request too many that waits behind it
    assert re.search("latency|requests failed", back["reason"])
    assert back["live_after"] == back["live_before"]
    assert back["callers"] > 50
    assert back["failures"] == {}
    # and every stage runs what it ran before
    stages = answer["stages"]
    assert {name: stage["digest"] for name, stage in stages.items()} == {
        name: stage["digest"] for name, stage in lifecycle.first["stages"].items()
    }
    assert all(stage["traffic"][stage["deployment"]] == 100 for stage in stages.values())
