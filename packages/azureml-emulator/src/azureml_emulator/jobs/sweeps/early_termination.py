"""Early termination: which running trials a policy stops, and why. Pure: no I/O.

An interval is one report of the primary metric. A trial is judged at the newest interval that the policy applies to,
once, against what all trials had reported by the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, median

from azureml_emulator.jobs.definitions.sweep import EarlyTermination
from azureml_emulator.jobs.sweeps.trials import Trial


def newest_interval(policy: EarlyTermination, trial: Trial) -> int:
    """The newest interval of a trial to which the policy applies; 0 for none."""
    newest = len(trial.reports) // policy.interval * policy.interval
    return newest if newest >= max(policy.delay, 1) else 0


def to_stop(
    policy: EarlyTermination, trials: Sequence[Trial], judged: Mapping[str, int], *, maximize: bool
) -> dict[str, str]:
    """The trials to stop now, with the reasons. `judged` has the interval up to which each trial was judged before."""
    stopped = {}
    for trial in trials:
        interval = newest_interval(policy, trial)
        if trial.has_ended or interval <= judged.get(trial.name, 0):
            continue
        others = [other for other in trials if len(other.reports) >= interval]
        reason = _reason(policy, trial, others, interval, maximize=maximize)
        if reason:
            stopped[trial.name] = reason
    return stopped


def _reason(
    policy: EarlyTermination, trial: Trial, peers: Sequence[Trial], interval: int, *, maximize: bool
) -> str | None:
    own = trial.best(interval, maximize=maximize)
    if own is None:
        return f"it reported no number in {interval} intervals"
    if policy.kind == "truncationselection":
        return _truncated(policy, trial, peers, interval, maximize=maximize)
    if policy.kind == "bandit":
        bound, what = _bandit_bound(policy, peers, interval, maximize=maximize)
    else:
        averages = [mean(numbers) for peer in peers if (numbers := _numbers(peer, interval))]
        bound, what = median(averages), "the median of the running averages"
    is_worse = own < bound if maximize else own > bound
    return f"at interval {interval} its best is {own:g}, worse than {bound:g}, {what}" if is_worse else None


def _bandit_bound(
    policy: EarlyTermination, peers: Sequence[Trial], interval: int, *, maximize: bool
) -> tuple[float, str]:
    bests = [best for peer in peers if (best := peer.best(interval, maximize=maximize)) is not None]
    best = (max if maximize else min)(bests)
    # By the size of the best, so that the best trial itself is never out of bounds when the metric is negative.
    slack = policy.slack_amount
    if policy.slack_factor:
        slack = abs(best) * (policy.slack_factor / (1 + policy.slack_factor) if maximize else policy.slack_factor)
    return (best - slack if maximize else best + slack), f"the best of all, {best:g}, with its slack"


def _truncated(
    policy: EarlyTermination, trial: Trial, peers: Sequence[Trial], interval: int, *, maximize: bool
) -> str | None:
    compared = [peer for peer in peers if not (policy.exclude_finished and peer.has_ended)]
    worst_first = sorted(compared, key=lambda peer: _rank(peer, interval, maximize=maximize))
    count = len(compared) * policy.percentage // 100
    if trial not in worst_first[:count]:
        return None
    return f"at interval {interval} it is among the lowest {policy.percentage} % of {len(compared)} trials"


def _rank(trial: Trial, interval: int, *, maximize: bool) -> float:
    best = trial.best(interval, maximize=maximize)
    if best is None:
        return float("-inf")
    return best if maximize else -best


def _numbers(trial: Trial, interval: int) -> list[float]:
    return [number for number in trial.reports[:interval] if not math.isnan(number)]
