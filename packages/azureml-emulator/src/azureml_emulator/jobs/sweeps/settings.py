"""Reads the settings of a sweep, as jobs (camelCase) and as pipeline steps (snake_case) send them. Pure: no I/O.

Refuses what the service refuses: bounds of the limits, and distributions that a sampling algorithm cannot take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from azureml_emulator.jobs.definitions.sweep import (
    Distribution,
    EarlyTermination,
    PolicyKind,
    Sampling,
    SamplingKind,
    SweepSettings,
)
from azureml_emulator.jobs.definitions.wire import (
    bool_of,
    field_of,
    in_snake_case,
    number,
    refuse,
    seconds,
    whole_number,
)
from azureml_emulator.jobs.sweeps.search_space import CHOICE, QUNIFORM, UNIFORM, axes, read_space

SWEEP = "sweep"
_MOST_TRIALS = 1000
_GOALS = frozenset({"maximize", "minimize"})
_MOST_SECONDS = 60 * 24 * 3600.0
# The distributions that a sampling algorithm takes; random sampling takes all.
_TAKES = {"grid": frozenset({CHOICE}), "bayesian": frozenset({CHOICE, UNIFORM, QUNIFORM})}


def read_sweep_settings(given: dict[str, Any], declared: Mapping[str, Any]) -> SweepSettings:
    """The settings of a sweep. `declared` has the inputs that a component declares. Raises BadRequest."""
    space = read_space(field_of(given, "searchSpace"))
    sampling = _sampling(field_of(given, "samplingAlgorithm"), space)
    objective = field_of(given, "objective") or {}
    metric, goal = field_of(objective, "primaryMetric"), str(field_of(objective, "goal") or "").lower()
    if not metric or goal not in _GOALS:
        raise refuse("A sweep needs an objective: a primary_metric, and the goal maximize or minimize.", "objective")
    limits = field_of(given, "limits") or {}
    total = _count(limits, "maxTotalTrials", _MOST_TRIALS)
    return SweepSettings(
        space=space,
        sampling=sampling,
        metric=str(metric),
        maximize=goal == "maximize",
        max_trials=total,
        max_concurrent=min(_count(limits, "maxConcurrentTrials", total), total),
        timeout=_limit(field_of(limits, "timeout"), "timeout"),
        trial_timeout=_limit(field_of(limits, "trialTimeout"), "trial_timeout"),
        policy=_policy(field_of(given, "earlyTermination")),
        declared={name: declared[name] or {} for name in space if name in declared},
    )


def read_sweep_step(node: dict[str, Any], declared: dict[str, Any], where: str) -> SweepSettings | None:
    """The settings of a sweep step, whose parameters are inputs of its component; None for other steps."""
    if str(node.get("type")).lower() != SWEEP:
        return None
    settings = read_sweep_settings(node, declared)
    unknown = sorted(set(settings.space) - set(declared))
    if unknown:
        raise refuse(
            f"The component of '{where}' has no input '{unknown[0]}', which the search space names. It has: "
            f"{', '.join(sorted(declared)) or 'none'}.",
            f"jobs.{where}.search_space.{unknown[0]}",
        )
    return settings


def _sampling(given: Any, space: Mapping[str, Distribution]) -> Sampling:
    named = {"samplingAlgorithmType": given} if isinstance(given, str) else given or {}
    name = str(field_of(named, "samplingAlgorithmType") or named.get("type") or "random").lower()
    kind = next((known for known in get_args(SamplingKind) if known == name), None)
    if kind is None:
        known = ", ".join(get_args(SamplingKind))
        raise refuse(f"Unknown sampling algorithm '{name}'. There are: {known}.", "samplingAlgorithm")
    for axis, distribution in axes(space).items():
        if distribution.kind not in _TAKES.get(kind, {distribution.kind}):
            raise refuse(
                f"{kind.capitalize()} sampling cannot sample '{axis[0]}', a {distribution.kind}: it takes only "
                f"{', '.join(sorted(_TAKES[kind]))}. Change the distribution, or use random sampling.",
                f"searchSpace.{axis[0]}",
            )
    rule = str(named.get("rule") or "random").lower()
    if rule not in {"random", "sobol"}:
        raise refuse(f"Unknown rule '{rule}' of random sampling. There are: random, sobol.", "samplingAlgorithm.rule")
    given_seed = named.get("seed")
    seed = None if given_seed is None else whole_number(given_seed, 0, "samplingAlgorithm.seed", 0)
    return Sampling(kind, rule == "sobol", seed, _base(named.get("logbase")))


def _base(given: Any) -> float:
    if given is None or str(given).lower() == "e":
        return math.e
    base = number(given, math.e, "samplingAlgorithm.logbase")
    if base <= 0:
        raise refuse(f"logbase must be a number above 0 or 'e', not '{given}'.", "samplingAlgorithm.logbase")
    return base


def _policy(given: Any) -> EarlyTermination | None:
    if not given:
        return None
    where = "early_termination"
    name = str(field_of(given, "policyType") or given.get("type") or "").lower().replace("_", "")
    kind = next((known for known in get_args(PolicyKind) if known == name), None)
    if kind is None:
        raise refuse(
            f"Unknown early termination policy '{name}'. There are: bandit, median_stopping, truncation_selection.",
            f"{where}.type",
        )
    factor = number(field_of(given, "slackFactor"), 0.0, f"{where}.slack_factor", 0)
    amount = number(field_of(given, "slackAmount"), 0.0, f"{where}.slack_amount", 0)
    if kind == "bandit" and factor and amount:
        raise refuse("A bandit policy has a slack_factor or a slack_amount, not both.", where)
    # The other policies do not have it, which the range does not allow to say.
    asked = field_of(given, "truncationPercentage") if kind == "truncationselection" else 1
    percentage = whole_number(0 if asked is None else asked, 0, f"{where}.truncation_percentage", 1, 99)
    interval = whole_number(field_of(given, "evaluationInterval"), 0, f"{where}.evaluation_interval", 0)
    delay = whole_number(field_of(given, "delayEvaluation"), 0, f"{where}.delay_evaluation", 0)
    excludes = bool_of(field_of(given, "excludeFinishedJobs"), default=False)
    return EarlyTermination(kind, max(interval, 1), delay, factor, amount, percentage, excludes)


def _count(limits: dict[str, Any], name: str, default: int) -> int:
    return whole_number(field_of(limits, name), default, f"limits.{in_snake_case(name)}", 1, _MOST_TRIALS)


def _limit(given: Any, name: str) -> float | None:
    """A limit in seconds; None for the service's longest, which stands in every job that names none."""
    limit = seconds(given, f"limits.{name}")
    if limit is not None and limit <= 0:
        raise refuse(f"{name} must be above 0 seconds.", f"limits.{name}")
    return None if limit is None or limit >= _MOST_SECONDS else limit
