"""Whether a deployment keeps its service level: figures against limits, answered with a reason. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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

    Failures are judged as soon as they alone would break the objective over a minimum sample, so that a
    deployment that only fails does not have to fail for long.
    """
    allowed = objective.error_rate * max(observation.requests, objective.minimum_requests)
    if observation.failures > allowed:
        share = observation.failures / max(observation.requests, 1)
        return Verdict(
            Outcome.breached,
            f"{observation.failures} of {observation.requests} requests failed ({share:.1%}; "
            f"at most {objective.error_rate:.1%})",
        )
    if observation.requests < objective.minimum_requests:
        return Verdict(
            Outcome.unknown,
            f"{observation.requests} requests so far, {objective.minimum_requests} make a sample",
        )
    return _judge_latency(observation, objective)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that decides: a breach before an unknown before a pass. Raises ValueError for none."""
    if not verdicts:
        raise ValueError("there is no verdict to decide by")
    order = (Outcome.breached, Outcome.unknown, Outcome.passed)
    return min(verdicts, key=lambda verdict: order.index(verdict.outcome))


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
