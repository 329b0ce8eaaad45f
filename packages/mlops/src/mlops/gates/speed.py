"""What a package costs to serve: the processor's time for one row, and its size."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mlops.gates.scoring import Scorer
from mlops.judging.measures import Unmeasurable

_WARM_UP_CALLS: Final = 50
_SAMPLE_ROWS: Final = 256
_MEGABYTE: Final = 1_000_000


def latencies(scorers: list[tuple[Scorer, npt.NDArray[np.float32]]], calls: int) -> list[npt.NDArray[np.float64]]:
    """Milliseconds of single rows, an array [calls] for each model with its rows [rows, features].

    The models take turns, so that a busy machine slows them alike. Raises Unmeasurable without rows.
    """
    if any(not len(features) for _, features in scorers):
        raise Unmeasurable("there are no rows to time")
    turns = [
        (scorer, cycle([features[at : at + 1] for at in range(min(len(features), _SAMPLE_ROWS))]))
        for scorer, features in scorers
    ]
    times = np.empty((len(scorers), _WARM_UP_CALLS + calls))
    for call in range(times.shape[1]):
        for model, (scorer, rows) in enumerate(turns):
            times[model, call] = scorer.milliseconds(next(rows))
    return list(times[:, _WARM_UP_CALLS:])


def megabytes(package: Path) -> float:
    """The size of all files of a package."""
    return sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / _MEGABYTE
