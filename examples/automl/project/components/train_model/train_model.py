"""Let FLAML look for a model of a table, and export the best one as an ONNX graph, which later steps take as it is.

A baseline: what an automatic search finds without a thought about the data. FLAML tries XGBoost and, where no column
may have missing values, LightGBM, random forests and extra trees, whose exported graphs answer rows with missing values
otherwise than the model. Each trial is measured on the validation part.
"""

import argparse
import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import flaml
import numpy as np
import numpy.typing as npt
from graph import as_graph

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.split import TRAIN, VALIDATION, Part, read_part
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, REGRESSION, Decision, Schema
from model_package.statistics.bootstrap import point_values
from model_package.steps.onnx_model import save_graph
from model_package.steps.tracking import record
from model_package.tasks import task_of

CHOSEN_BY = "maximum F1 on the validation part"
# FLAML's names of the tasks, and what it measures a trial with.
_TASKS = {
    BINARY_CLASSIFICATION: ("classification", "roc_auc"),
    MULTICLASS_CLASSIFICATION: ("classification", "log_loss"),
    REGRESSION: ("regression", "rmse"),
}
_WITH_MISSING = ("xgboost", "xgb_limitdepth")
_WITHOUT_MISSING = (*_WITH_MISSING, "lgbm", "rf", "extra_tree")
# A threshold where the validation part has one class only.
_EVEN = 0.5

EXAMPLE = (
    "example: python components/train_model/train_model.py --split-data out/split --trained-model out/model --trials 30"
)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tuning:
    """The parameters of the search; component.yml states their ranges."""

    trials: int = 40
    seed: int = 7


def learners(schema: Schema, *parts: Part) -> tuple[str, ...]:
    """Return the learners whose graph answers every row of these columns as the model does."""
    may_miss = any(feature.nullable for feature in schema.features)
    has_missing = any(bool(np.isnan(part.features).any()) for part in parts)
    return _WITH_MISSING if may_miss or has_missing else _WITHOUT_MISSING


def search(train: Part, validation: Part, schema: Schema, tuning: Tuning) -> flaml.AutoML:
    """Return FLAML's search. A number of trials, and one thread: a time limit gives another model on a busy machine."""
    task, metric = _TASKS[schema.task]
    found = flaml.AutoML()
    found.fit(
        train.features,
        train.target,
        X_val=validation.features,
        y_val=validation.target,
        task=task,
        metric=metric,
        estimator_list=list(learners(schema, train, validation)),
        max_iter=tuning.trials,
        time_budget=-1,
        # In turn: which learner is next must not depend on how long trials took.
        learner_selector="roundrobin",
        sample=False,
        # What was measured is what is kept.
        retrain_full=False,
        n_jobs=1,
        seed=tuning.seed,
        verbose=0,
        mlflow_logging=False,
    )
    return found


def answers(model: Any, classes: npt.NDArray[np.int64], part: Part, schema: Schema) -> Doubles:
    """Return the model's own answers, [rows] or [rows, classes]; a class that training lacked has 0.

    `classes` are the places of the classes that training had.
    """
    if schema.task == REGRESSION:
        return np.asarray(model.predict(part.features), dtype=np.float64)
    known = np.asarray(model.predict_proba(part.features), dtype=np.float64)
    found = np.zeros((len(part.features), max(2, len(schema.classes))))
    found[:, classes] = known
    return found if schema.task == MULTICLASS_CLASSIFICATION else found[:, 1]


def choose_threshold(target: npt.NDArray[np.generic], probability: Doubles) -> float:
    """Return the probability from which a row counts as positive so that F1 is highest.

    It lies half-way to the next lower probability, so that rounding to float32 flips no row.
    """
    if not 0 < target.sum() < len(target):
        return _EVEN
    falling = np.argsort(-probability, kind="stable")
    hits, values = np.cumsum(target[falling]), probability[falling]
    # Rows of equal probability are decided alike: the last of them counts.
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    f1 = 2 * hits[ends] / (ends + 1 + target.sum())
    best = int(f1.argmax())
    lower = values[ends[best + 1]] if best + 1 < len(ends) else 0.0
    return float((values[ends[best]] + lower) / 2)


def main() -> int:
    """Search on the parts of a split and write the best model's graph, with its threshold where it has one."""
    defaults = Tuning()
    parser = argparse.ArgumentParser(description="Search a model and export it to ONNX.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder for the graph")
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")
    arguments = parser.parse_args()
    tuning = Tuning(**{name: getattr(arguments, name) for name in asdict(defaults)})
    # It says at each trial what it does.
    logging.getLogger("flaml").setLevel(logging.ERROR)

    schema = read_schema(arguments.split_data)
    if schema.texts:
        names = ", ".join(feature.name for feature in schema.texts)
        print(f"this search reads no texts: ignore {names} in schema.yml, or take another step", file=sys.stderr)
        return 1
    train, validation = (read_part(arguments.split_data, part, schema) for part in (TRAIN, VALIDATION))
    found = search(train, validation, schema, tuning)
    model = found.model.estimator
    # FLAML numbers the classes that training has; these are their places among all.
    classes = np.asarray([] if schema.task == REGRESSION else found.classes_, dtype=np.int64)
    expected = answers(model, classes, validation, schema)
    # FLAML's own numbers are numpy's, which JSON does not have.
    config = json.loads(json.dumps(found.best_config, default=float))
    document: dict[str, Any] = {
        "tuning": asdict(tuning),
        "learners": list(learners(schema, train, validation)),
        "learner": found.best_estimator,
        "config": config,
    }
    if schema.task == BINARY_CLASSIFICATION:
        decision = Decision(choose_threshold(validation.target, expected), CHOSEN_BY)
        document["decision"], schema = asdict(decision), schema.with_decision(decision)
    measured = point_values(task_of(schema).prepare(validation.target, expected))
    # `mlops tune` compares trials by the main metric of this name.
    document["metrics"] = {f"held_out_{name}": value for name, value in measured.items() if np.isfinite(value)}
    save_graph(as_graph(model, classes, train.features.shape[1], schema), expected, arguments.trained_model, schema)
    write_json(arguments.trained_model / "training.json", document)
    write_lineage(arguments.trained_model, arguments.split_data, __file__)
    record({**asdict(tuning), "learner": found.best_estimator, **config}, document["metrics"])
    print(f"{found.best_estimator}: " + ", ".join(f"{name} {value:.4g}" for name, value in document["metrics"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
