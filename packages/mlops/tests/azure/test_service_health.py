"""What figures are worth: limits, samples that are too small, and what is not known."""

from __future__ import annotations

import math

import pytest

from mlops.azure.service_health import Objective, Observation, Outcome, Verdict, combined, judge, quantile, unless_late
from mlops.azure.service_metrics import is_failure

OBJECTIVE = Objective(p95_milliseconds=100, p99_milliseconds=200, error_rate=0.01)


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (Observation(100, 0, 50, 90), Outcome.passed),
        (Observation(100, 0, 100, 200), Outcome.passed),
        (Observation(100, 1, 50, 90), Outcome.passed),
        (Observation(100, 2, 50, 90), Outcome.breached),
        (Observation(1, 1, 50, 90), Outcome.breached),
        (Observation(100, 0, 101, 150), Outcome.breached),
        (Observation(100, 0, 90, 201), Outcome.breached),
        (Observation(3, 0, 101, 150), Outcome.breached),
        (Observation(19, 0, 50, 90), Outcome.unknown),
        (Observation(100, 0), Outcome.unknown),
        (Observation(100, 0, 50, math.nan), Outcome.unknown),
        (Observation(0, 0), Outcome.unknown),
    ],
    ids=str,
)
def test_figures_are_held_against_the_objective(observation: Observation, expected: Outcome) -> None:
    verdict = judge(observation, OBJECTIVE)

    assert verdict.outcome is expected
    assert verdict.reason


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        (range(1, 101), 0.95, 95),
        (range(1, 101), 0.99, 99),
        (range(1, 21), 0.95, 19),
        (range(1, 21), 0.99, 19),
        ([7], 0.99, 7),
    ],
    ids=str,
)
def test_one_slow_request_of_a_small_sample_does_not_decide(values: list[float], share: float, expected: float) -> None:
    assert quantile(list(values), share) == expected


def test_no_values_have_no_quantile() -> None:
    assert math.isnan(quantile([], 0.95))


def test_of_several_witnesses_a_breach_decides_and_what_is_unknown_does_not() -> None:
    passed, breached, unknown = (Verdict(outcome, outcome.value) for outcome in Outcome)

    assert combined([passed, unknown]) == passed
    assert combined([unknown, breached, passed]) == breached
    assert combined([unknown]) == unknown
    with pytest.raises(ValueError, match="no verdict"):
        combined([])


@pytest.mark.parametrize(
    ("status", "model_status", "expected"),
    [
        ("200", "", False),
        ("400", "400", False),
        ("424", "400", False),
        ("424", "500", True),
        ("424", "", True),
        ("500", "500", True),
        ("503", "", True),
        ("408", "", True),
        ("429", "", True),
        ("401", "", False),
        ("", "", False),
    ],
)
def test_failures_are_the_deployments_own(status: str, model_status: str, *, expected: bool) -> None:
    assert is_failure(status, model_status) is expected


SLOW = Observation(40, 0, p95_milliseconds=250, p99_milliseconds=300)
OBJECTIVE_OF_TIME = Objective(p95_milliseconds=150, p99_milliseconds=300, error_rate=0.01)


def test_a_latency_is_a_figure_of_time_and_a_failed_request_is_none() -> None:
    slow = judge(SLOW, OBJECTIVE_OF_TIME)
    broken = judge(Observation(40, 20, 10, 20), OBJECTIVE_OF_TIME)
    assert (slow.outcome, slow.is_timing) == (Outcome.breached, True)
    assert (broken.outcome, broken.is_timing) == (Outcome.breached, False)
    assert combined([slow, slow]).is_timing
    assert not combined([slow, broken]).is_timing


@pytest.mark.parametrize(
    ("late", "outcome"), [(0.0, Outcome.breached), (37.0, Outcome.breached), (38.0, Outcome.unknown)]
)
def test_a_latency_is_inconclusive_where_the_callers_are_late_themselves(late: float, outcome: Outcome) -> None:
    judged = unless_late(judge(SLOW, OBJECTIVE_OF_TIME), late, OBJECTIVE_OF_TIME)
    assert judged.outcome is outcome
    assert ("inconclusive" in judged.reason) == (outcome is Outcome.unknown)
    # what is no figure of time stays what it is
    broken = judge(Observation(40, 20, 10, 20), OBJECTIVE_OF_TIME)
    assert unless_late(broken, late, OBJECTIVE_OF_TIME) is broken
