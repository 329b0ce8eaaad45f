"""Whether a deployment keeps its service level: figures against limits, answered with a reason. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Products of shares and counts are rounded to these, so that 0.05 of 20 is 1 and not a little more.
_DIGITS = 9


class Outcome(StrEnum):
    """What was found. Only `passed` lets a rollout go on."""

    passed = "passed"
    breached = "breached"
    unknown = "unknown"


@dataclass(frozen=True)
class Objective:
    """A service level: latencies in milliseconds, share of failed requests, and how many make a sample."""

    p95_milliseconds: float
    p99_milliseconds: float
    error_rate: float
    minimum_requests: int = 20


@dataclass(frozen=True)
class Observation:
    """What was measured of one deployment in a window. Latencies are in milliseconds, NaN when unknown."""

    requests: int
    failures: int
    p95_milliseconds: float = math.nan
    p99_milliseconds: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """An outcome and the sentence that explains it."""

    outcome: Outcome
    reason: str


def judge(observation: Observation, objective: Objective) -> Verdict:
    """Hold figures against the objective. Too few requests, or an unknown latency, pass nothing.

    Failures, and latencies that are known, are judged before there is a sample: what breaks the objective already
    does not have to go on for long.
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
        few = f"{observation.requests} requests so far, {objective.minimum_requests} make a sample"
        return Verdict(Outcome.unknown, few)
    return latency


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values such that at most the other share of them, rounded up, is larger; NaN for none.

    Rounded up, so that one slow request in a small sample does not decide by itself.
    """
    if not values:
        return math.nan
    larger = math.ceil(round(len(values) * (1 - share), _DIGITS))
    return sorted(values)[max(0, len(values) - 1 - larger)]


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from several witnesses: any breach decides, else any pass; what is unknown counts for nothing.

    Raises ValueError for none.
    """
    if not verdicts:
        raise ValueError("there is no verdict to decide by")
    for outcome in (Outcome.breached, Outcome.passed, Outcome.unknown):
        reasons = [verdict.reason for verdict in verdicts if verdict.outcome is outcome]
        if reasons:
            return Verdict(outcome, "; ".join(reasons))
    raise AssertionError("every verdict has an outcome")


def _judge_latency(observation: Observation, objective: Objective) -> Verdict:
    measured = (
        ("p95", observation.p95_milliseconds, objective.p95_milliseconds),
        ("p99", observation.p99_milliseconds, objective.p99_milliseconds),
    )
    for name, value, limit in measured:
        if math.isnan(value):
            return Verdict(Outcome.unknown, f"{name} latency is not known")
        if value > limit:
            return Verdict(Outcome.breached, f"{name} latency {value:.0f} ms is over {limit:.0f} ms")
    return Verdict(
        Outcome.passed,
        f"{observation.requests} requests, {observation.failures} failed, "
        f"p95 {observation.p95_milliseconds:.0f} ms, p99 {observation.p99_milliseconds:.0f} ms",
    )
