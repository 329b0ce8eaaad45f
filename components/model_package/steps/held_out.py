"""What rows that a model did not see say of it: the decision threshold of a binary classification, and metrics."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve

from model_package.schema import BINARY_CLASSIFICATION, REGRESSION, Decision, Schema
from model_package.statistics.bootstrap import point_values
from model_package.steps.table_model import Doubles, class_probabilities
from model_package.tasks import base_task, task_of

CHOSEN_BY: Final = "maximum F1 on rows that were held out from training"
# A threshold where all held-out rows are of one class.
EVEN: Final = 0.5


def choose_threshold(target: npt.NDArray[np.generic], scores: Doubles) -> float:
    """Choose the score from which a row counts as positive so that F1 is highest.

    The threshold is half-way to the next lower score, so that rounding to float32 flips no row.
    """
    if not 0 < target.sum() < len(target):
        return EVEN
    precision, recall, thresholds = precision_recall_curve(target, scores)
    total = precision[:-1] + recall[:-1]
    balance = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    best = int(balance.argmax())
    lower = thresholds[best - 1] if best else 0.0
    return float((thresholds[best] + lower) / 2)


def held_out_name(metric: str) -> str:
    """Return what a metric on rows that were held out is called: `mlops tune` compares trials by the main one."""
    return f"held_out_{metric}"


def measured(known: npt.NDArray[np.int64], scores: Doubles, numbered: Doubles, schema: Schema) -> dict[str, float]:
    """Return the metrics of raw scores [rows, scores] and of targets by their numbers [rows]."""
    if base_task(schema) == REGRESSION:
        target, answer = numbered, scores[:, 0]
    else:
        target = known[numbered.astype(np.int64)]
        answer = np.zeros((len(target), max(2, len(schema.classes))))
        answer[:, known] = class_probabilities(scores, len(known))
    answer = answer[:, 1] if base_task(schema) == BINARY_CLASSIFICATION else answer
    found = point_values(task_of(schema).prepare(target, answer))
    return {held_out_name(name): value for name, value in found.items() if np.isfinite(value)}


def main_metric(known: npt.NDArray[np.int64], scores: Doubles, numbered: Doubles, schema: Schema) -> dict[str, float]:
    """Return the task's main metric alone, by its name; it needs no decision threshold yet. Takes what `measured` does.

    Empty where it cannot be measured.
    """
    decided = schema.with_decision(Decision(EVEN, "")) if base_task(schema) == BINARY_CLASSIFICATION else schema
    name, found = held_out_name(task_of(schema).main_metric), measured(known, scores, numbered, decided)
    return {name: found[name]} if name in found else {}
