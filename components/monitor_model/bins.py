"""A column in training and in the window side by side, bin by bin: what pictures are drawn from. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# From here on a bin's begin is told well enough without a fraction.
_EXACT_FROM = 100


@dataclass(frozen=True)
class Bins:
    """Shares of the rows in each bin. A label is a code, or where a bin begins; outside of training lie its ends."""

    labels: tuple[str, ...]
    training: tuple[float, ...]
    window: tuple[float, ...]


def bins_of(baseline: dict[str, Any], recent: np.ndarray) -> Bins:
    """A baseline's entry beside the window's counts in its bins."""
    codes = baseline.get("categories")
    inner = [float(count) for count in baseline["counts"]]
    if codes is None:
        edges = (_short(edge) for edge in baseline["edges"][:-1])
        return Bins(("below", *edges, "above"), _shares([0.0, *inner, 0.0]), _shares(recent))
    return Bins((*(str(code) for code in codes), "other"), _shares([*inner, 0.0]), _shares(recent))


def _shares(counts: list[float] | np.ndarray) -> tuple[float, ...]:
    total = max(1.0, float(np.sum(counts)))
    return tuple(float(count) / total for count in counts)


def _short(edge: float) -> str:
    return f"{edge:,.0f}" if edge == round(edge) or abs(edge) >= _EXACT_FROM else f"{edge:.3g}"
