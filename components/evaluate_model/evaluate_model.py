"""Measure the model on the test part: metrics with intervals, curves, importance, results by group.

Decides nothing: what is good enough is said by the gates. Nothing here may touch another part's rows.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from figures import (
    draw_calibration,
    draw_groups,
    draw_importance,
    draw_precision_recall,
    draw_roc,
    draw_scores,
)
from sklearn.calibration import CalibratedClassifierCV

from shared.columns import SCHEMA
from shared.documents import read_json, write_json
from shared.lineage import write_lineage
from shared.metrics import CONFIDENCE, calibration, curves, intervals, roc_auc
from shared.model_file import load_model
from shared.pages import write_page
from shared.parts import TEST, Part, read_part
from shared.schema import Schema
from shared.threads import fitting_threads
from shared.tracking import record

CALIBRATION_BINS = 10
# Importance needs no more rows than this to order the features, and its cost grows with every row.
IMPORTANCE_ROWS = 1_500
# Rows of either class: with fewer, metrics of a band say nothing. Its rows and rates are given all the same.
SMALLEST_CLASS = 10
GROUP_METRICS = ("roc_auc", "brier", "f1", "precision", "recall", "flagged_rate")

EXAMPLE = (
    "example: python components/evaluate_model/evaluate_model.py --split-data out/split "
    "--trained-model out/model --evaluation out/evaluation"
)

Doubles = npt.NDArray[np.float64]


def evaluate_groups(
    test: Part, probability: Doubles, threshold: float, schema: Schema, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Measure every band of every group: {group: {band: {rows, rates, metrics}}}."""
    return {
        group.name: {
            band.label: _band(test.target[inside], probability[inside], threshold, resamples, seed)
            for band in group.bands
            for inside in [_inside(test, schema.names.index(group.column), band.low, band.high)]
        }
        for group in schema.groups
    }


def _inside(test: Part, column: int, low: float, high: float) -> npt.NDArray[np.bool_]:
    values = test.features[:, column]
    return (values >= low) & (values <= high)


def _band(
    target: npt.NDArray[np.int8], probability: Doubles, threshold: float, resamples: int, seed: int
) -> dict[str, Any]:
    rows = len(target)
    nothing = {"value": None, "low": None, "high": None}
    enough = min(int(target.sum()), rows - int(target.sum())) >= SMALLEST_CLASS
    measured = intervals(target, probability, threshold, resamples, seed) if enough else {}
    return {
        "rows": rows,
        "positive_rate": float(target.mean()) if rows else None,
        "mean_probability": float(probability.mean()) if rows else None,
        "metrics": {name: measured.get(name, nothing) for name in GROUP_METRICS},
    }


def permutation_importance(model: CalibratedClassifierCV, test: Part, schema: Schema, seed: int) -> dict[str, float]:
    """Give how much ROC AUC falls when each feature is shuffled, on a sample of the test part.

    Every feature is shuffled by the same order, and all the shuffled copies are scored in one call.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(test.target))[:IMPORTANCE_ROWS]
    features, target = test.features[chosen], test.target[chosen]
    order = random.permutation(len(chosen))
    copies = np.tile(features, (len(schema.names) + 1, 1, 1))
    for column in range(len(schema.names)):
        copies[column, :, column] = features[order, column]
    scores = model.predict_proba(copies.reshape(-1, len(schema.names)))[:, 1].reshape(len(copies), -1)
    whole = roc_auc(target, scores[-1])
    return {name: whole - roc_auc(target, scores[at]) for at, name in enumerate(schema.names)}


def evaluate(
    model: CalibratedClassifierCV, test: Part, threshold: float, schema: Schema, resamples: int, seed: int
) -> tuple[dict[str, Any], Doubles]:
    """Give evaluation.json's content and the probabilities [rows] that it rests on."""
    probability = model.predict_proba(test.features)[:, 1].astype(np.float64)
    document = {
        "rows": len(test.target),
        "positive_rate": float(test.target.mean()),
        "threshold": threshold,
        "confidence": CONFIDENCE,
        "metrics": intervals(test.target, probability, threshold, resamples, seed),
        "calibration": calibration(test.target, probability, CALIBRATION_BINS),
        "importance": permutation_importance(model, test, schema, seed),
        "groups": evaluate_groups(test, probability, threshold, schema, resamples, seed),
    }
    return document, probability


def draw(document: dict[str, Any], test: Part, probability: Doubles) -> dict[str, str]:
    """Draw all figures: name → SVG."""
    curve = curves(test.target, probability)
    metrics = document["metrics"]
    return {
        "roc": draw_roc(curve, metrics["roc_auc"]["value"]),
        "precision_recall": draw_precision_recall(
            curve, metrics["average_precision"]["value"], document["positive_rate"]
        ),
        "calibration": draw_calibration(document["calibration"]),
        "scores": draw_scores(test.target, probability, document["threshold"]),
        "importance": draw_importance(document["importance"]),
        "groups": draw_groups(document["groups"]),
    }


def main() -> int:
    """Evaluate the model and write evaluation.json and report.html."""
    parser = argparse.ArgumentParser(description="Evaluate the model on the test part.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder written by train_model")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder for results and report")
    parser.add_argument("--bootstrap-resamples", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    arguments = parser.parse_args()
    test = read_part(arguments.split_data, TEST, SCHEMA)
    threshold = read_json(arguments.trained_model / "training.json")["decision"]["threshold"]
    model = load_model(arguments.trained_model)
    resamples = arguments.bootstrap_resamples
    with fitting_threads(len(test.target)):
        document, probability = evaluate(model, test, threshold, SCHEMA, resamples, arguments.seed)

    arguments.evaluation.mkdir(parents=True, exist_ok=True)
    write_json(arguments.evaluation / "evaluation.json", document)
    report = arguments.evaluation / "report.html"
    context = {"evaluation": document, "figures": draw(document, test, probability), "resamples": resamples}
    write_page(report, Path(__file__).with_name("report.html.j2"), context)
    write_lineage(arguments.evaluation, arguments.trained_model, __file__)
    values = {name: entry["value"] for name, entry in document["metrics"].items()}
    known = {name: value for name, value in values.items() if value is not None}
    record({"bootstrap_resamples": resamples}, known, [report])
    for name, entry in document["metrics"].items():
        print(f"{name}: " + " ".join("-" if value is None else f"{value:.4f}" for value in entry.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
