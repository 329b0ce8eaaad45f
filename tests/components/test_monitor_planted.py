"""Which monitor fires for which planted drift (planted.py), and how often one fires when nothing was planted."""

from dataclasses import replace

import numpy as np
import pytest
from measuring import measure
from monitoring_world import SCHEMA, SETTINGS, collected, draw, labels, make_package
from package import Package
from planted import MOST_FALSE_ALARMS, PLANTS, ROWS, Plant, alarms, false_alarms, judged, planted, small_rules

from mlops.settings.monitoring import MonitorFile


@pytest.fixture(scope="module")
def package() -> Package:
    return make_package()


@pytest.fixture(scope="module")
def rules() -> MonitorFile:
    return small_rules()


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_what_is_planted_is_found(package: Package, rules: MonitorFile, plant: Plant):
    verdict = planted(plant, package, rules)

    assert verdict.state == plant.state, alarms(verdict)
    assert plant.fires <= alarms(verdict)
    assert not plant.silent & alarms(verdict)
    # A newer model is asked for only where the data are believed, and one can mend it.
    retrainable = set(rules.retrain_on) & alarms(verdict) if plant.state == "drift" else set()
    assert set(verdict.retrainable) == retrainable


def test_no_more_false_alarms_than_stated_in_windows_of_no_drift(package: Package, rules: MonitorFile):
    fired = false_alarms(package, rules)

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
