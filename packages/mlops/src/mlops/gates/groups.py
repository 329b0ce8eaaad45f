"""Bands of rows that must be treated alike: who is in which, and how each is treated.

Selection rate: the share of a band's rows decided as 1. True positive rate: the same among its positives. The
difference of a group is the largest less the smallest rate among its bands (known as demographic parity and
equal opportunity difference); bands below the stated size are shown and not counted: chance rules them.
Which slices there are is said by schema.yml, and which of them are judged by gates.yml.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.settings.gates import MinSliceSize
from mlops.settings.measures import NothingToMeasure

Inside = npt.NDArray[np.bool_]
_FEWEST_BANDS = 2


@dataclass(frozen=True)
class Treatment:
    """How one model treats a band; None where the band has no such rows."""

    selection_rate: float | None
    true_positive_rate: float | None


@dataclass(frozen=True)
class Band:
    """One band of a group and how each model treats it; `counted` in the group's differences or too small."""

    group: str
    label: str
    rows: int
    positives: int
    counted: bool
    challenger: Treatment
    champion: Treatment | None


def counted_bands(inside: Inside, target: npt.NDArray[np.float64], smallest: MinSliceSize) -> Inside:
    """Which bands are large enough to count: [bands]."""
    return (inside.sum(axis=0) >= smallest.rows) & (target @ inside >= smallest.positives)


def comparable(name: str, inside: Inside, counted: Inside) -> Inside:
    """The columns of the bands that count. Raises NothingToMeasure when there is nothing to compare."""
    if counted.sum() < _FEWEST_BANDS:
        raise NothingToMeasure(f"fewer than {_FEWEST_BANDS} bands of '{name}' have rows enough to compare")
    return inside[:, counted]


def treatment(inside: Inside, target: npt.NDArray[np.float64], decided: npt.NDArray[np.float64]) -> list[Treatment]:
    """How a model treats each band: `inside` [rows, bands], `target` and `decided` 0 or 1 [rows]."""
    rows, positives = inside.sum(axis=0), target @ inside
    flagged, found = decided @ inside, (decided * target) @ inside
    return [
        Treatment(_rate(flagged[band], rows[band]), _rate(found[band], positives[band]))
        for band in range(inside.shape[1])
    ]


def _rate(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
