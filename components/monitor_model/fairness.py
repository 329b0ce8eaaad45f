"""Whether groups are still treated as alike as when the model was evaluated. Pure.

The difference of a group is the largest less the smallest rate among its bands. Only bands that are large enough now
and then count, and only these are compared.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from measures import Measure

from shared.schema import Group

FLAGGED = "selection_rate_difference"
FOUND = "true_positive_rate_difference"
_FEWEST_BANDS = 2


@dataclass(frozen=True)
class Rate:
    """A band's rate: `part` of `whole` rows now, and the same of the evaluation."""

    band: str
    part: int
    whole: int
    part_before: float
    whole_before: int


def names(groups: tuple[Group, ...]) -> list[str]:
    """Every measure that is taken here."""
    return [f"{measure}.{group.name}" for measure in (FLAGGED, FOUND) for group in groups]


def rates(
    group: Group, evaluation: dict[str, Any], values: np.ndarray, flagged: np.ndarray, target: np.ndarray | None
) -> list[Rate]:
    """The share flagged in each band; with a target (0 or 1) the share flagged among its positives. All [rows]."""
    stated = evaluation.get("groups", {}).get(group.name, {})
    found = []
    for band in group.bands:
        inside = (values >= band.low) & (values <= band.high)
        if target is not None:
            inside &= target == 1
        facts = stated.get(band.label)
        rate = None if facts is None else facts["metrics"]["flagged_rate" if target is None else "recall"]["value"]
        if rate is None:
            continue
        rows = facts["rows"] if target is None else round(facts["rows"] * facts["positive_rate"])
        found.append(Rate(band.label, int(np.count_nonzero(flagged & inside)), int(inside.sum()), rate * rows, rows))
    return found


def difference(all_rates: list[Rate], smallest: int, resamples: int, seed: int, confidence: float) -> Measure:
    """The difference among the bands of at least `smallest` rows, drawn again to tell what is chance."""
    counted = [each for each in all_rates if min(each.whole, each.whole_before) >= smallest]
    if len(counted) < _FEWEST_BANDS:
        return Measure(reason=f"fewer than {_FEWEST_BANDS} bands have {smallest} rows to compare")
    whole = np.array([each.whole for each in counted])
    now = np.array([each.part for each in counted]) / whole
    before_whole = np.array([each.whole_before for each in counted])
    before = np.clip(np.array([each.part_before for each in counted]) / before_whole, 0.0, 1.0)
    random = np.random.default_rng(seed)
    drawn = _spread(random.binomial(whole, now, (resamples, len(counted))) / whole)
    drawn -= _spread(random.binomial(before_whole, before, (resamples, len(counted))) / before_whole)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    details = tuple(f"{each.band} {100 * each.part / each.whole:.1f} %" for each in counted)
    return Measure(float(_spread(now)), float(_spread(before)), float(low), float(high), details)


def _spread(values: np.ndarray) -> np.ndarray:
    return values.max(axis=-1) - values.min(axis=-1)
