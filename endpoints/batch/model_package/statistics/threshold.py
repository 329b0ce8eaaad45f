"""The decision rule of a binary classifier. Pure: no I/O; loads no numpy, because catalogues are read without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def decide(probability: npt.NDArray[np.floating[Any]], threshold: float) -> npt.NDArray[np.int64]:
    """Return 1 for each probability from the threshold on, else 0.

    The threshold is compared in the type of the probabilities, so that rounding to float32 flips no decision.
    """
    return (probability >= probability.dtype.type(threshold)).astype("int64")
