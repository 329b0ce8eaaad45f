"""For each task: every gate of the catalogue passes a good model, and blocks a planted bad one alone.

All documents are true of their model, unless they are what is planted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from planted_models import BEST, FEATURES, SCHEMAS, SEED, Recipe, frame, write_package

from mlops.gates.evidence import Proposal
from mlops.gates.plots import draw_plots
from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport, run_gates
from mlops.settings.gates import GatesFile, catalogue_of, read_gates
from mlops.settings.stages import StageOrder
from model_package.package import BASELINE_FILE, EVALUATION_FILE, GOLDEN_FILE, PROVENANCE_FILE
from model_package.schema import Feature
from model_package.tasks import TASKS, Task

ORDER = StageOrder(("dev", "staging", "prod"))

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Bad:
    """What is planted: another model, changed documents or inputs; and the bounds that the good model keeps."""

    bounds: str
    model: Recipe | None = None
    documents: dict[str, Change] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)
    padding: int = 0
    repromised: bool = True
    # What such a fault cannot leave untouched.
    also: tuple[str, ...] = ()


def put(*path: str | int, value: Any) -> Change:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def reverse_counts(key: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        counts = document[key]["counts"]
        document[key]["counts"] = [sum(counts) - sum(counts[1:]) // 10, *(each // 10 for each in counts[1:])]

    return change


def of_every_task(name: str) -> dict[str, Bad]:
    """The gates that look at the package, and not at how good the model is."""
    best, task = BEST[name], TASKS[name]
    narrower = replace(best, features=(Feature("age", minimum=18, maximum=85), *FEATURES[1:]))
    slow, slower = replace(best, slow_layers=30), replace(best, slow_layers=600)
    metric = put("metrics", task.metrics[0].name, "value", value=123.0)
    wrong = [{"low": 1.0, "mid": 0.0, "high": 0.0}] if name == "multiclass_classification" else [1e9]
    return {
        "recorded_difference": Bad("max: 0.001", documents={EVALUATION_FILE: metric}),
        "golden_difference": Bad("max: 0.00001", documents={GOLDEN_FILE: put("cases", 0, task.output, value=wrong)}),
        "largest_feature_drift": Bad("max: 0.25", recent={"kind": 3}),
        "score_drift": Bad("max: 0.25", documents={BASELINE_FILE: reverse_counts(task.represented_as)}),
        "latency_p50_milliseconds": Bad("max_ratio: 5", model=slow, also=("package_megabytes",)),
        "latency_p99_milliseconds": Bad("max: 2", model=slower, also=("latency_p50_milliseconds", "package_megabytes")),
        "package_megabytes": Bad("max_ratio: 10", padding=2_000_000),
        "schema_breaks": Bad("max: 0", model=narrower),
        "provenance_gaps": Bad("max: 0", documents={PROVENANCE_FILE: put("git_commit", value="unknown")}),
        "digest_differences": Bad("max: 0", padding=1, repromised=False),
    }


RARELY_YES = replace(BEST["binary_classification"], bias=(-9.0,))
OFTEN_YES = replace(BEST["binary_classification"], bias=(2.0,))
GUESSING_YES = Recipe(((0.0,), (0.1,), (0.4,)), (-1.0,))
YES_BY_KIND = Recipe(((0.05,), (-1.2,), (1.5,)), (-4.5,))
BEST_CLASSES = BEST["multiclass_classification"]
SHIFTED = replace(BEST["regression"], bias=(104.2,))
WORSE = Recipe(((1.6,), (-24.0,), (0.0,)), (115.0,))
BY_KIND = Recipe(((2.0,), (-30.0,), (2.0,)), (96.0,))
OVERCONFIDENT = replace(BEST_CLASSES, scale=4.0)
GUESSING = Recipe(((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, -0.5, 0.2)), (0.0, 0.0, 0.0))
LABELS_BY_KIND = replace(
    BEST_CLASSES, weights=((0.06, 0.0, -0.06), (0.0, 1.5, -1.5), (4.0, 0.0, -4.0)), bias=(-11.0, 0.0, 11.0)
)

WORSE_MODELS = (
    *(RARELY_YES, OFTEN_YES, GUESSING_YES, YES_BY_KIND),
    *(SHIFTED, WORSE, BY_KIND),
    *(OVERCONFIDENT, GUESSING, LABELS_BY_KIND),
)

CASES: dict[str, dict[str, Bad]] = {
    "binary_classification": {
        "roc_auc": Bad("min: 0.7, max_drop: 0.02", model=GUESSING_YES),
        "average_precision": Bad("min: 0.3, max_drop: 0.06", model=GUESSING_YES),
        "f1": Bad("min: 0.3, max_drop: 0.08", model=RARELY_YES),
        "brier": Bad("max: 0.22, max_rise: 0.02", model=OFTEN_YES),
        "calibration_error": Bad("max: 0.06, max_rise: 0.05", model=OFTEN_YES),
        "selection_rate_difference.kind": Bad("max: 0.15, max_rise: 0.15", model=YES_BY_KIND),
        "true_positive_rate_difference.kind": Bad("max: 0.2, max_rise: 0.3", model=YES_BY_KIND),
        "golden_decision_changes": Bad("max: 0", documents={GOLDEN_FILE: put("cases", 0, "decision", value=[7])}),
        **of_every_task("binary_classification"),
    },
    "regression": {
        "root_mean_squared_error": Bad("max: 7, max_rise: 2", model=WORSE),
        "mean_absolute_error": Bad("max: 4.8, max_rise: 0.5", model=SHIFTED),
        "r2": Bad("min: 0.95, max_drop: 0.02", model=WORSE),
        "mean_absolute_percentage_error": Bad("max: 0.06, max_rise: 0.03", model=WORSE),
        "bias_difference.kind": Bad("max: 2.5, max_rise: 2.5", model=BY_KIND),
        **of_every_task("regression"),
    },
    "multiclass_classification": {
        "log_loss": Bad("max: 1.0, max_rise: 0.02", model=OVERCONFIDENT),
        "accuracy": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "balanced_accuracy": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "f1_macro": Bad("min: 0.5, max_drop: 0.03", model=GUESSING),
        "roc_auc_ovr": Bad("min: 0.7, max_drop: 0.03", model=GUESSING),
        "calibration_error": Bad("max: 0.05", model=OVERCONFIDENT),
        "recall_difference.kind": Bad("max: 0.15, max_rise: 0.15", model=LABELS_BY_KIND),
        "golden_decision_changes": Bad("max: 0", documents={GOLDEN_FILE: put("cases", 0, "label", value=["none"])}),
        **of_every_task("multiclass_classification"),
    },
}
ALL = [(name, measure) for name, cases in CASES.items() for measure in cases]
HEAD = """\
format: 1
bootstrap: {rounds: 200, confidence: 0.95, seed: 7}
calibration_bins: 10
latency_calls: 100
recent_rows: 500
recent_days: 7
min_slice_size: {rows: 100}
slices: [kind]
rules:
"""


def gates(folder: Path, name: str, rules: dict[str, str]) -> GatesFile:
    """gates.yml with bounds by measure."""
    lines = [
        f"  - {{measure: {measure}, why: a test, no_champion: pass, every_stage: {{{bounds}}}}}\n"
        for measure, bounds in rules.items()
    ]
    file = folder / "gates.yml"
    file.write_text(HEAD + "".join(lines))
    return read_gates(file, ORDER, SCHEMAS[name])


def proposed(world: Any, name: str, bad: Bad) -> Proposal:
    """A challenger, with what is planted, against a champion that is the best model."""
    held_out = frame(name, 2_000, SEED["held_out"])
    write_package(world.folder / "champion", name, BEST[name], held_out)
    folder = write_package(world.folder / "challenger", name, bad.model or BEST[name], held_out)
    challenger = world.promised(folder)
    for file, change in bad.documents.items():
        document = json.loads((folder / file).read_text())
        change(document)
        (folder / file).write_text(json.dumps(document))
    if bad.padding:
        (folder / "notes.txt").write_bytes(bytes(bad.padding))
    if bad.repromised:
        challenger = world.promised(folder)
    recent = frame(name, 1_500, SEED["recent"])
    champion = world.promised(world.folder / "champion", "1")
    recent = recent.with_columns(pl.lit(value).alias(column) for column, value in bad.recent.items())
    return Proposal("staging", challenger, champion, held_out, recent)


def blocked(report: GateReport) -> set[str]:
    return {each.rule.measure for each in report.verdict.blocking}


@pytest.mark.parametrize("name", CASES)
def test_every_measure_of_the_catalogue_has_a_case(name: str) -> None:
    assert set(CASES[name]) == set(catalogue_of(TASKS[name]).known(("kind",)))


@pytest.mark.parametrize("name", CASES)
def test_a_good_challenger_passes_every_gate_and_is_reported(name: str, world: Any) -> None:
    rules = {measure: bad.bounds for measure, bad in CASES[name].items()}

    report = run_gates(proposed(world, name, Bad("")), gates(world.folder, name, rules))

    assert {each.rule.measure: each.sentence for each in report.verdict.blocking} == {}
    task: type[Task] = TASKS[name]
    assert {chart.title for chart in task.charts} <= set(draw_plots(report))
    assert task.slice_metrics[0].explained in markdown_report(report)
    assert "<svg" in html_report(report)
    json.dumps(report.document(), allow_nan=False)


def case(name: str, measure: str) -> Any:
    """A slow model takes its time, which one task shows as well as three."""
    is_long = measure == "latency_p99_milliseconds" and name != next(iter(CASES))
    return pytest.param(name, measure, id=f"{name}-{measure}", marks=[pytest.mark.long] if is_long else [])


@pytest.mark.parametrize(("name", "measure"), [case(*each) for each in ALL])
def test_the_gate_blocks_and_no_other_one(name: str, measure: str, world: Any) -> None:
    # given a challenger that is bad in one way
    bad = CASES[name][measure]
    # and the rules of a stage; a model that predicts worse does so by more than one metric, of which one is judged here
    worse = {each for each, case in CASES[name].items() if bad.model in WORSE_MODELS and case.model in WORSE_MODELS}
    rules = {each: case.bounds for each, case in CASES[name].items() if each == measure or each not in worse}

    # when its gates are run
    report = run_gates(proposed(world, name, bad), gates(world.folder, name, rules))

    # then this gate blocks, and no other one
    assert blocked(report) == {measure, *bad.also}


@pytest.mark.parametrize(("column", "value"), [("kind", 2), ("age", 40), ("income", 1)])
def test_a_column_that_is_constant_in_the_data_of_one_model_only(world: Any, column: str, value: int) -> None:
    # given a column that was constant where the champion was trained, or where the challenger was
    name, rules = "regression", {measure: bad.bounds for measure, bad in CASES["regression"].items()}
    proposal = proposed(world, name, Bad(""))
    folder = write_package(world.folder / "constant", name, BEST[name], proposal.held_out, {column: value})
    of_champion = replace(proposal, champion=world.promised(folder, "1"))
    of_challenger = replace(proposal, challenger=world.promised(folder))

    # when the gates of the other one are run
    reports = [run_gates(each, gates(world.folder, name, rules)) for each in (of_champion, of_challenger)]

    # then only a model that has never seen the column vary is blocked, and the sentence names the column
    assert blocked(reports[0]) == set()
    assert "largest_feature_drift" in blocked(reports[1])
    assert any(column in each.sentence for each in reports[1].verdict.blocking)


def test_a_model_of_another_task_breaks_the_callers_and_is_not_compared(world: Any) -> None:
    # given a champion of another task
    proposal = proposed(world, "regression", Bad(""))
    held_out = frame("multiclass_classification", 500, 1)
    folder = write_package(
        world.folder / "other", "multiclass_classification", BEST["multiclass_classification"], held_out
    )
    proposal = replace(proposal, champion=world.promised(folder, "1"))

    report = run_gates(proposal, gates(world.folder, "regression", {"schema_breaks": "max: 0", "r2": "max_drop: 0.1"}))

    assert blocked(report) == {"schema_breaks", "r2"}
    sentences = " ".join(each.sentence for each in report.verdict.blocking)
    assert "is a regression, not a multiclass_classification" in sentences
    assert "the champion's task is multiclass_classification" in sentences
