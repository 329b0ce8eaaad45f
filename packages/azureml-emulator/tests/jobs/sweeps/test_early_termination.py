"""Which trials the early termination policies stop, as Azure documents them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from azureml_emulator.jobs.definitions.sweep import EarlyTermination
from azureml_emulator.jobs.sweeps.early_termination import newest_interval, to_stop
from azureml_emulator.jobs.sweeps.trials import Trial, best_trial


def policy(kind: Any, **more: Any) -> EarlyTermination:
    given: dict[str, Any] = {"interval": 1, "delay": 0, "slack_factor": 0.0, "slack_amount": 0.0, "percentage": 0}
    return EarlyTermination(kind, **{**given, "exclude_finished": False, **more})


def trials(**reports: list[float]) -> list[Trial]:
    """Running trials by their names; one whose name ends with `_` has completed."""
    return [
        Trial(name.rstrip("_"), {}, "Completed" if name.endswith("_") else "Running", values)
        for name, values in reports.items()
    ]


def stopped(given: EarlyTermination, found: list[Trial], *, maximize: bool = True) -> set[str]:
    return set(to_stop(given, found, {}, maximize=maximize))


def test_bandit_stops_what_is_outside_of_the_slack_of_the_best() -> None:
    # the example of Azure's documentation: 0.8 / (1 + 0.2) = 0.667
    found = trials(best_=[0.8], inside=[0.67], outside=[0.66])

    assert stopped(policy("bandit", slack_factor=0.2), found) == {"outside"}
    assert stopped(policy("bandit", slack_amount=0.13), found) == {"outside"}
    assert stopped(policy("bandit", slack_amount=0.15), found) == set()


def test_bandit_to_minimize_allows_more_than_the_best() -> None:
    found = trials(best=[1.0], inside=[1.19], outside=[1.21])

    assert stopped(policy("bandit", slack_factor=0.2), found, maximize=False) == {"outside"}


def test_bandit_never_stops_the_best_trial_of_a_negative_metric() -> None:
    found = trials(best=[-0.5], inside=[-0.55], outside=[-0.7])

    assert stopped(policy("bandit", slack_factor=0.2), found) == {"outside"}


def test_a_trial_is_compared_with_what_others_had_at_the_same_interval() -> None:
    found = trials(old_=[0.1, 0.9], young=[0.1])

    assert stopped(policy("bandit", slack_factor=0.1), found) == set()


def test_median_stopping_compares_with_the_running_averages_of_all_trials() -> None:
    found = trials(a_=[0.2, 0.6], b_=[0.4, 0.8], c=[0.1, 0.3])

    # averages 0.4, 0.6, 0.2: the median is 0.4, the best of c is 0.3
    assert stopped(policy("medianstopping"), found) == {"c"}
    assert stopped(policy("medianstopping"), trials(alone=[0.5, 0.1])) == set()


def test_truncation_stops_the_lowest_percentage() -> None:
    found = trials(a=[0.5], b=[0.4], c=[0.3], d=[0.2], e=[0.1])

    assert stopped(policy("truncationselection", percentage=40), found) == {"d", "e"}
    assert stopped(policy("truncationselection", percentage=40), found, maximize=False) == {"a", "b"}


def test_truncation_may_exclude_finished_trials() -> None:
    found = trials(a_=[0.1], b_=[0.2], c=[0.5], d=[0.6])

    assert stopped(policy("truncationselection", percentage=50), found) == set()
    assert stopped(policy("truncationselection", percentage=50, exclude_finished=True), found) == {"c"}


@pytest.mark.parametrize(
    ("reports", "interval", "delay", "expected"),
    [(4, 1, 0, 4), (4, 1, 5, 0), (5, 1, 5, 5), (5, 3, 0, 3), (5, 3, 4, 0), (6, 3, 4, 6), (0, 1, 0, 0)],
)
def test_a_policy_applies_at_multiples_of_its_interval_after_its_delay(
    reports: int, interval: int, delay: int, expected: int
) -> None:
    (trial,) = trials(t=[0.1] * reports)

    assert newest_interval(policy("bandit", interval=interval, delay=delay), trial) == expected


def test_a_trial_is_judged_once_per_interval() -> None:
    found = trials(best_=[0.8], outside=[0.1])

    assert not to_stop(policy("bandit", slack_factor=0.2), found, {"outside": 1}, maximize=True)


def test_nan_is_no_report_that_could_be_best() -> None:
    found = trials(nan=[math.nan], fine=[0.5])

    assert stopped(policy("bandit", slack_factor=0.2), found) == {"nan"}
    assert best_trial([Trial("nan", {}, "Completed", [math.nan])], maximize=True) is None


def test_the_best_trial_completed_or_was_stopped_and_the_first_of_equals_wins() -> None:
    found = [
        Trial("failed", {}, "Failed", [0.9]),
        Trial("first", {}, "Completed", [0.2, 0.7, 0.4]),
        Trial("second", {}, "Completed", [0.7]),
        Trial("stopped", {}, "Canceled", [0.8], terminated=True),
        Trial("canceled", {}, "Canceled", [0.85]),
    ]

    assert best_trial(found[:3], maximize=True) == (found[1], 0.7)
    assert best_trial(found, maximize=True) == (found[3], 0.8)
    assert best_trial(found, maximize=False) == (found[1], 0.2)
