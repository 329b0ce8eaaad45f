"""Which rule fires for which injected drift (injected_drift.py), and how often one fires when nothing was injected."""

from dataclasses import replace

import numpy as np
import pytest
from injected_drift import (
    INJECTIONS,
    MOST_FALSE_ALARMS,
    ROWS,
    Injection,
    alarms,
    false_alarms,
    injected,
    judged,
    small_rules,
)
from monitoring_harness import SETTINGS, collected, draw, labels, make_reference

from mlops.settings.monitoring import MonitorFile
from model_package.monitoring.measuring import measure
from model_package.monitoring.reference import Reference


@pytest.fixture(scope="module")
def reference() -> Reference:
    return make_reference()


@pytest.fixture(scope="module")
def rules() -> MonitorFile:
    return small_rules()


@pytest.mark.parametrize("injection", INJECTIONS, ids=[each.name for each in INJECTIONS])
def test_what_is_injected_is_found(reference: Reference, rules: MonitorFile, injection: Injection):
    verdict = injected(injection, reference, rules)

    assert verdict.state == injection.state, alarms(verdict)
    assert injection.fires <= alarms(verdict)
    assert not injection.silent & alarms(verdict)
    # Retraining is asked for only where the data are trusted and a newer model can fix the broken rules.
    retrainable = set(rules.retrain_on) & alarms(verdict) if injection.state == "drift" else set()
    assert set(verdict.retrainable) == retrainable


def test_no_more_false_alarms_than_stated_in_windows_of_no_drift(reference: Reference, rules: MonitorFile):
    fired = false_alarms(reference, rules)

    assert len(fired) <= MOST_FALSE_ALARMS, fired


def test_too_few_rows_say_nothing(reference: Reference, rules: MonitorFile):
    drifted = draw(400, 5).with_column("income", lambda income: income - 3)

    assert judged(reference, rules, drifted, labelled=False).state == "not measured"


def test_the_same_window_gives_the_same_measures(reference: Reference):
    rows = draw(ROWS, 4)
    first, again = (measure(collected(rows), reference, labels(rows), SETTINGS) for _ in range(2))

    assert first == again


def test_outcomes_of_one_class_only_say_nothing_of_the_order(reference: Reference, rules: MonitorFile):
    rows = draw(ROWS, 6)
    verdict = judged(reference, rules, replace(rows, target=np.zeros_like(rows.target)))

    outcomes = {each.rule.measure: each for each in verdict.outcomes}
    assert outcomes["roc_auc"].outcome == "not measured"
    assert "only one class" in outcomes["roc_auc"].sentence
    # That the probabilities are no longer calibrated shows all the same.
    assert outcomes["brier"].outcome == "fail"
