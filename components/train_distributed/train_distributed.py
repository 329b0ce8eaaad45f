"""Train gradient boosting in several processes, each of which reads its share of the rows; the first writes the model.

For tables that outgrow one machine: XGBoost's own collective adds up the histograms, so that all grow the same trees.
Trees are added until the loss of the validation part has stopped falling; on the same part the first process calibrates
and chooses the threshold, as train_model does. It exports an ONNX graph, which later steps take as it is.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import xgboost
from booster_graph import as_graph
from ranks import RankError, Ranks
from xgboost.callback import EarlyStopping, TrainingCallback

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.split import TRAIN, VALIDATION, Part, read_part
from model_package.schema import BINARY_CLASSIFICATION, REGRESSION, Decision, Schema
from model_package.steps.calibration import Calibration, calibrate
from model_package.steps.held_out import CHOSEN_BY, choose_threshold, main_metric, measured
from model_package.steps.onnx_model import save_graph
from model_package.steps.table_model import Doubles, class_probabilities
from model_package.steps.tracking import record, report_progress
from model_package.tasks import base_task

_MOST_ITERATIONS = 1_000
# Without a lower loss in so many iterations, more trees do not help.
_PATIENCE = 25
# The main metric is reported after this many iterations, and whenever they have doubled.
_FIRST_REPORT = 40
# Below this, threads wait for each other longer than they work.
_FEW_ROWS = 100_000

EXAMPLE = (
    "example: python components/train_distributed/train_distributed.py --split-data out/split --trained-model out/model"
)


@dataclass(frozen=True)
class Tuning:
    """The parameters of the boosting, as those of train_model; 0 takes the number beside it."""

    iterations: int = 0
    learning_rate: float = 0.0  # 0.1
    maximum_leaves: int = 0  # 31
    minimum_leaf_rows: int = 0  # 20
    l2_regularization: float = 1.0
    feature_share: float = 0.0  # 0.5
    seed: int = 7

    def settings(self, start: "Start", threads: int) -> dict[str, Any]:
        """Return XGBoost's parameters."""
        return {
            **start.objective,
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "max_depth": 0,
            "max_leaves": self.maximum_leaves or 31,
            "eta": self.learning_rate or 0.1,
            # In XGBoost a row weighs what it adds to the second derivative of the loss.
            "min_child_weight": (self.minimum_leaf_rows or 20) * start.row_weight,
            "lambda": self.l2_regularization,
            "colsample_bynode": self.feature_share or 0.5,
            "seed": self.seed,
            "nthread": threads,
        }


@dataclass(frozen=True)
class Start:
    """What every row is answered before there are trees: raw scores `base` [scores], in units of `scale`.

    `classes` are 0 for a regression. It is that of all rows, whichever process has them.
    """

    base: Doubles
    scale: float
    classes: int

    @classmethod
    def of(cls, train: Part, schema: Schema, ranks: Ranks) -> "Start":
        """Add up what the processes have."""
        if base_task(schema) == REGRESSION:
            target = train.target.astype(np.float64)
            rows, total = ranks.total(np.array([len(target), target.sum()]))
            mean = total / rows
            deviation = float(np.sqrt(ranks.total(np.array([((target - mean) ** 2).sum()]))[0] / rows))
            return cls(np.array([mean]), deviation or 1.0, 0)
        classes = max(2, len(schema.classes))
        counts = ranks.total(np.bincount(train.target.astype(np.int64), minlength=classes).astype(np.float64))
        # As if there were one row more: a class may have none.
        shares = (counts + 1 / classes) / (counts.sum() + 1)
        scores = np.log(shares)
        return cls(np.array([scores[1] - scores[0]]) if classes == 2 else scores, 1.0, classes)

    @property
    def objective(self) -> dict[str, Any]:
        """What XGBoost minimises, and that it adds nothing to the trees."""
        if not self.classes:
            return {"objective": "reg:squarederror", "base_score": 0.0}
        if self.classes == 2:
            return {"objective": "binary:logistic", "base_score": 0.5}
        return {"objective": "multi:softprob", "num_class": self.classes, "base_score": 0.0}

    @property
    def row_weight(self) -> float:
        """What a row weighs on average, at the start."""
        if not self.classes:
            return 1.0
        shares = class_probabilities(self.base[None], self.classes)[0]
        return float((shares * (1 - shares)).mean())

    def matrix(self, part: Part, **options: Any) -> xgboost.QuantileDMatrix:
        """Return rows as XGBoost reads them."""
        target = part.target if self.classes else (part.target - self.base[0]) / self.scale
        made = xgboost.QuantileDMatrix(part.features, target, **options)
        if self.classes:
            margins = np.tile(self.base.astype(np.float32), (len(part.target), 1))
            made.set_base_margin(margins[:, 0] if len(self.base) == 1 else margins)
        return made

    def scores(self, booster: xgboost.Booster, part: Part, iterations: int = 0) -> Doubles:
        """Return raw scores [rows, scores]: of all trees, or of the first ones."""
        found = booster.inplace_predict(part.features, iteration_range=(0, iterations), predict_type="margin")
        return self.base + self.scale * found.astype(np.float64).reshape(len(part.target), len(self.base))


@dataclass(frozen=True)
class Trained:
    """What the first process has: the trees, raw scores of the validation part [rows, scores], and their weights."""

    booster: xgboost.Booster
    start: Start
    scores: Doubles
    calibration: Calibration

    @property
    def final(self) -> Doubles:
        """The calibrated raw scores [rows, scores]."""
        return self.calibration.weights[0] * self.scores + self.calibration.intercepts

    def answer(self, schema: Schema) -> Doubles:
        """Return the model's own answer to the validation part, as the task has it."""
        if not self.start.classes:
            return self.final[:, 0]
        found = class_probabilities(self.final, self.start.classes)
        return found[:, 1] if base_task(schema) == BINARY_CLASSIFICATION else found

    def graph(self, schema: Schema) -> onnx.ModelProto:
        """Return the same model as a graph."""
        weight = float(self.calibration.weights[0])
        base = weight * self.start.base + self.calibration.intercepts
        return as_graph(self.booster, weight * self.start.scale, base, self.start.classes, schema)


class _Progress(TrainingCallback):
    """Says how far the training is, and reports the main metric of the validation part in the first process."""

    def __init__(self, ranks: Ranks, report: Callable[[xgboost.Booster, int], None]) -> None:
        super().__init__()
        self._ranks, self._report, self._next = ranks, report, _FIRST_REPORT

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        if epoch + 1 == self._next:
            self._next *= 2
            print(f"rank {self._ranks.rank}: {epoch + 1} iterations", flush=True)
            if self._ranks.is_first:
                self._report(model, epoch + 1)
        return False


def fit(
    folder: Path, schema: Schema, tuning: Tuning, ranks: Ranks, log: Callable[[dict[str, float]], None]
) -> tuple[xgboost.Booster, Start]:
    """Fit this process's share of the rows together with the others; all return the same trees.

    `log` receives the main metric of the whole validation part, in the first process.
    """
    train, held_out = (read_part(folder, part, schema, ranks.share) for part in (TRAIN, VALIDATION))
    threads = ranks.threads if len(train.target) > _FEW_ROWS else 1
    print(f"rank {ranks.rank} of {ranks.size}: {len(train.target):,} rows, {threads} threads", flush=True)
    if ranks.total(np.array([float(not (len(train.target) and len(held_out.target)))]))[0]:
        raise RankError(f"the parts have too few rows for {ranks.size} processes: use fewer of them")
    start = Start.of(train, schema, ranks)
    whole = held_out if ranks.size == 1 or not ranks.is_first else read_part(folder, VALIDATION, schema)
    known, target = np.arange(start.classes), whole.target.astype(np.float64)
    rows = start.matrix(train, nthread=threads)
    watched = start.matrix(held_out, nthread=threads, ref=rows)
    callbacks: list[TrainingCallback] = [
        _Progress(ranks, lambda model, size: log(main_metric(known, start.scores(model, whole, size), target, schema)))
    ]
    if not tuning.iterations:
        callbacks.append(EarlyStopping(rounds=_PATIENCE, save_best=True))
    booster = xgboost.train(
        tuning.settings(start, threads),
        rows,
        tuning.iterations or _MOST_ITERATIONS,
        evals=[(watched, VALIDATION)],
        callbacks=callbacks,
        verbose_eval=False,
    )
    return booster, start


def finish(folder: Path, schema: Schema, booster: xgboost.Booster, start: Start) -> tuple[Trained, Doubles]:
    """Calibrate on the validation part; return what was trained, and the part's target [rows]."""
    part = read_part(folder, VALIDATION, schema)
    target = part.target.astype(np.float64)
    scores = start.scores(booster, part)
    return Trained(booster, start, scores, calibrate(scores[None], target, start.classes)), target


def write(
    trained: Trained, target: Doubles, schema: Schema, tuning: Tuning, ranks: Ranks, folder: Path, *, step: int
) -> None:
    """Write the graph and training.json, and report the metrics of the validation part."""
    answer = trained.answer(schema)
    document: dict[str, Any] = {
        "tuning": asdict(tuning),
        "processes": ranks.size,
        "calibration": trained.calibration.as_document(),
    }
    if base_task(schema) == BINARY_CLASSIFICATION:
        decision = Decision(choose_threshold(target, answer), CHOSEN_BY)
        document["decision"], schema = asdict(decision), schema.with_decision(decision)
    known, chosen = np.arange(trained.start.classes), {"iterations": trained.booster.num_boosted_rounds()}
    document["chosen"] = chosen
    document["metrics"] = metrics = measured(known, trained.final, target, schema)
    save_graph(trained.graph(schema).SerializeToString(), answer, folder, schema)
    write_json(folder / "training.json", document)
    record({**asdict(tuning), "processes": ranks.size, "chosen_iterations": chosen["iterations"]}, metrics, step=step)
    print(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


def main() -> int:
    """Train on the parts of a split, as one process of however many there are; the exit code is 1 if it is refused."""
    parser = argparse.ArgumentParser(description="Train and calibrate the model in several processes.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder for the model")
    parser.add_argument("--timeout", type=int, default=600, help="seconds to wait for another process (%(default)s)")
    for name, value in asdict(Tuning()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help="default: %(default)s")
    arguments = parser.parse_args()
    tuning = Tuning(**{name: getattr(arguments, name) for name in asdict(Tuning())})
    schema = read_schema(arguments.split_data)
    rounds = count(1)
    try:
        if schema.texts:
            raise RankError("this step reads no columns of type text; train with train_model, or list them in `ignore`")
        ranks = Ranks.of(os.environ)
        with ranks.together(arguments.timeout):
            log = lambda found: report_progress(found, next(rounds))  # noqa: E731
            booster, start = fit(arguments.split_data, schema, tuning, ranks, log)
    except RankError as error:
        print(f"the training is refused: {error}", file=sys.stderr)
        return 1
    if ranks.is_first:
        trained, target = finish(arguments.split_data, schema, booster, start)
        write(trained, target, schema, tuning, ranks, arguments.trained_model, step=next(rounds))
        write_lineage(arguments.trained_model, arguments.split_data, __file__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
