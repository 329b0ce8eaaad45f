"""Bayesian sampling by optuna's tree-structured Parzen estimator. Pure: no I/O, and no state between calls."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from azureml_emulator.jobs.definitions.sweep import Distribution, SweepSettings
from azureml_emulator.jobs.sweeps.search_space import CHOICE, QUNIFORM, Axis, axes, parameters, size
from azureml_emulator.jobs.sweeps.trials import Trial

# The first trials explore at random.
_STARTUP_TRIALS = 10
optuna.logging.set_verbosity(optuna.logging.WARNING)


def suggest(settings: SweepSettings, seed: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """The parameters of the next trial. Running trials count as bad, so that parallel trials differ."""
    every = {axis: _distribution(distribution) for axis, distribution in axes(settings.space).items()}
    names = {axis: "/".join(axis) for axis in every}
    with warnings.catch_warnings():
        # The constant liar, which is marked as experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=(seed + len(trials)) % 2**32, n_startup_trials=_STARTUP_TRIALS, constant_liar=True
        )
    study = optuna.create_study(direction="maximize" if settings.maximize else "minimize", sampler=sampler)
    named = {names[axis]: distribution for axis, distribution in every.items()}
    for trial in trials:
        frozen = _frozen(settings, trial, named)
        if frozen is not None:
            study.add_trial(frozen)
    asked = study.ask(named)
    values = {axis: asked.params[names[axis]] for axis in every}
    return parameters(settings.space, {axis: _value(settings, axis, value) for axis, value in values.items()})


def _distribution(distribution: Distribution) -> BaseDistribution:
    if distribution.kind == CHOICE:
        return CategoricalDistribution(range(size(distribution)))
    low, high, *step = distribution.arguments
    if distribution.kind == QUNIFORM:
        return IntDistribution(round(low / step[0]), round(high / step[0]))
    return FloatDistribution(low, high)


def _value(settings: SweepSettings, axis: Axis, value: Any) -> Any:
    distribution = axes(settings.space)[axis]
    return value * distribution.arguments[2] if distribution.kind == QUNIFORM else value


def _frozen(settings: SweepSettings, trial: Trial, named: dict[str, BaseDistribution]) -> FrozenTrial | None:
    """A trial as optuna keeps it; None for one that failed, of which nothing is known."""
    given = _positions(settings.space, trial.parameters)
    known = {name: value for name, value in given.items() if name in named}
    distributions = {name: named[name] for name in known}
    score = trial.score(maximize=settings.maximize)
    if score is not None:
        return create_trial(params=known, distributions=distributions, value=score)
    if trial.has_ended:
        return None
    return create_trial(state=TrialState.RUNNING, params=known, distributions=distributions)


def _positions(space: Any, given: dict[str, Any], above: Axis = ()) -> dict[str, Any]:
    """The value of each axis that a trial has taken, as optuna keeps it: the index of a choice, multiples of q."""
    found: dict[str, Any] = {}
    for name, distribution in space.items():
        if not isinstance(distribution, Distribution):
            continue
        axis, value = (*above, name), given[name]
        if distribution.kind == CHOICE:
            index = _index(distribution, value)
            chosen = distribution.arguments[index]
            found["/".join(axis)] = index
            if isinstance(chosen, dict):
                found |= _positions(chosen, value, (*axis, str(index)))
        else:
            found["/".join(axis)] = round(value / distribution.arguments[2]) if distribution.kind == QUNIFORM else value
    return found


def _index(choice: Distribution, value: Any) -> int:
    if not isinstance(value, dict):
        return choice.arguments.index(value)
    return next(
        index
        for index, candidate in enumerate(choice.arguments)
        if isinstance(candidate, dict)
        and set(candidate) == set(value)
        and all(isinstance(inner, Distribution) or inner == value[name] for name, inner in candidate.items())
    )
