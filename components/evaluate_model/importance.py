"""Permutation importance: what the model's main metric loses when one feature is shuffled. No I/O."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model_package.rows.encoding import Tensors
from model_package.rows.split import Part
from model_package.schema import TEXT, Schema
from model_package.statistics.bootstrap import point_values
from model_package.tasks import Task

# More rows hardly change the order of the features, and the cost grows with every row.
LARGEST_SAMPLE = 1_500
# Fewer rows, where each of them is answered for many features and classes, or has long texts.
LARGEST_ANSWERS = 600_000
LARGEST_CHARACTERS = 8_000_000
SMALLEST_SAMPLE = 100

Doubles = npt.NDArray[np.float64]
Answer = Callable[[Tensors], Doubles]


def permutation_importance(answer: Answer, test: Part, task: Task, seed: int) -> dict[str, float]:
    """Return how much worse the task's main metric gets when each feature is shuffled, on a sample of the test set.

    A timestamp's parts are shuffled together. Every feature is shuffled in the same order, and all shuffled copies are
    scored in one call.
    """
    schema, random = task.schema, np.random.default_rng(seed)
    chosen = random.permutation(len(test.target))[: sample_size(test, schema)]
    rows, target = test.rows[chosen], test.target[chosen]
    order = random.permutation(len(chosen))
    answers = np.split(answer(_shuffled_copies(rows, order, schema)), len(schema.names) + 1)
    values = [point_values(task.prepare(target, each, bins=1))[task.main_metric] for each in answers]
    sign = -1.0 if task.metric(task.main_metric).better == "lower" else 1.0
    losses = {name: sign * (values[-1] - values[at]) for at, name in enumerate(schema.names)}
    # A sample without two outcomes defines no metric, and so no feature matters more than another.
    return {name: loss if np.isfinite(loss) else 0.0 for name, loss in losses.items()}


def sample_size(test: Part, schema: Schema) -> int:
    """Return how many rows are shuffled: fewer where there are many features and classes, or long texts."""
    copies = len(schema.names) + 1
    size = min(LARGEST_SAMPLE, LARGEST_ANSWERS // (copies * max(1, len(schema.classes))))
    characters = sum(sum(map(len, each[:, 0])) for each in test.rows.texts) / max(1, len(test.target))
    if characters:
        size = min(size, int(LARGEST_CHARACTERS / (copies * characters)))
    return max(size, SMALLEST_SAMPLE)


def _shuffled_copies(rows: Tensors, order: npt.NDArray[np.intp], schema: Schema) -> Tensors:
    """Return the rows once per feature with this one shuffled, and then as they are."""
    copies = len(schema.names) + 1
    matrix = np.tile(rows.features, (copies, 1, 1))
    texts = [np.tile(each, (copies, 1, 1)) for each in rows.texts]
    column = text = 0
    for at, feature in enumerate(schema.features):
        if feature.type == TEXT:
            texts[text][at] = rows.texts[text][order]
            text += 1
        end = column + len(feature.matrix_columns)
        matrix[at, :, column:end] = rows.features[order, column:end]
        column = end
    flat = (each.reshape(copies * len(rows), 1) for each in texts)
    return Tensors(matrix.reshape(copies * len(rows), -1), tuple(flat))
