"""Cases in which a gate cannot judge: each blocks, says why, and leaves all other rules judged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops.core.errors import InputError
from mlops.gates.evidence import Evidence, read_held_out
from mlops.gates.render import markdown_report
from mlops.gates.report import GateReport, Verdict, check, judge
from mlops.settings.gates import catalogue_of
from mlops.settings.rules import Bounds, Rule
from mlops.settings.verdict import Outcome
from model_package.measures import Interval, Measure
from model_package.tasks import TASKS

NO_ROW = b'{"tolerance": 0, "cases": [{"request": {}, "probability": [1], "decision": [1]}]}'
NO_FEATURES = b"""{"rows": 0, "features": {}, "probability":
    {"edges": [0, 1], "counts": [0], "mean": 0, "std": 0, "minimum": 0, "maximum": 0}}"""


def find(report: GateReport, measure: str) -> Outcome:
    return next(each for each in report.verdict.outcomes if each.rule.measure == measure)


def evidence_of(world: Any, measured: Measure | None, *, champion: bool = True) -> Evidence:
    proposal = world.proposal()
    proposal = proposal if champion else replace(proposal, champion=None)
    measures = {} if measured is None else {"roc_auc": measured, "package_megabytes": measured}
    return Evidence(proposal, measures, 0.95, None, None, None)


def test_a_first_release_is_judged_by_its_floors_and_the_report_says_so(world: Any) -> None:
    report = world.run(replace(world.proposal(), champion=None))

    assert report.promotes
    assert "no champion" in report.comparison
    assert "not compared" in find(report, "roc_auc").sentence
    assert "nothing to compare with" in find(report, "schema_breaks").sentence


def test_what_only_requests_show_is_not_measured_where_there_are_none(world: Any) -> None:
    report = world.run(replace(world.proposal(), answers_requests=False))

    outcomes = {each.rule.measure for each in report.verdict.outcomes if each.outcome == "not measured"}
    assert outcomes == {
        "largest_feature_drift",
        "score_drift",
        "latency_p50_milliseconds",
        "latency_p99_milliseconds",
    }
    assert report.promotes
    assert report.headline.endswith("14 of 18 gates pass, 4 not measured")
    assert "(not measured): no online endpoint" in markdown_report(report)


def test_a_verdict_of_rules_that_do_not_apply_promotes_nothing(world: Any) -> None:
    rule = Rule("score_drift", Bounds(max=0.2), "a test")
    evidence = evidence_of(world, None)
    evidence = replace(evidence, proposal=replace(evidence.proposal, answers_requests=False))

    assert not judge([rule], evidence).promotes


def test_a_first_release_below_the_floor_is_blocked(world: Any, recipe: Any) -> None:
    bad = world.proposal(recipe(weights=(0.0, 0.1, 0.4)))

    report = world.run(replace(bad, champion=None))

    assert find(report, "roc_auc").outcome == "fail"
    assert not report.promotes


def test_a_rule_may_refuse_a_first_release(world: Any) -> None:
    rule = Rule("roc_auc", Bounds(max_drop=0.01), "a test", no_champion="fail")

    outcome = check(rule, evidence_of(world, Measure(value=0.9), champion=False))

    assert outcome.outcome == "fail"


@pytest.mark.parametrize("bounds", [Bounds(min=0.0), Bounds(max=0.0)], ids=["min 0", "max 0"])
@pytest.mark.parametrize(
    "measured",
    [
        None,
        Measure(value=float("nan")),
        Measure(value=float("inf")),
        Measure(state="broken", reason="unreadable"),
        Measure(state="nothing", reason="no rows"),
    ],
    ids=["never measured", "NaN", "infinite", "broken", "nothing to measure"],
)
def test_what_is_not_a_number_never_passes_even_a_bound_of_zero(
    world: Any, measured: Measure | None, bounds: Bounds
) -> None:
    outcome = check(Rule("roc_auc", bounds, "a test"), evidence_of(world, measured))

    assert outcome.outcome in ("fail", "error")
    assert outcome.observed is None
    assert outcome.sentence


def test_a_rule_may_let_nothing_to_measure_pass_but_never_something_broken(world: Any) -> None:
    rule = Rule("roc_auc", Bounds(min=0.5), "a test", missing="pass")

    evidence = evidence_of(world, Measure(state="nothing", reason="no recent inputs"))
    nothing = check(rule, evidence)
    broken = check(rule, replace(evidence, measures={"roc_auc": Measure(state="broken", reason="unreadable")}))

    assert (nothing.outcome, broken.outcome) == ("not measured", "error")
    assert "no recent inputs" in nothing.sentence


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (-0.001, -0.005, 0.003, "pass"),
        (0.0, 0.0, 0.0, "pass"),
        (-0.008, -0.015, 0.001, "inconclusive"),
        (-0.011, -0.020, -0.001, "fail"),
        (-0.03, -0.04, -0.02, "fail"),
        (0.03, 0.02, 0.04, "pass"),
        (float("nan"), 0.0, 0.0, "error"),
        (-0.001, float("nan"), float("nan"), "error"),
    ],
)
def test_a_margin_is_kept_only_when_the_whole_interval_keeps_it(
    world: Any, value: float, low: float, high: float, outcome: str
) -> None:
    measured = Measure(value, reference=0.0, difference_interval=Interval(low, high))

    found = check(Rule("roc_auc", Bounds(max_drop=0.01), "a test"), evidence_of(world, measured))

    assert found.outcome == outcome


def test_a_champion_of_zero_gives_no_ratio_and_blocks(world: Any) -> None:
    measured = Measure(1.0, reference=0.0)
    rule = Rule("package_megabytes", Bounds(max=5, max_ratio=2), "a test")

    assert check(rule, evidence_of(world, measured)).outcome == "error"


def test_no_rule_at_all_does_not_promote(world: Any) -> None:
    assert not judge([], evidence_of(world, None)).promotes
    assert not Verdict(()).promotes


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (lambda frame: frame.clear(), "there are no held-out rows"),
        (lambda frame: frame.drop("age"), "held-out rows: there is no column 'age'"),
        (lambda frame: frame.drop("late"), "no column 'late'"),
        (lambda frame: frame.with_columns(late=pl.lit(2)), "other values than 0 or 1"),
        (lambda frame: frame.with_columns(late=pl.lit(None, dtype=pl.Int8)), "other values than 0 or 1"),
        (lambda frame: frame.with_columns(age=pl.lit("old")), "not a number"),
        (lambda frame: frame.head(2_000), "covers 2,500 rows"),
    ],
    ids=["no rows", "no feature", "no target", "other target", "missing target", "text", "other rows"],
)
def test_held_out_rows_that_cannot_be_used_block(
    world: Any, frame: Callable[[pl.DataFrame], pl.DataFrame], says: str
) -> None:
    report = world.run(replace(world.proposal(), held_out=frame(world.held_out)))

    assert find(report, "recorded_difference").outcome == "error"
    assert says in find(report, "recorded_difference").sentence
    assert find(report, "digest_differences").outcome == "pass"


@pytest.mark.parametrize("target", [0, 1])
def test_rows_of_one_class_only_block_what_they_do_not_define(world: Any, target: int) -> None:
    rows = world.held_out.with_columns(late=pl.lit(target))

    report = world.run(replace(world.proposal(), held_out=rows))

    assert find(report, "roc_auc").outcome == "error"
    assert "only one class" in find(report, "roc_auc").sentence
    assert not report.promotes


def test_a_missing_value_in_a_feature_is_the_models_to_answer_and_no_answer_blocks(world: Any) -> None:
    rows = world.held_out.with_columns(income=pl.lit(None, dtype=pl.Float64))

    report = world.run(replace(world.proposal(), held_out=rows))

    assert find(report, "roc_auc").outcome == "error"
    assert "must lie from 0 to 1" in find(report, "roc_auc").sentence


def test_a_champion_with_another_schema_blocks_by_comparison_and_by_schema(world: Any, recipe: Any) -> None:
    extra = {"name": "extra", "type": "number", "minimum": None, "maximum": None, "categories": None}
    features = [*recipe().features, extra]
    old = world.candidate("old", recipe(weights=(0.05, -1.2, 0.0, 0.1), features=features))

    report = world.run(replace(world.proposal(), champion=old))

    assert find(report, "roc_auc").outcome == "error"
    assert "no column 'extra'" in find(report, "roc_auc").sentence
    assert "'extra' is no longer a feature" in find(report, "schema_breaks").sentence
    assert find(report, "calibration_error").observed is not None


def test_a_champion_that_is_not_what_its_manifest_promises_blocks(world: Any) -> None:
    proposal = world.proposal()
    (proposal.champion.folder / "note.txt").write_text("changed after the release")

    outcome = find(world.run(proposal), "digest_differences")

    assert outcome.outcome == "fail"
    assert "the champion's package" in outcome.sentence


@pytest.mark.parametrize(
    ("name", "content", "measure", "says"),
    [
        ("model.onnx", b"no model", "roc_auc", "cannot be opened"),
        ("model.onnx", None, "roc_auc", "neither model.onnx nor pyfunc/"),
        ("schema.json", None, "roc_auc", "there is no schema.json"),
        ("schema.json", b"{}", "golden_difference", "schema.json has format None"),
        ("golden.json", None, "golden_difference", "there is no golden.json"),
        ("golden.json", b'{"tolerance": 0, "cases": []}', "golden_difference", "at least one case"),
        ("golden.json", NO_ROW, "golden_difference", "fit"),
        ("evaluation.json", b"[1", "recorded_difference", "cannot be read as JSON"),
        ("evaluation.json", b"\xff", "recorded_difference", "cannot be read"),
        ("provenance.json", None, "provenance_gaps", "there is no provenance.json"),
        ("provenance.json", b"{}", "provenance_gaps", "git_commit is unknown"),
        ("baseline.json", None, "score_drift", "there is no baseline.json"),
        ("baseline.json", NO_FEATURES, "score_drift", "no feature 'age'"),
    ],
)
def test_a_broken_package_blocks_and_names_the_file(
    world: Any, repromise: Any, name: str, content: bytes | None, measure: str, says: str
) -> None:
    proposal = world.proposal()
    file: Path = proposal.challenger.folder / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    report = world.run(repromise(proposal))

    outcome = find(report, measure)
    assert outcome.outcome in ("error", "fail")
    assert says in outcome.sentence
    assert len(report.verdict.outcomes) == len(catalogue_of(TASKS["binary_classification"]).kinds)
    assert not report.promotes


def test_a_package_that_records_less_than_all_its_metrics_blocks(
    world: Any, repromise: Any, edit_document: Any
) -> None:
    proposal = world.proposal()
    edit_document(proposal.challenger.folder / "evaluation.json", lambda document: document["metrics"].pop("f1"))

    assert "records no f1" in find(world.run(repromise(proposal)), "recorded_difference").sentence


def test_a_manifest_that_states_another_origin_blocks(world: Any) -> None:
    proposal = world.proposal()
    other = world.promised(proposal.challenger.folder, job="another_job")

    outcome = find(world.run(replace(proposal, challenger=other)), "provenance_gaps")

    assert outcome.outcome == "fail"
    assert "job is 'polite_fox_1' in the package and 'another_job' in the manifest" in outcome.sentence


def test_code_with_uncommitted_changes_blocks(world: Any, edit_document: Any) -> None:
    proposal = world.proposal()
    dirty = proposal.challenger.release.source.git_commit + "-dirty"
    edit_document(proposal.challenger.folder / "provenance.json", lambda document: document.update(git_commit=dirty))
    stated = world.promised(proposal.challenger.folder, git_commit=dirty)

    outcome = find(world.run(replace(proposal, challenger=stated)), "provenance_gaps")

    assert outcome.outcome == "fail"
    assert "uncommitted" in outcome.sentence


@pytest.mark.parametrize("count", [None, 10], ids=["none", "too few"])
def test_without_recent_inputs_drift_does_not_block_only_because_its_rule_says_so(
    world: Any, gates_text: str, count: int | None
) -> None:
    proposal = world.proposal()
    recent = None if count is None else proposal.recent.head(count)
    proposal = replace(proposal, recent=recent)

    allowed = find(world.run(proposal), "score_drift")
    refused = find(world.run(proposal, gates_text.replace(", missing: pass", "")), "score_drift")

    assert (allowed.outcome, refused.outcome) == ("not measured", "fail")
    assert "recent inputs" in allowed.sentence


def test_recent_inputs_that_cannot_be_read_block_whatever_the_rule_says_of_missing_ones(world: Any) -> None:
    proposal = replace(world.proposal(), recent=None, recent_problem="the collected inputs of x cannot be read: 403")

    report = world.run(proposal)

    assert {each.rule.measure for each in report.verdict.blocking} == {"largest_feature_drift", "score_drift"}
    assert all("403" in each.sentence for each in report.verdict.blocking)


def test_what_is_wrong_with_some_recent_inputs_is_in_the_report(world: Any) -> None:
    proposal = replace(world.proposal(), recent_notes=("3 collected lines are half-written",))

    assert "3 collected lines are half-written" in markdown_report(world.run(proposal))


def test_subgroups_too_small_to_compare_block_and_are_still_shown(world: Any, gates_text: str) -> None:
    report = world.run(world.proposal(), gates_text.replace("rows: 100", "rows: 5000"))

    assert find(report, "selection_rate_difference.kind").outcome == "fail"
    assert len(report.evidence.performance.subgroups) == 3
    assert not any(each.counted for each in report.evidence.performance.subgroups)


def test_held_out_rows_that_are_not_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no parquet")

    for name in ("rows.parquet", "missing.parquet"):
        with pytest.raises(InputError):
            read_held_out(tmp_path / name)


def test_documents_about_bytes_do_not_disturb_other_gates(world: Any, edit_document: Any) -> None:
    """One bad file blocks by its own gate, and all others are judged still."""
    proposal = world.proposal()
    edit_document(proposal.challenger.folder / "provenance.json", lambda document: document.update(job="other"))

    report = world.run(proposal)

    assert {each.rule.measure for each in report.verdict.blocking} == {"digest_differences", "provenance_gaps"}
