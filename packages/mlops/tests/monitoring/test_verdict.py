"""The verdict of a window from measures alone: data first, alarms for what is proven, and each state's exit code."""

from pathlib import Path

import pytest

from mlops.core.errors import ProjectError
from mlops.monitoring.measuring import nothing_collected
from mlops.monitoring.result import EXIT_CODES
from mlops.monitoring.verdict import MonitorVerdict, judge_window
from mlops.settings.monitoring import MONITOR_FILE, MonitorFile, catalogue, read_monitor_rules
from mlops.settings.project import read_project_schema
from mlops.settings.stages import StageOrder
from model_package.measures import Interval, Measure
from model_package.monitoring.findings import Findings

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
ROWS = 5_000
FINE_SERVICE = {"failure_share": Measure(0.0), "latency_p99_milliseconds": Measure(20.0)}


@pytest.fixture(scope="module")
def rules() -> MonitorFile:
    return read_monitor_rules(ROOT / MONITOR_FILE, ORDER, read_project_schema(ROOT))


def fine(name: str) -> Measure:
    """A value that keeps every rule of the template."""
    if catalogue().kind(name).compared:
        return Measure(0.5, reference=0.5, difference_interval=Interval(-0.01, 0.01))
    return Measure(float(ROWS) if name == "rows" else 0.0)


def findings(rules: MonitorFile, **changed: Measure) -> Findings:
    names = [entry.measure for entry in rules.rules if entry.measure not in FINE_SERVICE]
    return Findings(
        rows=ROWS,
        answered=ROWS,
        labelled=ROWS,
        files=1,
        versions={"1": ROWS},
        notes=[],
        measures={name: fine(name) for name in names} | changed,
    )


def judged(rules: MonitorFile, **changed: Measure) -> MonitorVerdict:
    return judge_window(rules, "prod", findings(rules, **changed), FINE_SERVICE)


DRIFT = {"weighted_drift": Measure(0.4)}
BUG = {"constant_features": Measure(1.0, details=("AGE",))}


@pytest.mark.parametrize(
    ("changed", "service", "state", "retrainable"),
    [
        pytest.param({}, {}, "healthy", (), id="nothing"),
        pytest.param(DRIFT, {}, "drift", ("weighted_drift",), id="drift"),
        pytest.param({"selection_rate_change": Measure(0.4)}, {}, "drift", (), id="drift that no model fixes"),
        pytest.param(DRIFT | BUG, {}, "quality", (), id="drift that a data bug caused"),
        pytest.param(BUG, {"failure_share": Measure(0.5)}, "quality", (), id="a bug and a failing service"),
        pytest.param({}, {"failure_share": Measure(0.5)}, "service", (), id="a failing service"),
        pytest.param({}, {"latency_p99_milliseconds": Measure(5e3)}, "service", (), id="a slow service"),
        pytest.param(DRIFT, {"failure_share": Measure(0.5)}, "drift", ("weighted_drift",), id="drift, and it fails"),
    ],
)
def test_the_data_are_judged_first(
    rules: MonitorFile, changed: dict[str, Measure], service: dict[str, Measure], state: str, retrainable: tuple
) -> None:
    verdict = judge_window(rules, "prod", findings(rules, **changed), FINE_SERVICE | service)

    assert (verdict.state, verdict.retrainable) == (state, retrainable)


def test_drift_on_data_that_cannot_be_trusted_is_shown_and_not_trusted(rules: MonitorFile) -> None:
    verdict = judged(rules, **DRIFT, **BUG)

    assert [each.rule.measure for each in verdict.broken] == ["constant_features"]
    drift = next(each for each in verdict.outcomes if each.rule.measure == "weighted_drift")
    assert drift.outcome == "fail"
    assert not verdict.trusts(drift)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(-0.09, -0.05, "fail"), (-0.08, -0.005, "inconclusive"), (-0.02, 0.01, "pass"), (0.0, 0.05, "pass")],
)
def test_an_alarm_is_sure_of_the_bad(rules: MonitorFile, low: float, high: float, outcome: str) -> None:
    middle = (low + high) / 2
    verdict = judged(rules, roc_auc=Measure(0.8 + middle, reference=0.8, difference_interval=Interval(low, high)))

    found = next(each for each in verdict.outcomes if each.rule.measure == "roc_auc")
    assert found.outcome == outcome
    assert verdict.state == ("drift" if outcome == "fail" else "healthy")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_window_without_rows_is_not_measured_and_nothing_in_it_passes(rules: MonitorFile, stage: str) -> None:
    verdict = judge_window(rules, stage, nothing_collected(), FINE_SERVICE)

    assert verdict.state == "not measured"
    assert not verdict.retrain
    passed = {each.rule.measure for each in verdict.outcomes if each.outcome == "pass"}
    assert passed == set(FINE_SERVICE)
    # Where callers are required, their absence is still named.
    assert [each.rule.measure for each in verdict.broken] == (["rows"] if stage == "prod" else [])


def test_a_service_that_fails_is_no_window_without_rows(rules: MonitorFile) -> None:
    verdict = judge_window(rules, "prod", nothing_collected(), FINE_SERVICE | {"failure_share": Measure(1.0)})

    assert verdict.state == "service"


def test_a_measure_that_the_job_did_not_take_is_no_pass(rules: MonitorFile) -> None:
    without = findings(rules)
    del without.measures["score_drift"]

    verdict = judge_window(rules, "prod", without, FINE_SERVICE)

    assert verdict.state == "drift"
    assert not verdict.retrain


def test_each_state_has_an_exit_code_and_only_a_healthy_one_is_zero() -> None:
    assert {state for state, code in EXIT_CODES.items() if code == 0} == {"healthy"}
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    table = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    for code in set(EXIT_CODES.values()) - {0}:
        assert f"| {code} | `mlops monitor` |" in table


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("max_drop: 0.03", "max_rise: 0.03", "would never block"),
        ("every_stage: {max: 0.3}", "every_stage: {max_rise: 0.3}", "no release's own value to compare with"),
        ("- measure: f1", "- measure: f2", "unknown measure"),
        ("slices: [sex, education, age]", "slices: [sex, education]", "unknown measure"),
        ("slices: [sex, education, age]", "slices: [sex, income]", "schema.yml defines no slice 'income'"),
        ("slices: [sex", "groups: [sex", "groups: is called `slices` since format 1"),
        ("min_rows: 500", "fewest_rows: 500", "fewest_rows: is called `min_rows` since format 1"),
        ("weighted_drift, score_drift, roc_auc", "weighted_drift, rows, roc_auc", "a newer model cannot fix 'rows'"),
        ("weighted_drift, score_drift, roc_auc", "weighted_drift, nonsense, roc_auc", "no rule uses 'nonsense'"),
        ("why: the model's job is to rank risks", "why: ''", "why"),
        ("min_rows: 500", "min_rows: 0", "greater than"),
        ("missing: pass # no outcomes yet", "no_champion: pass", "has no effect here"),
    ],
)
def test_a_rule_that_could_not_fire_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (ROOT / MONITOR_FILE).read_text()
    assert old in text
    file = tmp_path / "monitor.yml"
    file.write_text(text.replace(old, new, 1))

    with pytest.raises(ProjectError) as refused:
        read_monitor_rules(file, ORDER, read_project_schema(ROOT))

    assert says in "\n".join(refused.value.details)
    assert "monitor.yml:" in refused.value.details[0]
