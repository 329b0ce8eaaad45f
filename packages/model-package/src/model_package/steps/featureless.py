"""What a model reaches that ignores its features: it gives every row the mean, or each class's share of the rows."""

import numpy as np
import numpy.typing as npt
import polars as pl

from model_package.rows.split import encode_target
from model_package.schema import MULTICLASS_CLASSIFICATION, Decision, Schema
from model_package.statistics.bootstrap import point_values
from model_package.tasks import base_task, task_of

Doubles = npt.NDArray[np.float64]


def featureless_answer(schema: Schema, seen: npt.NDArray[np.generic], rows: int) -> Doubles:
    """Return the answer to so many rows, [rows] or [rows, classes], of a model that saw encoded targets [seen]."""
    if base_task(schema) == MULTICLASS_CLASSIFICATION:
        counts = np.bincount(seen.astype(np.int64), minlength=len(schema.classes))
        return np.tile(counts / len(seen), (rows, 1))
    return np.full(rows, float(seen.mean()))


def featureless_metrics(schema: Schema, table: pl.DataFrame) -> dict[str, float]:
    """Return the metrics on a table of a model that saw this table's targets; NaN where the task defines none."""
    task = task_of(schema.with_decision(Decision(0.5)))
    target = encode_target(table, schema)
    return point_values(task.prepare(target, featureless_answer(schema, target, len(target))))
