"""Counting values in bins, exactly and fast. Pure: no I/O.

Counting is done by comparing with each edge, block by block in the processor's cache, which takes a tenth of the
time of searching for each value's bin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK_ROWS = 1 << 16
# Comparing with each of more categories takes longer than looking at each value once.
_COMPARED_CATEGORIES = 32

Counts = npt.NDArray[np.float64]
Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Counted:
    """How often each bin was hit, and how many values were missing (not finite) and are in no bin."""

    counts: Counts
    missing: int

    @property
    def rows(self) -> int:
        """How many values there were, the missing ones included."""
        return int(self.counts.sum()) + self.missing


def count_between(values: Values, edges: npt.ArrayLike) -> Counted:
    """Count values [rows] below, between and above rising edges [bins + 1] → counts [bins + 2].

    The last bin includes its right edge. Exact for float32 values and float64 edges too: each edge is replaced by
    the float32 that splits values alike.
    """
    splits = _splits(np.asarray(edges, dtype=np.float64), values.dtype)
    below = np.zeros(len(splits))
    present = 0
    for block in _blocks(values):
        known = block[np.isfinite(block)]
        present += len(known)
        for index, split in enumerate(splits):
            below[index] += np.count_nonzero(known < split)
    counts = np.diff(np.concatenate([[0.0], below, [float(present)]]))
    return Counted(counts, len(values) - present)


def count_categories(values: Values, categories: npt.ArrayLike) -> Counted:
    """Count values [rows] equal to each of the categories, and all others last → counts [categories + 1]."""
    known = np.asarray(categories, dtype=values.dtype)
    if len(known) > _COMPARED_CATEGORIES and np.array_equal(known, np.arange(len(known))):
        return _count_places(values, len(known))
    counts = np.zeros(len(known) + 1)
    present = 0
    for block in _blocks(values):
        present += int(np.count_nonzero(np.isfinite(block)))
        for index, category in enumerate(known):
            counts[index] += np.count_nonzero(block == category)
    counts[-1] = present - counts[:-1].sum()
    return Counted(counts, len(values) - present)


def _count_places(values: Values, known: int) -> Counted:
    """Count values [rows] that are places in a list of so many categories; all others are one more."""
    counts = np.zeros(known + 1)
    for block in _blocks(values):
        present = block[np.isfinite(block)]
        is_place = (present >= 0) & (present < known) & (present == np.trunc(present))
        counts += np.bincount(np.where(is_place, present, known).astype(np.int64), minlength=known + 1)
    return Counted(counts, len(values) - int(counts.sum()))


def _splits(edges: Counts, kind: np.dtype[Any]) -> list[Any]:
    """Values to compare with: a value lies left of an edge exactly when it is smaller than the edge's split."""
    if kind != np.float32:
        return [*edges[:-1], np.nextafter(edges[-1], np.inf)]
    last = np.float32(edges[-1])
    if float(last) > edges[-1]:
        last = np.nextafter(last, np.float32(-np.inf))
    return [*(_least_float32(edge) for edge in edges[:-1]), np.nextafter(last, np.float32(np.inf))]


def _least_float32(edge: float) -> np.float32:
    """Return the smallest float32 that is at least `edge`: float32 values below it are exactly those below `edge`."""
    near = np.float32(edge)
    return near if float(near) >= edge else np.nextafter(near, np.float32(np.inf))


def _blocks(values: Values) -> Iterator[Values]:
    return (values[at : at + _BLOCK_ROWS] for at in range(0, len(values), _BLOCK_ROWS))
