"""Whether a deployment meets its service level objective: figures against limits, with a reason. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Products of shares and counts are rounded to this many digits, so that 0.05 of 20 is exactly 1.
_DIGITS = 9
# Latencies show nothing of a deployment where callers alone are late by this share of the objective.
_LATE_SHARE = 0.25


class Outcome(StrEnum):
    """The outcome. Only `passed` lets a rollout continue."""

    passed = "passed"
    breached = "breached"
    unknown = "unknown"


@dataclass(frozen=True)
class Objective:
    """A service level objective: latencies in milliseconds, share of failed requests, and minimum sample size."""

    p95_milliseconds: float
    p99_milliseconds: float
    error_rate: float
    minimum_requests: int = 20


@dataclass(frozen=True)
class Observation:
    """Measurements of one deployment in a window. Latencies are in milliseconds, NaN if unknown."""

    requests: int
    failures: int
    p95_milliseconds: float = math.nan
    p99_milliseconds: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """An outcome and the sentence that explains it. `is_timing`: a latency decided."""

    outcome: Outcome
    reason: str
    is_timing: bool = False


def judge(observation: Observation, objective: Objective) -> Verdict:
    """Compare measurements with the objective. Too few requests, or an unknown latency, never pass.

    Failures and known latencies are judged before there is a full sample: a deployment that already breaks the
    objective need not run any longer.
    """
    allowed = objective.error_rate * max(observation.requests, objective.minimum_requests)
    if observation.failures > allowed:
        share = observation.failures / max(observation.requests, 1)
        return Verdict(
            Outcome.breached,
            f"{observation.failures} of {observation.requests} requests failed ({share:.1%}; "
            f"at most {objective.error_rate:.1%})",
        )
    latency = _judge_latency(observation, objective)
    if latency.outcome is Outcome.passed and observation.requests < objective.minimum_requests:
        few = f"{observation.requests} requests so far, at least {objective.minimum_requests} needed"
        return Verdict(Outcome.unknown, few)
    return latency


def unless_late(verdict: Verdict, late_milliseconds: float, objective: Objective) -> Verdict:
    """The verdict; unknown for a latency that shows nothing of the deployment, because callers were late themselves."""
    if not verdict.is_timing or late_milliseconds <= _LATE_SHARE * objective.p95_milliseconds:
        return verdict
    busy = f"inconclusive, since this machine is busy and starts requests {late_milliseconds:.0f} ms late"
    return Verdict(Outcome.unknown, f"{busy}: {verdict.reason}", is_timing=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value such that at most the remaining share of values, rounded up, is larger; NaN without values.

    Rounded up, so that a single slow request in a small sample does not decide.
    """
    if not values:
        return math.nan
    larger = math.ceil(round(len(values) * (1 - share), _DIGITS))
    return sorted(values)[max(0, len(values) - 1 - larger)]


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from several sources: any breach decides, else any pass; unknown outcomes are ignored.

    Raises ValueError for an empty list.
    """
    if not verdicts:
        raise ValueError("there are no verdicts to combine")
    for outcome in (Outcome.breached, Outcome.passed, Outcome.unknown):
        found = [verdict for verdict in verdicts if verdict.outcome is outcome]
        if found:
            return Verdict(outcome, "; ".join(each.reason for each in found), all(each.is_timing for each in found))
    raise AssertionError("every verdict has an outcome")


def _judge_latency(observation: Observation, objective: Objective) -> Verdict:
    measured = (
        ("p95", observation.p95_milliseconds, objective.p95_milliseconds),
        ("p99", observation.p99_milliseconds, objective.p99_milliseconds),
    )
    for name, value, limit in measured:
        if math.isnan(value):
            return Verdict(Outcome.unknown, f"{name} latency is unknown")
        if value > limit:
            return Verdict(Outcome.breached, f"{name} latency {value:.0f} ms is over {limit:.0f} ms", is_timing=True)
    return Verdict(
        Outcome.passed,
        f"{observation.requests} requests, {observation.failures} failed, "
        f"p95 {observation.p95_milliseconds:.0f} ms, p99 {observation.p99_milliseconds:.0f} ms",
    )
