"""Train the template's model of a table: boosting whose size fits it, texts, calibration, and a decision threshold.

Class imbalance: rows are neither resampled nor weighted. Boosting with log loss needs neither to rank well, and both
would bias every probability. Imbalance only calls for a threshold other than one half: of a binary classification the
one with the highest F1 on rows that the model did not see.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from boosting_search import Boosted, Fold, Report, Setting, Table, search
from category_means import columns_of_many
from sklearn.model_selection import KFold, StratifiedKFold
from text_scores import fit_text, held_out_scores

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.encoding import concatenated
from model_package.rows.split import TRAIN, VALIDATION, Part, read_part
from model_package.schema import BINARY_CLASSIFICATION, REGRESSION, Decision, Schema
from model_package.steps.calibration import Calibration, calibrate, finite_rows
from model_package.steps.held_out import CHOSEN_BY, choose_threshold, main_metric, measured
from model_package.steps.sklearn_model import fitting_threads, save_model
from model_package.steps.table_model import Doubles, TableModel, class_probabilities
from model_package.steps.tracking import record, report_progress
from model_package.tasks import base_task

# Tables of at most so many rows and classes are cross-validated; more classes would take as many times longer.
SMALL_ROWS = 3_000
FEW_CLASSES = 5
FOLDS = 4
# The learning rate, and what is tried: leaves, rows per leaf, share of the features (benchmarks/default_model.py).
_SMALL = (0.1, ((6, 20, 0.5), (24, 5, 0.25), (24, 20, 1.0)))
_MIDDLE = (0.05, ((10, 20, 0.5), (40, 20, 0.5)))
_LARGE = (0.1, ((24, 20, 0.5),))
# Where there is time for few trees, each must count for more.
_HUGE = (0.2, ((31, 20, 0.5),))
# Rows x features x trees of one iteration, from which a table is large; and the iterations below which it is huge.
_LARGE_WORK = 400_000
_FEW_ITERATIONS = 100

EXAMPLE = (
    "example: python components/train_model/train_model.py "
    "--split-data out/split --trained-model out/model --iterations 200"
)


@dataclass(frozen=True)
class Tuning:
    """The parameters of the boosting, 0 where the rows decide; component.yml states their ranges."""

    iterations: int = 0
    learning_rate: float = 0.0
    maximum_leaves: int = 0
    minimum_leaf_rows: int = 0
    l2_regularization: float = 1.0
    feature_share: float = 0.0
    seed: int = 7

    def settings(self, table: Table) -> list[Setting]:
        """Return what is to be tried on a table: less where it takes longer."""
        rate, shapes = _to_try(table)
        given = {
            (self.maximum_leaves or leaves, self.minimum_leaf_rows or least, self.feature_share or share)
            for leaves, least, share in shapes
        }
        return [
            Setting(
                learning_rate=self.learning_rate or rate,
                maximum_leaves=leaves,
                minimum_leaf_rows=least,
                l2_regularization=self.l2_regularization,
                feature_share=share,
                seed=self.seed,
                iterations=self.iterations,
            )
            for leaves, least, share in sorted(given)
        ]


def _to_try(table: Table) -> tuple[float, tuple[tuple[int, int, float], ...]]:
    if len(table.target) <= SMALL_ROWS:
        return _SMALL
    if table.work <= _LARGE_WORK:
        return _MIDDLE
    return _HUGE if table.most_iterations < _FEW_ITERATIONS else _LARGE


@dataclass(frozen=True)
class Trained:
    """A fitted model, with the raw scores of rows that it did not see [rows, scores], and their targets [rows]."""

    model: TableModel
    scores: Doubles
    target: Doubles
    setting: Setting | None
    calibration: Calibration

    @property
    def answer(self) -> Doubles:
        """The probability of the positive class [rows] of a binary classification."""
        return class_probabilities(self.scores, 2)[:, 1]


def fit(
    train: Part, validation: Part, schema: Schema, tuning: Tuning, log: Callable[[dict[str, float]], None] | None = None
) -> Trained:
    """Fit boosting and texts to both parts, and calibrate on rows that were held out from what is calibrated.

    `log` receives the main metric of the held-out rows whenever trees were added.
    """
    rows = concatenated([train.rows, validation.rows])
    given = np.concatenate([train.target, validation.target])
    known, target = _known_classes(given, schema)
    # A mean per class: for many classes, more columns than trees can look through.
    many = tuple(columns_of_many(schema)) if len(known) <= FEW_CLASSES else ()
    table = Table(rows.features, target, len(known), many)
    folds, average = _folds(table, len(train.target), schema, tuning.seed)
    report = None if log is None else _report(known, target, schema, log)
    boosted = _boosted(table, folds, tuning, average=average, report=report)
    scores = [boosted.scores if boosted else _zeros(table, folds)]
    fits = len(known) != 1
    everything = np.arange(len(target))
    texts = tuple(fit_text(each, target, len(known), everything) if fits else None for each in rows.texts)
    for column, text in zip(rows.texts, texts, strict=True):
        found = None if text is None else held_out_scores(column, target, len(known), folds, table.scores)
        scores.append(_zeros(table, folds) if found is None else found)
    parts = np.stack(scores)
    seen = finite_rows(parts)
    adjusted = (
        calibrate(parts[:, seen], target[seen], len(known))
        if fits
        else Calibration(np.ones(len(parts)), np.zeros(1), 0.0)
    )
    members = boosted.members if boosted else ()
    model = TableModel(known, members, texts, adjusted.weights, adjusted.intercepts)
    final = np.tensordot(adjusted.weights, parts[:, seen], axes=1) + adjusted.intercepts
    return Trained(model, final, target[seen], boosted.setting if boosted else None, adjusted)


def _known_classes(target: npt.NDArray[np.generic], schema: Schema) -> tuple[npt.NDArray[np.int64], Doubles]:
    """Return the places of the classes that occur, none of a regression, and the target by their numbers."""
    if base_task(schema) == REGRESSION:
        return np.empty(0, np.int64), target.astype(np.float64)
    known, places = np.unique(target.astype(np.int64), return_inverse=True)
    return known, places.astype(np.float64)


def _zeros(table: Table, folds: Sequence[Fold]) -> Doubles:
    found = np.full((len(table.target), table.scores), np.nan)
    for _, held_out in folds:
        found[held_out] = 0.0
    return found


def _folds(table: Table, train_rows: int, schema: Schema, seed: int) -> tuple[list[Fold], bool]:
    """Return which rows fit and which are held out, and whether the folds' members are averaged.

    Rows of a class that has fewer than there are folds fit in all of them.
    """
    everything = np.arange(len(table.target))
    if len(everything) > SMALL_ROWS or table.classes > FEW_CLASSES or schema.time or schema.group:
        fitting = everything < train_rows
        rare = ~np.isin(table.target, table.target[fitting]) if table.classes else np.zeros_like(fitting)
        return [(everything[fitting | rare], everything[~fitting & ~rare])], False
    if not table.classes:
        splits = KFold(min(FOLDS, len(everything)), shuffle=True, random_state=seed).split(everything)
        return [(rows, held_out) for rows, held_out in splits], True
    counts = np.bincount(table.target.astype(np.int64))
    rare = counts[table.target.astype(np.int64)] < FOLDS
    common, always = everything[~rare], everything[rare]
    if not len(common):
        return [(everything, everything)], True
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(common, table.target[common])
    return [(np.concatenate([common[rows], always]), common[held_out]) for rows, held_out in splits], True


def _report(
    known: npt.NDArray[np.int64], target: Doubles, schema: Schema, log: Callable[[dict[str, float]], None]
) -> Report:
    """Return what measures the task's main metric on the rows that were held out."""

    def report(scores: Doubles) -> None:
        seen = np.isfinite(scores).all(axis=1)
        log(main_metric(known, scores[seen], target[seen], schema))

    return report


def _boosted(
    table: Table, folds: Sequence[Fold], tuning: Tuning, *, average: bool, report: Report | None
) -> Boosted | None:
    """Return what was boosted; None where there is nothing to tell rows apart by, or only one class."""
    if table.classes == 1 or not table.features.shape[1]:
        return None
    return search(table, folds, tuning.settings(table), average=average, report=report)


def held_out_metrics(trained: Trained, schema: Schema) -> dict[str, float]:
    """Return the task's metrics on the rows that were held out; those that can be measured there."""
    return measured(trained.model.classes_, trained.scores, trained.target, schema)


def main() -> int:
    """Train on the parts of a split and write the model, with its threshold where it has one."""
    defaults = Tuning()
    parser = argparse.ArgumentParser(description="Train and calibrate the model.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder for the model")
    for name, value in asdict(defaults).items():
        option = f"--{name.replace('_', '-')}"
        chosen = "what does best on rows that were held out" if not value else str(value)
        parser.add_argument(option, type=type(value), default=value, help=f"default: {chosen}")
    arguments = parser.parse_args()
    tuning = Tuning(**{name: getattr(arguments, name) for name in asdict(defaults)})

    schema = read_schema(arguments.split_data)
    train, validation = (read_part(arguments.split_data, part, schema) for part in (TRAIN, VALIDATION))
    rounds = count(1)
    with fitting_threads(len(train.target)):
        # A sweep stops a training that falls behind (pipelines/tune.yml).
        trained = fit(train, validation, schema, tuning, lambda found: report_progress(found, next(rounds)))
    document: dict[str, Any] = {"tuning": asdict(tuning), "calibration": trained.calibration.as_document()}
    if base_task(schema) == BINARY_CLASSIFICATION:
        decision = Decision(choose_threshold(trained.target, trained.answer), CHOSEN_BY)
        document["decision"], schema = asdict(decision), schema.with_decision(decision)
    document["chosen"] = asdict(trained.setting) if trained.setting else None
    document["metrics"] = metrics = held_out_metrics(trained, schema)
    arguments.trained_model.mkdir(parents=True, exist_ok=True)
    save_model(trained.model, arguments.trained_model)
    write_json(arguments.trained_model / "training.json", document)
    write_lineage(arguments.trained_model, arguments.split_data, __file__)
    chosen = {f"chosen_{name}": value for name, value in (document["chosen"] or {}).items()}
    record({**asdict(tuning), **chosen}, metrics, step=next(rounds))
    print(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
