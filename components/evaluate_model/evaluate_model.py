"""Evaluate the model on the test set: metrics with intervals, curves, importance, results by slice.

Decides nothing: the gates say what is good enough. Must not use rows of the train or validation set.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from figures import (
    draw_calibration,
    draw_importance,
    draw_precision_recall,
    draw_roc,
    draw_scores,
    draw_slices,
)
from sklearn.calibration import CalibratedClassifierCV

from model_package.documents import read_json, write_json
from model_package.evaluation import Estimate, Evaluation, SubgroupEvaluation
from model_package.package import EVALUATION_FILE, REPORT_FILE, read_schema
from model_package.provenance import write_lineage
from model_package.reports.pages import write_page
from model_package.rows.split import TEST, Part, read_part
from model_package.schema import Schema
from model_package.statistics.binary_curves import calibration, curves
from model_package.statistics.binary_metrics import prepare, roc_auc
from model_package.statistics.bootstrap import Bootstrap, estimates
from model_package.steps.sklearn_model import fitting_threads, load_model
from model_package.steps.tracking import record

CALIBRATION_BINS = 10
# More rows hardly change the order of the features, and the cost grows with every row.
IMPORTANCE_ROWS = 1_500
# Rows of either class: with fewer, a subgroup's metrics are meaningless. Its rows and rates are reported anyway.
MIN_CLASS_ROWS = 10
SUBGROUP_METRICS = ("roc_auc", "brier", "f1", "precision", "recall", "selection_rate")

EXAMPLE = (
    "example: python components/evaluate_model/evaluate_model.py --split-data out/split "
    "--trained-model out/model --evaluation out/evaluation"
)

Doubles = npt.NDArray[np.float64]
Slices = dict[str, dict[str, SubgroupEvaluation]]


def evaluate_slices(test: Part, probability: Doubles, threshold: float, schema: Schema, settings: Bootstrap) -> Slices:
    """Evaluate every subgroup of every slice."""
    found: Slices = {}
    for each in schema.slices:
        inside = each.membership(test.features[:, schema.matrix_columns.index(each.column)])
        found[each.name] = {
            label: _subgroup(test.target[rows], probability[rows], threshold, settings)
            for label, rows in zip(each.labels, inside.T, strict=True)
        }
    return found


def _subgroup(
    target: npt.NDArray[np.int8], probability: Doubles, threshold: float, settings: Bootstrap
) -> SubgroupEvaluation:
    rows, positives = len(target), int(target.sum())
    enough = min(positives, rows - positives) >= MIN_CLASS_ROWS
    measured = estimates(prepare(target, probability, threshold), settings) if enough else {}
    return SubgroupEvaluation(
        rows=rows,
        positive_rate=float(target.mean()) if rows else None,
        mean_prediction=float(probability.mean()) if rows else None,
        metrics={name: measured.get(name, Estimate()) for name in SUBGROUP_METRICS},
    )


def permutation_importance(model: CalibratedClassifierCV, test: Part, schema: Schema, seed: int) -> dict[str, float]:
    """Return how much ROC AUC drops when each feature is shuffled, on a sample of the test set.

    Every feature is shuffled in the same order, and all shuffled copies are scored in one call.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(test.target))[:IMPORTANCE_ROWS]
    features, target = test.features[chosen], test.target[chosen]
    order = random.permutation(len(chosen))
    copies = np.tile(features, (len(schema.names) + 1, 1, 1))
    for at, feature in enumerate(schema.features):
        for name in feature.matrix_columns:
            column = schema.matrix_columns.index(name)
            copies[at, :, column] = features[order, column]
    scores = model.predict_proba(copies.reshape(-1, features.shape[1]))[:, 1].reshape(len(copies), -1)
    whole = roc_auc(target, scores[-1])
    return {name: whole - roc_auc(target, scores[at]) for at, name in enumerate(schema.names)}


def evaluate(
    model: CalibratedClassifierCV, test: Part, threshold: float, schema: Schema, settings: Bootstrap
) -> tuple[Evaluation, Doubles]:
    """Return the evaluation, and the probabilities [rows] that it is based on."""
    probability = model.predict_proba(test.features)[:, 1].astype(np.float64)
    found = Evaluation(
        rows=len(test.target),
        positive_rate=float(test.target.mean()),
        threshold=threshold,
        confidence=settings.confidence,
        metrics=estimates(prepare(test.target, probability, threshold, CALIBRATION_BINS), settings),
        calibration=calibration(test.target, probability, CALIBRATION_BINS),
        importance=permutation_importance(model, test, schema, settings.seed),
        slices=evaluate_slices(test, probability, threshold, schema, settings),
    )
    return found, probability


def draw(found: Evaluation, test: Part, probability: Doubles) -> dict[str, str]:
    """Draw all figures: name → SVG."""
    curve = curves(test.target, probability)
    return {
        "roc": draw_roc(curve, found.estimate("roc_auc").value),
        "precision_recall": draw_precision_recall(
            curve, found.estimate("average_precision").value, found.positive_rate
        ),
        "calibration": draw_calibration(found.calibration),
        "scores": draw_scores(test.target, probability, found.threshold),
        "importance": draw_importance(found.importance),
        "slices": draw_slices(found.slices),
    }


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
    threshold = read_json(arguments.trained_model / "training.json")["decision"]["threshold"]
    model = load_model(arguments.trained_model)
    settings = Bootstrap(arguments.bootstrap_resamples, arguments.seed)
    with fitting_threads(len(test.target)):
        found, probability = evaluate(model, test, threshold, schema, settings)

    arguments.evaluation.mkdir(parents=True, exist_ok=True)
    write_json(arguments.evaluation / EVALUATION_FILE, found.as_document())
    report = arguments.evaluation / REPORT_FILE
    context = {"evaluation": found, "figures": draw(found, test, probability), "rounds": settings.rounds}
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
