"""What sampling picks from a search space, in both wire formats."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from azureml_emulator.jobs.definitions.sweep import SweepSettings
from azureml_emulator.jobs.sweeps.sampling import next_parameters, space_size
from azureml_emulator.jobs.sweeps.settings import read_sweep_settings
from azureml_emulator.jobs.sweeps.trials import Trial

OBJECTIVE = {"goal": "maximize", "primaryMetric": "score"}


def settings(space: dict[str, Any], **sampling: Any) -> SweepSettings:
    given = {"samplingAlgorithmType": "Random", **sampling}
    return read_sweep_settings({"searchSpace": space, "samplingAlgorithm": given, "objective": OBJECTIVE}, {})


def points(sweep: SweepSettings, count: int, seed: int = 1) -> list[dict[str, Any] | None]:
    blank = Trial("t", {}, "Failed")
    return [next_parameters(sweep, seed, [blank] * number) for number in range(count)]


def drawn(distribution: list[Any], count: int = 200, **sampling: Any) -> list[Any]:
    return [point["x"] for point in points(settings({"x": distribution}, **sampling), count) if point]


@pytest.mark.parametrize(
    ("distribution", "low", "high"),
    [
        (["uniform", [0.5, 2]], 0.5, 2),
        (["loguniform", [-6, -1]], math.exp(-6), math.exp(-1)),
        (["randint", [9]], 0, 8),
        (["quniform", [10, 100, 5]], 10, 100),
        (["qloguniform", [0, 5, 10]], 0, 150),
        (["lognormal", [0, 1]], 0, math.inf),
        (["qlognormal", [0, 1, 2]], 0, math.inf),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("rule", ["random", "sobol"])
def test_values_are_within_the_bounds_and_reach_to_both_ends(
    distribution: list[Any], low: float, high: float, rule: str
) -> None:
    values = drawn(distribution, rule=rule, seed=3)

    assert all(low <= value <= high for value in values)
    if high < math.inf:
        assert min(values) <= low + (high - low) * 0.12
        assert max(values) >= high - (high - low) * 0.2


def test_multiples_of_a_whole_step_are_whole_numbers() -> None:
    assert {type(value) for value in drawn(["quniform", [10, 100, 5]])} == {int}
    assert all(value % 5 == 0 for value in drawn(["quniform", [10, 100, 5]]))


@pytest.mark.parametrize("kind", ["normal", "qnormal"])
def test_normal_values_have_their_mean_and_deviation(kind: str) -> None:
    values = drawn([kind, [10, 2, 0.5][: 2 if kind == "normal" else 3]], rule="sobol", seed=1, count=256)

    mean = sum(values) / len(values)
    assert mean == pytest.approx(10, abs=0.1)
    assert math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)) == pytest.approx(2, abs=0.15)


def test_the_base_of_logarithms_can_be_chosen() -> None:
    assert max(drawn(["loguniform", [-2, -1]], logbase=10)) == pytest.approx(0.1, rel=0.1)


def test_a_seed_repeats_the_points_and_another_one_does_not() -> None:
    space = {"x": ["uniform", [0, 1]], "y": ["normal", [0, 1]]}

    for rule in ("random", "sobol"):
        first = points(settings(space, seed=7, rule=rule), 5)
        assert points(settings(space, seed=7, rule=rule), 5, seed=2) == first
        assert points(settings(space, seed=8, rule=rule), 5) != first


def test_without_a_seed_each_sweep_has_points_of_its_own() -> None:
    sweep = settings({"x": ["uniform", [0, 1]]})

    assert points(sweep, 3, seed=1) != points(sweep, 3, seed=2)


def test_a_grid_has_every_point_once_and_then_ends() -> None:
    nested = [{"kind": "tree", "depth": ["choice", [[1, 2]]]}, {"kind": "linear"}]
    sweep = settings({"a": ["choice", [[1, "b"]]], "m": ["choice", [nested]]}, samplingAlgorithmType="Grid")

    every = points(sweep, 7)

    assert space_size(sweep) == 6
    assert every[-1] is None
    assert len({repr(point) for point in every}) == 7
    assert {"a": "b", "m": {"kind": "tree", "depth": 2}} in every


def test_a_step_of_a_pipeline_has_the_same_space_in_snake_case() -> None:
    as_step = {"type": "uniform", "min_value": 0, "max_value": 1}
    given = {
        "search_space": {"x": as_step, "c": {"type": "choice", "values": [6, 12]}},
        "sampling_algorithm": {"type": "random", "seed": 7},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 3, "timeout": 60},
        "early_termination": {"policy_type": "median_stopping", "delay_evaluation": 5},
    }

    sweep = read_sweep_settings(given, {"x": {"type": "number"}, "data": {"type": "uri_file"}})

    job = settings({"x": ["uniform", [0, 1]], "c": ["choice", [[6, 12]]]}, seed=7)
    assert points(sweep, 4) == points(job, 4)
    assert (sweep.max_trials, sweep.max_concurrent, sweep.timeout, sweep.maximize) == (3, 3, 60.0, False)
    assert sweep.policy is not None
    assert (sweep.policy.kind, sweep.policy.interval, sweep.policy.delay) == ("medianstopping", 1, 5)
    assert set(sweep.declared) == {"x"}


def bayesian(count: int) -> Iterator[Trial]:
    space = {"x": ["uniform", [0, 10]], "q": ["quniform", [0, 10, 2]], "c": ["choice", [["bad", "good"]]]}
    sweep = settings(space, samplingAlgorithmType="Bayesian")
    trials: list[Trial] = []
    for number in range(count):
        found = next_parameters(sweep, 5, trials) or {}
        score = -abs(found["x"] - 3) - abs(found["q"] - 4) - (found["c"] == "bad")
        trials.append(Trial(f"t{number}", found, "Completed", [score]))
    yield from trials


def test_bayesian_sampling_learns_from_what_trials_have_reported() -> None:
    trials = list(bayesian(40))

    early, late = trials[:10], trials[-10:]
    assert sum(trial.reports[0] for trial in late) > sum(trial.reports[0] for trial in early)
    assert all(trial.parameters["q"] % 2 == 0 for trial in trials)
    assert [trial.parameters for trial in bayesian(12)] == [trial.parameters for trial in trials[:12]]


def test_bayesian_sampling_goes_on_with_running_failed_and_silent_trials() -> None:
    space = {"m": ["choice", [[{"kind": "tree", "depth": ["quniform", [1, 9, 1]]}, {"kind": "linear"}]]]}
    sweep = settings(space, samplingAlgorithmType="Bayesian")
    tree = {"m": {"kind": "tree", "depth": 3}}
    trials = [Trial("a", tree, "Completed", [1.0]), Trial("b", {"m": {"kind": "linear"}}, "Running")]
    trials += [Trial("c", tree, "Failed"), Trial("d", tree, "Completed", [math.nan])]

    found = next_parameters(sweep, 1, trials)

    assert found is not None
    assert found["m"]["kind"] in {"tree", "linear"}
