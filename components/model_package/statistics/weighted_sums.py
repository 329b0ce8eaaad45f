"""Sums of columns under many weightings at once, which the metrics of every task are made of. Pure: no I/O."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Values = dict[str, Doubles]
Masks = Mapping[str, npt.NDArray[np.bool_]]

# OpenBLAS multiplies with threads above this. They win nothing here, and on a busy machine, where they wait for
# each other, they cost twenty times the work.
_SINGLE_THREAD_PRODUCTS = 1 << 18


class Scored(Protocol):
    """One model's answers, prepared for weightings: how often each row counts."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        ...

    def measure(self, weights: Floats) -> Values:
        """Return every metric for every weighting: weights [weightings, rows] → arrays [weightings].

        What a weighting does not define is NaN there.
        """
        ...


def weighted_sums(weights: Floats, terms: Floats) -> Doubles:
    """Multiply [weightings, rows] with [rows, columns], in pieces too small for threads."""
    step = max(1, _SINGLE_THREAD_PRODUCTS // (weights.shape[0] * terms.shape[1]))
    sums = np.zeros((weights.shape[0], terms.shape[1]))
    for start in range(0, weights.shape[1], step):
        sums += weights[:, start : start + step] @ terms[start : start + step]
    return sums
