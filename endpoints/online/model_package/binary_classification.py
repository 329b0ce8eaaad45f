"""The task of binary classification: the model's output, what a valid answer is, and the decision rule. Pure: no I/O.

The only module that says `probability` and `decision`. Its metrics are in statistics/binary_metrics.py.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from model_package.errors import ModelError

# The output of the graph, float32 [rows, 1], and the key of its distribution in baseline.json.
OUTPUT = "probability"
PROBABILITY = OUTPUT
DECISION = "decision"
# What the target may be, and what a decision is.
OUTCOMES = (0, 1)
_ADVICE = "evaluate this model again, and roll back where it serves"

Doubles = npt.NDArray[np.float64]


def checked_answer(answer: Any, rows: int) -> Doubles:
    """Return P(target = 1) as float64 [rows], from what the graph answered for so many rows.

    Raises ModelError unless it is one probability from 0 to 1 per row.
    """
    probability = np.asarray(answer, dtype=np.float64)
    if probability.shape not in ((rows, 1), (rows,)):
        raise ModelError(
            f"the model answered {list(probability.shape)} for {rows} rows, not one number per row; {_ADVICE}"
        )
    probability = probability.reshape(-1)
    if not ((probability >= 0) & (probability <= 1)).all():
        wrong = int((~((probability >= 0) & (probability <= 1))).sum())
        raise ModelError(f"`{OUTPUT}` must lie from 0 to 1, and does not for {wrong} of {rows} rows; {_ADVICE}")
    return probability


def decide(probability: npt.NDArray[np.floating[Any]], threshold: float) -> npt.NDArray[np.int64]:
    """Return 1 for each probability from the threshold on, else 0.

    The threshold is compared in the type of the probabilities, so that rounding to float32 flips no decision.
    """
    return (probability >= probability.dtype.type(threshold)).astype(np.int64)


def predictions(probability: Doubles, threshold: float) -> list[dict[str, Any]]:
    """Return the answer to each row as a reply holds it."""
    decisions = decide(probability, threshold)
    return [
        {PROBABILITY: value, DECISION: decision}
        for value, decision in zip(probability.tolist(), decisions.tolist(), strict=True)
    ]
