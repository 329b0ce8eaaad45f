"""What can be planted in a window of traffic, and what must come of it by the step and the template's own rules.

For the tests beside it and for benchmarks/monitor.py, which prints all of it as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from measuring import measure, window_document
from monitoring_world import ROOT, SCHEMA, SETTINGS, WINDOW, Rows, collected, draw, labels
from package import Package

from mlops.monitoring.measures import Measurements
from mlops.monitoring.verdict import MonitorVerdict, judge_window
from mlops.settings.monitoring import MonitorFile, read_monitor_rules
from mlops.settings.stages import StageOrder

ORDER = StageOrder(("dev", "staging", "prod"))

ROWS = 3_000
PLANTED_SEED = 99
QUIET_WINDOWS = 200
QUIET_ROWS = (500, 1_000, 2_000)
FIRST_QUIET_SEED = 1_000
# The stated rate: one window in a hundred.
MOST_FALSE_ALARMS = 2


@dataclass(frozen=True)
class Plant:
    """What is planted, how large it is, and what must come of it: the verdict, alarms that fire and that do not."""

    name: str
    change: Callable[[Rows], Rows]
    state: str
    fires: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


def small_rules() -> MonitorFile:
    """The template's rules, without those on groups and a service that this small world does not have."""
    found = read_monitor_rules(Path(ROOT / "releases" / "monitor.yml"), ORDER)
    left_out = ("education", "age", "failure_share", "latency_p99_milliseconds")
    return found.model_copy(
        update={"rules": tuple(each for each in found.rules if not each.measure.endswith(left_out))}
    )


def judged(package: Package, rules: MonitorFile, rows: Rows, *, labelled: bool = True) -> MonitorVerdict:
    settings = replace(SETTINGS, resamples=100)
    known = labels(rows) if labelled else None
    document, _ = measure(collected(rows), package, known, SCHEMA.groups, settings)
    measurements = Measurements.model_validate({**document, "window": window_document(WINDOW)})
    return judge_window(rules, "prod", measurements, {})


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

    def plant(rows: Rows) -> Rows:
        moved = rows.with_column(name, change)
        outcome = np.random.default_rng(17).random(len(moved.target)) < moved.probability
        return replace(moved, target=outcome.astype(np.int8))

    return plant


FEATURE, SCORE, WEIGHTED = "largest_feature_drift", "score_drift", "weighted_drift"
PLANTS = (
    Plant("nothing", lambda rows: rows, "healthy"),
    Plant(
        "mean of what matters most, by 1 standard deviation",
        fresh("income", lambda column: column - 1),
        "drift",
        frozenset({FEATURE, WEIGHTED, SCORE, "flagged_share_change"}),
        frozenset({"roc_auc"}),
    ),
    Plant("mean of what matters most, by 1/4", fresh("income", lambda column: column - 0.25), "healthy"),
    Plant(
        "standard deviation of what matters most, doubled",
        fresh("income", lambda column: column * 2),
        "drift",
        frozenset({FEATURE, WEIGHTED}),
    ),
    Plant(
        "categories of 60 % and 30 % swapped",
        lambda rows: rows.with_column("kind", swapped),
        "drift",
        frozenset({FEATURE}),
        frozenset({WEIGHTED}),
    ),
    Plant(
        "1/3 of the values missing",
        lambda rows: rows.with_column("age", partly(1 / 3, np.nan)),
        "quality",
        frozenset({"largest_missing_rise"}),
    ),
    Plant(
        "1/4 of the outcomes flipped",
        flipped,
        "drift",
        frozenset({"roc_auc", "brier"}),
        frozenset({FEATURE, SCORE, WEIGHTED}),
    ),
    Plant(
        "covariate shift without harm, 3 times as large",
        fresh("harmless", lambda column: column * 3),
        "drift",
        frozenset({FEATURE}),
        frozenset({WEIGHTED, SCORE, "roc_auc", "brier", "f1"}),
    ),
    Plant(
        "one sex flagged more often, by 1/2 standard deviation",
        lambda rows: rows.with_column("income", lambda income: income - 0.5 * (rows.features[:, 3] == 2)),
        "drift",
        frozenset({"selection_rate_difference.sex"}),
        frozenset({FEATURE}),
    ),
    Plant(
        "a feature constant",
        lambda rows: rows.with_column("age", partly(1.0, 45)),
        "quality",
        frozenset({"constant_features"}),
    ),
    Plant(
        "a feature all missing",
        lambda rows: rows.with_column("income", lambda income: income * np.nan),
        "quality",
        frozenset({"largest_missing_rise", "constant_features"}),
    ),
    Plant(
        "1/5 of a new category",
        lambda rows: rows.with_column("kind", partly(0.2, 7)),
        "quality",
        frozenset({"largest_unknown_category_share", "largest_unseen_category_share"}),
    ),
    Plant(
        "another unit, 12 times as large",
        lambda rows: rows.with_column("age", lambda age: age * 12),
        "quality",
        frozenset({"largest_out_of_range_share"}),
    ),
)


def planted(plant: Plant, package: Package, rules: MonitorFile) -> MonitorVerdict:
    """The verdict on a window in which something was planted, whose outcomes are known."""
    return judged(package, rules, plant.change(draw(ROWS, PLANTED_SEED)))


def false_alarms(package: Package, rules: MonitorFile) -> dict[int, set[str]]:
    """What fires in windows in which nothing was planted, by seed: labelled or not, some hardly large enough."""
    fired = {}
    for seed in range(QUIET_WINDOWS):
        rows = draw(QUIET_ROWS[seed % len(QUIET_ROWS)], FIRST_QUIET_SEED + seed)
        verdict = judged(package, rules, rows, labelled=seed % 2 == 0)
        if verdict.state != "healthy":
            fired[seed] = alarms(verdict)
    return fired
