"""What can be injected into a window of traffic, and what must come of it by the measures and the template's own rules.

For the tests beside it and for benchmarks/monitor.py, which prints all of it as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from monitoring_harness import SETTINGS, Rows, collected, draw, labels

from mlops.monitoring.verdict import MonitorVerdict, judge_window
from mlops.settings.monitoring import MONITOR_FILE, MonitorFile, read_monitor_rules
from mlops.settings.project import read_project_schema
from mlops.settings.stages import StageOrder
from model_package.monitoring.measuring import measure
from model_package.monitoring.reference import Reference
from model_package.statistics.bootstrap import Bootstrap

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
ROWS = 3_000
INJECTED_SEED = 99
QUIET_WINDOWS = 200
QUIET_ROWS = (500, 1_000, 2_000)
FIRST_QUIET_SEED = 1_000
# The stated rate: one window in a hundred.
MOST_FALSE_ALARMS = 2


@dataclass(frozen=True)
class Injection:
    """What is injected, how large it is, and what must come of it: the verdict, alarms that fire and that do not."""

    name: str
    change: Callable[[Rows], Rows]
    state: str
    fires: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


def small_rules() -> MonitorFile:
    """The template's rules, without those on slices and a service that this small world does not have."""
    found = read_monitor_rules(ROOT / MONITOR_FILE, ORDER, read_project_schema(ROOT))
    left_out = ("education", "age", "failure_share", "latency_p99_milliseconds")
    return found.model_copy(
        update={"rules": tuple(each for each in found.rules if not each.measure.endswith(left_out))}
    )


def judged(reference: Reference, rules: MonitorFile, rows: Rows, *, labelled: bool = True) -> MonitorVerdict:
    settings = replace(SETTINGS, bootstrap=Bootstrap(rounds=100, seed=7))
    known = labels(rows) if labelled else None
    found = measure(collected(rows), reference, known, settings)
    return judge_window(rules, "prod", found, {})


def alarms(verdict: MonitorVerdict) -> set[str]:
    return {each.rule.measure for each in verdict.outcomes if each.outcome in ("fail", "error")}


def random() -> np.random.Generator:
    return np.random.default_rng(13)


def partly(share: float, value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda column: np.where(random().random(len(column)) < share, np.float32(value), column)


def flipped(rows: Rows) -> Rows:
    """A quarter of the outcomes turned around: the world has changed, the inputs have not."""
    return replace(rows, target=np.where(random().random(len(rows.target)) < 0.25, 1 - rows.target, rows.target))


def swapped(column: np.ndarray) -> np.ndarray:
    return np.where(column == 1, 2, np.where(column == 2, 1, column)).astype(np.float32)


def fresh(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Rows], Rows]:
    """Other callers, of whom the model is as true as ever: the outcomes follow their own inputs."""

    def inject(rows: Rows) -> Rows:
        shifted = rows.with_column(name, change)
        outcome = np.random.default_rng(17).random(len(shifted.target)) < shifted.probability
        return replace(shifted, target=outcome.astype(np.int8))

    return inject


FEATURE, SCORE, WEIGHTED = "largest_feature_drift", "score_drift", "weighted_drift"
INJECTIONS = (
    Injection("nothing", lambda rows: rows, "healthy"),
    Injection(
        "mean of what matters most, by 1 standard deviation",
        fresh("income", lambda column: column - 1),
        "drift",
        frozenset({FEATURE, WEIGHTED, SCORE, "selection_rate_change"}),
        frozenset({"roc_auc"}),
    ),
    Injection("mean of what matters most, by 1/4", fresh("income", lambda column: column - 0.25), "healthy"),
    Injection(
        "standard deviation of what matters most, doubled",
        fresh("income", lambda column: column * 2),
        "drift",
        frozenset({FEATURE, WEIGHTED}),
    ),
    Injection(
        "categories of 60 % and 30 % swapped",
        lambda rows: rows.with_column("kind", swapped),
        "drift",
        frozenset({FEATURE}),
        frozenset({WEIGHTED}),
    ),
    Injection(
        "1/3 of the values missing",
        lambda rows: rows.with_column("age", partly(1 / 3, np.nan)),
        "quality",
        frozenset({"largest_missing_rise"}),
    ),
    Injection(
        "1/4 of the outcomes flipped",
        flipped,
        "drift",
        frozenset({"roc_auc", "brier"}),
        frozenset({FEATURE, SCORE, WEIGHTED}),
    ),
    Injection(
        "covariate shift without harm, 3 times as large",
        fresh("harmless", lambda column: column * 3),
        "drift",
        frozenset({FEATURE}),
        frozenset({WEIGHTED, SCORE, "roc_auc", "brier", "f1"}),
    ),
    Injection(
        "one sex predicted positive more often, by 1/2 standard deviation",
        lambda rows: rows.with_column("income", lambda income: income - 0.5 * (rows.features[:, 3] == 2)),
        "drift",
        frozenset({"selection_rate_difference.sex"}),
        frozenset({FEATURE}),
    ),
    Injection(
        "a feature constant",
        lambda rows: rows.with_column("age", partly(1.0, 45)),
        "quality",
        frozenset({"constant_features"}),
    ),
    Injection(
        "a feature all missing",
        lambda rows: rows.with_column("income", lambda income: income * np.nan),
        "quality",
        frozenset({"largest_missing_rise", "constant_features"}),
    ),
    Injection(
        "1/5 of a new category",
        lambda rows: rows.with_column("kind", partly(0.2, 7)),
        "quality",
        frozenset({"largest_unknown_category_share", "largest_unseen_category_share"}),
    ),
    Injection(
        "another unit, 12 times as large",
        lambda rows: rows.with_column("age", lambda age: age * 12),
        "quality",
        frozenset({"largest_out_of_range_share"}),
    ),
)


def injected(injection: Injection, reference: Reference, rules: MonitorFile) -> MonitorVerdict:
    """The verdict on a window into which something was injected, whose outcomes are known."""
    return judged(reference, rules, injection.change(draw(ROWS, INJECTED_SEED)))


def false_alarms(reference: Reference, rules: MonitorFile) -> dict[int, set[str]]:
    """What fires in windows into which nothing was injected, by seed: labelled or not, some hardly large enough."""
    fired = {}
    for seed in range(QUIET_WINDOWS):
        rows = draw(QUIET_ROWS[seed % len(QUIET_ROWS)], FIRST_QUIET_SEED + seed)
        verdict = judged(reference, rules, rows, labelled=seed % 2 == 0)
        if verdict.state != "healthy":
            fired[seed] = alarms(verdict)
    return fired
