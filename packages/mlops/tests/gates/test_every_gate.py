"""For every measure of the catalogue: a release that passes its gate, and one that the gate blocks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest

from mlops.gates.evidence import Proposal
from mlops.gates.report import GateReport
from mlops.settings.gates import catalogue_of
from model_package.tasks import TASKS

Edit = Callable[[Proposal], None]


@dataclass(frozen=True)
class Bad:
    """How a challenger comes to be blocked: another model, changed documents or inputs, or a tighter rule."""

    model: dict[str, Any] | None = None
    documents: dict[str, Callable[[dict[str, Any]], None]] | None = None
    recent: pl.Expr | None = None
    repromised: bool = True
    tighter: tuple[str, str] = ("", "")
    outcome: str = "fail"


def set_value(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


NARROWER = [
    {"name": "age", "type": "integer", "minimum": 25, "maximum": 90, "categories": None},
    {"name": "income", "type": "number", "minimum": 0, "maximum": None, "categories": None},
    {"name": "kind", "type": "integer", "minimum": None, "maximum": None, "categories": [1, 2, 3]},
]
GUESSING = {"weights": (0.0, 0.1, 0.4), "bias": -1.0}
SLOW = {"slow_layers": 30}
BY_KIND = {"weights": (0.05, -1.2, 1.5), "bias": -4.5}

CASES: dict[str, Bad] = {
    "roc_auc": Bad(model=GUESSING),
    "average_precision": Bad(model=GUESSING),
    "f1": Bad(model={"bias": -9.0}),
    "brier": Bad(model={"bias": 2.0}),
    "calibration_error": Bad(model={"bias": 2.0}),
    "selection_rate_difference.kind": Bad(model=BY_KIND),
    "true_positive_rate_difference.kind": Bad(model=BY_KIND),
    "recorded_difference": Bad(documents={"evaluation.json": set_value("metrics", "roc_auc", "value", value=0.95)}),
    "golden_difference": Bad(documents={"golden.json": set_value("cases", 0, "probability", value=[0.77])}),
    "golden_decision_changes": Bad(documents={"golden.json": set_value("cases", 0, "decision", value=[7])}),
    "largest_feature_drift": Bad(recent=pl.col("age") + 25),
    "score_drift": Bad(recent=pl.col("age") + 25),
    "latency_p50_milliseconds": Bad(model=SLOW, tighter=("max_ratio: 50", "max_ratio: 3")),
    "latency_p99_milliseconds": Bad(model=SLOW, tighter=("milliseconds, max: 200", "milliseconds, max: 0.03")),
    "package_megabytes": Bad(model=SLOW),
    "schema_breaks": Bad(model={"features": NARROWER}),
    "provenance_gaps": Bad(documents={"provenance.json": set_value("git_commit", value="unknown")}),
    "digest_differences": Bad(documents={"provenance.json": set_value("job", value="other")}, repromised=False),
}


def outcome_of(report: GateReport, measure: str) -> str:
    return next(each.outcome for each in report.verdict.outcomes if each.rule.measure == measure)


def test_every_measure_of_the_catalogue_has_a_case() -> None:
    catalogue = catalogue_of(TASKS["binary_classification"])

    assert set(CASES) == set(catalogue.known(("kind",)))
    assert len(CASES) == len(catalogue.kinds)


def test_a_good_challenger_passes_every_gate(world: Any) -> None:
    report = world.run(world.proposal())

    assert {each.outcome for each in report.verdict.outcomes} == {"pass"}
    assert {each.rule.measure for each in report.verdict.outcomes} == set(CASES)
    assert report.promotes


@pytest.mark.parametrize("measure", CASES)
def test_the_gate_blocks(
    measure: str, world: Any, recipe: Any, gates_text: str, edit_document: Any, repromise: Any
) -> None:
    bad = CASES[measure]
    # given a challenger that is bad in one way
    proposal = world.proposal(recipe(**(bad.model or {})))
    for name, change in (bad.documents or {}).items():
        edit_document(proposal.challenger.folder / name, change)
    if bad.recent is not None:
        proposal = replace(proposal, recent=proposal.recent.with_columns(bad.recent))
    if bad.repromised:
        proposal = repromise(proposal)

    # when its gates are run
    report = world.run(proposal, gates_text.replace(*bad.tighter))

    # then this gate blocks, and with it the release
    assert outcome_of(report, measure) == bad.outcome
    assert not report.promotes


def test_documents_about_bytes_do_not_disturb_other_gates(world: Any, edit_document: Any) -> None:
    """One bad file blocks by its own gate, and all others are judged still."""
    proposal = world.proposal()
    edit_document(proposal.challenger.folder / "provenance.json", set_value("job", value="other"))

    report = world.run(proposal)

    blocked = {each.rule.measure for each in report.verdict.blocking}
    assert blocked == {"digest_differences", "provenance_gaps"}
