"""Evaluate the model on the test set: metrics with intervals, curves, importance, results by slice.

Decides nothing: the gates say what is good enough. Must not use rows of the train or validation set.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from evaluation_report import page
from importance import permutation_importance

from model_package.documents import read_json, write_json
from model_package.evaluation import Estimate, Evaluation, SubgroupEvaluation
from model_package.package import EVALUATION_FILE, REPORT_FILE, read_schema
from model_package.provenance import write_lineage
from model_package.reports.pages import write_page
from model_package.rows.split import TEST, Part, read_part
from model_package.schema import Decision, Schema
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.steps.sklearn_model import fitting_threads
from model_package.steps.tracking import record
from model_package.steps.trained_model import answer as answer_of
from model_package.steps.trained_model import load_model
from model_package.tasks import Task, task_of

CALIBRATION_BINS = 10
# Rows of either class: with fewer, a subgroup's metrics are meaningless. Its rows and rates are reported anyway.
MIN_CLASS_ROWS = 10

EXAMPLE = (
    "example: python components/evaluate_model/evaluate_model.py --split-data out/split "
    "--trained-model out/model --evaluation out/evaluation"
)

Doubles = npt.NDArray[np.float64]
Slices = dict[str, dict[str, SubgroupEvaluation]]


def evaluate_slices(test: Part, answer: Doubles, task: Task, settings: Bootstrap) -> Slices:
    """Evaluate every subgroup of every slice."""
    found: Slices = {}
    schema = task.schema
    for each in schema.slices:
        inside = each.membership(test.features[:, schema.matrix_columns.index(each.column)])
        found[each.name] = {
            label: _subgroup(test.target[rows], answer[rows], task, settings)
            for label, rows in zip(each.labels, inside.T, strict=True)
        }
    return found


def _subgroup(target: npt.NDArray[Any], answer: Doubles, task: Task, settings: Bootstrap) -> SubgroupEvaluation:
    # Of two classes at least there must be so many rows; of a task without classes, so many in all.
    counts = sorted(task.class_counts(target).values()) or [len(target)] * 2
    measured = estimates(task.prepare(target, answer), settings) if counts[-2] >= MIN_CLASS_ROWS else {}
    return SubgroupEvaluation(
        rows=len(target),
        facts=task.subgroup_facts(target, answer),
        metrics={name: measured.get(name, Estimate()) for name in task.subgroup_metrics},
    )


def evaluate(model: Any, test: Part, schema: Schema, settings: Bootstrap) -> tuple[Evaluation, Doubles]:
    """Return the evaluation, and the answers that it is based on."""
    task, answer = task_of(schema), answer_of(model, test.rows, schema)
    found = Evaluation(
        rows=len(test.target),
        facts=task.facts(test.target),
        confidence=settings.confidence,
        metrics=estimates(task.prepare(test.target, answer, CALIBRATION_BINS), settings),
        calibration=task.calibration(test.target, answer, CALIBRATION_BINS),
        importance=permutation_importance(lambda rows: answer_of(model, rows, schema), test, task, settings.seed),
        slices=evaluate_slices(test, answer, task, settings),
    )
    return found, answer


def main() -> int:
    """Evaluate the model and write evaluation.json and report.html."""
    parser = argparse.ArgumentParser(description="Evaluate the model on the test set.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder written by train_model")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder for results and report")
    parser.add_argument("--bootstrap-resamples", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    arguments = parser.parse_args()
    schema = read_schema(arguments.split_data)
    test = read_part(arguments.split_data, TEST, schema)
    decision = read_json(arguments.trained_model / "training.json").get("decision")
    if decision:
        schema = schema.with_decision(Decision(decision["threshold"], decision["chosen_by"]))
    model = load_model(arguments.trained_model, schema)
    settings = Bootstrap(arguments.bootstrap_resamples, arguments.seed)
    with fitting_threads(len(test.target)):
        found, answer = evaluate(model, test, schema, settings)

    arguments.evaluation.mkdir(parents=True, exist_ok=True)
    write_json(arguments.evaluation / EVALUATION_FILE, found.as_document())
    report = arguments.evaluation / REPORT_FILE
    context = page(found, test.target, answer, task_of(schema), settings.rounds)
    write_page(report, Path(__file__).with_name("report.html.j2"), context)
    write_lineage(arguments.evaluation, arguments.trained_model, __file__)
    values = {name: each.value for name, each in found.metrics.items()}
    known = {name: value for name, value in values.items() if value is not None}
    record({"bootstrap_resamples": settings.rounds}, known, [report])
    for name, each in found.metrics.items():
        ends = (each.value, each.low, each.high)
        print(f"{name}: " + " ".join("-" if value is None else f"{value:.4f}" for value in ends))
    return 0


if __name__ == "__main__":
    sys.exit(main())
