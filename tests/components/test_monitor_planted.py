"""Which monitor fires for which planted drift, and how often one fires when nothing was planted.

Measured by the step, judged by the template's own releases/monitor.yml.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measuring import measure, window_document
from monitoring_world import ROOT, SCHEMA, SETTINGS, WINDOW, Rows, collected, draw, labels, make_package
from package import Package

from mlops.monitoring.measures import Measurements
from mlops.monitoring.rules import MonitorFile, read_monitor_rules
from mlops.monitoring.verdict import MonitorVerdict, judge_window

ROWS = 3_000
QUIET_WINDOWS = 200
# The stated rate: one window in a hundred.
MOST_FALSE_ALARMS = 2


@pytest.fixture(scope="module")
def package() -> Package:
    return make_package()


@pytest.fixture(scope="module")
def rules() -> MonitorFile:
    """The template's rules, without those on groups and a service that this small world does not have."""
    found = read_monitor_rules(Path(ROOT / "releases" / "monitor.yml"))
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


FEATURE, SCORE = "largest_feature_drift", "score_drift"
TABLE = [
    ("nothing", lambda rows: rows, "healthy", set(), set()),
    (
        "mean of what matters most, by one standard deviation",
        fresh("income", lambda column: column - 1),
        "drift",
        {FEATURE, "weighted_drift", SCORE, "flagged_share_change"},
        {"roc_auc"},
    ),
    ("mean, by a quarter", fresh("income", lambda column: column - 0.25), "healthy", set(), set()),
    ("variance doubled", fresh("income", lambda column: column * 2), "drift", {FEATURE, "weighted_drift"}, set()),
    ("categories swapped", lambda rows: rows.with_column("kind", swapped), "drift", {FEATURE}, {"weighted_drift"}),
    (
        "a third missing",
        lambda rows: rows.with_column("age", partly(1 / 3, np.nan)),
        "quality",
        {"largest_missing_rise"},
        set(),
    ),
    ("outcomes flipped", flipped, "drift", {"roc_auc", "brier"}, {FEATURE, SCORE, "weighted_drift"}),
    (
        "covariate shift without harm",
        fresh("harmless", lambda column: column * 3),
        "drift",
        {FEATURE},
        {"weighted_drift", SCORE, "roc_auc", "brier", "f1"},
    ),
    (
        "one sex flagged more often",
        lambda rows: rows.with_column("income", lambda income: income - 0.5 * (rows.features[:, 3] == 2)),
        "drift",
        {"selection_rate_difference.sex"},
        {FEATURE},
    ),
    ("constant", lambda rows: rows.with_column("age", partly(1.0, 45)), "quality", {"constant_features"}, set()),
    (
        "all missing",
        lambda rows: rows.with_column("income", lambda income: income * np.nan),
        "quality",
        {"largest_missing_rise", "constant_features"},
        set(),
    ),
    (
        "new categories",
        lambda rows: rows.with_column("kind", partly(0.2, 7)),
        "quality",
        {"largest_unknown_category_share", "largest_unseen_category_share"},
        set(),
    ),
    (
        "another unit",
        lambda rows: rows.with_column("age", lambda age: age * 12),
        "quality",
        {"largest_out_of_range_share"},
        set(),
    ),
]


@pytest.mark.parametrize(
    ("plant", "state", "fires", "silent"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_is_planted_is_found(
    package: Package,
    rules: MonitorFile,
    plant: Callable[[Rows], Rows],
    state: str,
    fires: set[str],
    silent: set[str],
):
    verdict = judged(package, rules, plant(draw(ROWS, 99)))

    assert verdict.state == state, alarms(verdict)
    assert fires <= alarms(verdict)
    assert not silent & alarms(verdict)
    # A newer model is asked for only where the data are believed, and one can mend it.
    mendable = set(rules.asks_for_retraining) & alarms(verdict) if state == "drift" else set()
    assert set(verdict.mendable) == mendable


def test_no_more_false_alarms_than_stated_in_windows_of_no_drift(package: Package, rules: MonitorFile):
    fired = {}
    for seed in range(QUIET_WINDOWS):
        # Also windows that are hardly large enough to say anything.
        verdict = judged(package, rules, draw((500, 1_000, 2_000)[seed % 3], 1_000 + seed), labelled=seed % 2 == 0)
        if verdict.state != "healthy":
            fired[seed] = alarms(verdict)

    assert len(fired) <= MOST_FALSE_ALARMS, fired


def test_too_few_rows_say_nothing(package: Package, rules: MonitorFile):
    drifted = draw(400, 5).with_column("income", lambda income: income - 3)

    assert judged(package, rules, drifted, labelled=False).state == "quiet"


def test_the_same_window_gives_the_same_measures(package: Package):
    rows = draw(ROWS, 4)
    first, again = (measure(collected(rows), package, labels(rows), SCHEMA.groups, SETTINGS) for _ in range(2))

    assert first == again


def test_outcomes_of_one_class_only_say_nothing_of_the_order(package: Package, rules: MonitorFile):
    rows = draw(ROWS, 6)
    verdict = judged(package, rules, replace(rows, target=np.zeros_like(rows.target)))

    told = {each.rule.measure: each for each in verdict.outcomes}
    assert told["roc_auc"].outcome == "pass"
    assert "one class only" in told["roc_auc"].sentence
    # That the probabilities no longer hold is told all the same.
    assert told["brier"].outcome == "fail"
