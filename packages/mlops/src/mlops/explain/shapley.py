"""Shapley values by walks from typical rows to the row that is explained. Pure: no I/O.

A walk begins at a row of the background and takes the features of the explained row one after another, in a random
order and then in the reverse of it; what each step changes is that feature's contribution. The mean over all walks
is the Shapley value (Strumbelj and Kononenko 2014), the reversed walks take half the noise away (Mitchell and others
2022), and the contributions always add up to the row's score minus the mean score of the background.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Score = Callable[[npt.NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class Contributions:
    """What each feature [features] added to `base`, the background's mean score, and the standard error of that."""

    base: float
    score: float
    values: Floats
    errors: Floats


def contributions(score: Score, row: Floats, background: Floats, random: np.random.Generator) -> Contributions:
    """Explain one row [features] against a background [rows, features]; `score` takes [rows, features] to [rows].

    Calls `score` with 2 x rows x (features + 1) rows at once.
    """
    count, width = background.shape
    ranks = random.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
    both = np.concatenate([ranks, width - 1 - ranks])
    starts = np.concatenate([background, background])
    taken = both[:, None, :] < np.arange(width + 1)[None, :, None]
    points = np.where(taken, row, starts[:, None, :]).astype(np.float32)
    scores = score(points.reshape(-1, width)).reshape(2 * count, width + 1)
    steps = np.take_along_axis(np.diff(scores, axis=1), both, axis=1)
    pairs = (steps[:count] + steps[count:]) / 2
    errors = pairs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(width, math.nan)
    return Contributions(float(scores[:, 0].mean()), float(scores[:, -1].mean()), pairs.mean(axis=0), errors)
