"""Fit gradient boosting, calibrate its probabilities, and choose the decision threshold.

Class imbalance (about one in five defaults): rows are neither resampled nor weighted. Boosting with log loss
needs neither to rank well, and both would bias every probability. Imbalance only calls for a threshold other
than one half: here the one with the highest F1 on the validation set.
"""

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, precision_recall_curve, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.split import TRAIN, VALIDATION, Part, read_part
from model_package.schema import Schema
from model_package.steps.sklearn_model import fitting_threads, save_model
from model_package.steps.tracking import record

CHOSEN_BY = "maximum F1 on the validation part"

EXAMPLE = (
    "example: python components/train_model/train_model.py "
    "--split-data out/split --trained-model out/model --iterations 200"
)


@dataclass(frozen=True)
class Tuning:
    """The parameters of the boosting; component.yml states their ranges."""

    iterations: int = 200
    learning_rate: float = 0.04
    maximum_leaves: int = 12
    minimum_leaf_rows: int = 60
    l2_regularization: float = 10.0
    feature_share: float = 0.3
    seed: int = 7


def build_pipeline(schema: Schema, tuning: Tuning) -> Pipeline:
    """Return the unfitted pipeline: an integer's categories become indicators, the rest passes through, then boosting.

    What is missing stays so: boosting sends it to the better side of each split.
    """
    coded = {
        schema.matrix_columns.index(each.name): list(each.codes)
        for each in schema.features
        if each.is_whole and each.codes is not None
    }
    encoder = OneHotEncoder(
        categories=list(coded.values()),
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    encode = ColumnTransformer([("categories", encoder, list(coded))], remainder="passthrough")
    boost = HistGradientBoostingClassifier(
        max_iter=tuning.iterations,
        learning_rate=tuning.learning_rate,
        max_leaf_nodes=tuning.maximum_leaves,
        min_samples_leaf=tuning.minimum_leaf_rows,
        l2_regularization=tuning.l2_regularization,
        max_features=tuning.feature_share,
        # Early stopping would need rows that calibration and the threshold already use.
        early_stopping=False,
        random_state=tuning.seed,
    )
    return Pipeline([("encode", encode), ("boost", boost)])


def fit(train: Part, validation: Part, schema: Schema, tuning: Tuning) -> CalibratedClassifierCV:
    """Fit on the train set, then calibrate with Platt's sigmoid on the validation set.

    A sigmoid has two parameters and keeps the order of rows; isotonic regression would overfit a few
    thousand rows and give many rows the same probability.
    """
    pipeline = build_pipeline(schema, tuning).fit(train.features, train.target)
    calibrated = CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid")
    return calibrated.fit(validation.features, validation.target)


def choose_threshold(target: npt.NDArray[np.int8], probability: npt.NDArray[np.float64]) -> float:
    """Choose the probability from which a row counts as positive so that F1 is highest.

    The threshold is half-way to the next lower probability, so that rounding to float32 flips no row.
    """
    precision, recall, thresholds = precision_recall_curve(target, probability)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    best = int(f1.argmax())
    lower = thresholds[best - 1] if best else 0.0
    return float((thresholds[best] + lower) / 2)


def main() -> int:
    """Train on the parts of a split and write the model with its threshold."""
    defaults = Tuning()
    parser = argparse.ArgumentParser(description="Train and calibrate the model.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder for the model")
    for name, value in asdict(defaults).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=f"default: {value}")
    arguments = parser.parse_args()
    tuning = Tuning(**{name: getattr(arguments, name) for name in asdict(defaults)})

    schema = read_schema(arguments.split_data)
    train, validation = (read_part(arguments.split_data, part, schema) for part in (TRAIN, VALIDATION))
    with fitting_threads(len(train.target)):
        model = fit(train, validation, schema, tuning)
        probability = model.predict_proba(validation.features)[:, 1]
    threshold = choose_threshold(validation.target, probability)
    metrics = {
        "validation_roc_auc": float(roc_auc_score(validation.target, probability)),
        "validation_brier": float(brier_score_loss(validation.target, probability)),
        "threshold": threshold,
    }
    arguments.trained_model.mkdir(parents=True, exist_ok=True)
    save_model(model, arguments.trained_model)
    decision = {"threshold": threshold, "chosen_by": CHOSEN_BY}
    document = {"decision": decision, "tuning": asdict(tuning), "metrics": metrics}
    write_json(arguments.trained_model / "training.json", document)
    write_lineage(arguments.trained_model, arguments.split_data, __file__)
    record(asdict(tuning), metrics)
    print(f"validation ROC AUC {metrics['validation_roc_auc']:.4f}, threshold {threshold:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
