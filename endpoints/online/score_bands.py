"""The bands that scores are counted in: those of the package's baseline.json, so that live and training compare."""

import json
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

BASELINE_FILE = "baseline.json"
BANDS_WITHOUT_BASELINE = 20


class ScoreBands:
    """Bands from 0 to 1, the last with its right edge; `shares` are those in training, none without a baseline."""

    def __init__(self, edges: list[float], counts: list[int] | None = None) -> None:
        self.names = tuple(f"{left:.2f}-{right:.2f}" for left, right in pairwise(edges))
        total = sum(counts or ())
        self.shares = tuple(count / total for count in counts) if counts and total else ()
        self._inner = edges[1:-1]
        self._inner_array = np.array(self._inner)

    @classmethod
    def of(cls, package: Path) -> Self:
        """The bands of a model package."""
        file = package / BASELINE_FILE
        if not file.is_file():
            return cls(np.linspace(0.0, 1.0, BANDS_WITHOUT_BASELINE + 1).tolist())
        scores = json.loads(file.read_text(encoding="utf-8"))["probability"]
        return cls(scores["edges"], scores["counts"])

    def count(self, probability: NDArray[np.float64]) -> Iterable[tuple[int, int]]:
        """How many of the probabilities, float64 [rows], fall into which band: (number of the band, rows)."""
        if len(probability) == 1:
            # What most requests have, and a tenth of the time that arrays take for it.
            return ((bisect_right(self._inner, float(probability[0])), 1),)
        counts = np.bincount(np.searchsorted(self._inner_array, probability, side="right"), minlength=1)
        return ((band, int(rows)) for band, rows in enumerate(counts) if rows)
