"""How far inputs and scores have moved from training, feature by feature, and how much that matters. Pure."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bins import Bins, bins_of
from collected import Collected
from distances import (
    Counted,
    adjusted,
    chi_square,
    count_between,
    count_codes,
    earth_movers_distance,
    largest_gap,
    stability_index,
)
from measures import Measure, largest
from package import Package
from quality import Column

FEATURE_MEASURES = ("largest_feature_drift", "drifted_share", "weighted_drift")
SCORE_MEASURES = ("score_drift", "flagged_share_change")


@dataclass(frozen=True)
class Sensitivity:
    """A feature has moved when its index reaches `index` and chance is excluded at `false_discoveries`."""

    index: float
    false_discoveries: float


@dataclass(frozen=True)
class Moved:
    """One column against training. `distance` is in standard deviations of training, None where it has none.

    `probability` is chance's, adjusted for the number of features; `weight` how much the feature matters to the
    model (all add up to 1); `share` its part of all weighted drift.
    """

    name: str
    index: float
    gap: float
    distance: float | None
    chi_square: float
    freedom: int
    probability: float
    missing: int
    bins: Bins
    drifted: bool
    weight: float = 0.0
    share: float = 0.0


def count_columns(package: Package, collected: Collected) -> list[Column]:
    """Count every feature in the bins of the baseline."""
    columns = []
    for feature in package.features:
        values = collected.column(feature.name)
        columns.append(Column(feature, values, count_like(package.baseline["features"][feature.name], values)))
    return columns


def count_like(baseline: dict[str, Any], values: np.ndarray) -> Counted:
    """Count values [rows] in the bins of a baseline's entry."""
    codes = baseline.get("categories")
    return count_between(values, baseline["edges"]) if codes is None else count_codes(values, codes)


def feature_drift(package: Package, columns: list[Column], sensitivity: Sensitivity) -> list[Moved]:
    """Compare every feature with training; what has moved is told after adjusting for the number of features."""
    baseline = package.baseline["features"]
    compared = [compare(each.feature.name, baseline[each.feature.name], each.counted) for each in columns]
    chances = adjusted([each.probability for each in compared])
    weights = package.importance()
    total = sum(weights[each.name] * each.index for each in compared)
    return [
        replace(
            each,
            probability=float(chance),
            drifted=bool(each.index >= sensitivity.index and chance < sensitivity.false_discoveries),
            weight=weights[each.name],
            share=weights[each.name] * each.index / total if total else 0.0,
        )
        for each, chance in zip(compared, chances, strict=True)
    ]


def compare(name: str, baseline: dict[str, Any], counted: Counted) -> Moved:
    """One column's statistics, before any adjustment. Raises ValueError when either side has no rows."""
    codes = baseline.get("categories") is not None
    inner = np.asarray(baseline["counts"], dtype=np.float64)
    training = np.append(inner, 0.0) if codes else np.concatenate([[0.0], inner, [0.0]])
    recent, missing = counted.counts, int(baseline.get("missing", 0))
    bins = bins_of(baseline, recent)
    distance = None
    if not codes and recent.sum() and baseline["std"]:
        ends = (min(counted.minimum, baseline["minimum"]), max(counted.maximum, baseline["maximum"]))
        distance = earth_movers_distance(training, recent, baseline["edges"], ends) / baseline["std"]
    gap = largest_gap(training, recent) if recent.sum() and training.sum() else 0.0
    if missing or counted.missing:
        training, recent = np.append(training, missing), np.append(recent, counted.missing)
    test = chi_square(training, recent)
    return Moved(
        name,
        stability_index(training, recent),
        gap,
        distance,
        test.statistic,
        test.freedom,
        test.probability,
        counted.missing,
        bins,
        drifted=False,
    )


def drift_measures(moved: list[Moved]) -> dict[str, Measure]:
    """What rules can ask of the features."""
    drifted = [each.name for each in moved if each.drifted]
    return {
        "largest_feature_drift": largest({each.name: each.index for each in moved}),
        "drifted_share": Measure(len(drifted) / len(moved), details=tuple(drifted)),
        "weighted_drift": Measure(
            sum(each.weight * each.index for each in moved),
            details=tuple(f"{each.name} {100 * each.share:.0f} %" for each in by_share(moved)[:3] if each.share),
        ),
    }


def by_share(moved: list[Moved]) -> list[Moved]:
    """What weighs most first."""
    return sorted(moved, key=lambda each: (-each.share, -each.index, each.name))


def score_drift(package: Package, probability: np.ndarray) -> tuple[dict[str, Measure], Moved]:
    """Compare scores [rows] of the released model with those of its making."""
    baseline = package.baseline["probability"]
    moved = compare("score", baseline, count_like(baseline, probability))
    flagged = float((probability >= package.threshold).mean())
    stated = package.evaluation["metrics"].get("flagged_rate", {}).get("value")
    change = Measure(reason="the evaluation does not say how many it flagged")
    if stated is not None:
        change = Measure(abs(flagged - stated), details=(f"{100 * flagged:.1f} % now, {100 * stated:.1f} % before",))
    return {"score_drift": Measure(moved.index), "flagged_share_change": change}, moved
