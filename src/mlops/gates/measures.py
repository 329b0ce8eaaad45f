"""The catalogue of what gates can measure: name, meaning, which direction is better. How is in evidence.py.

A rule names a measure of this catalogue, or `<measure>.<group>` for those taken once a group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

GROUP_SEPARATOR: Final = "."


@dataclass(frozen=True)
class MeasureKind:
    """What a measure means.

    `compared`: the champion has a value too. `per_group`: taken once for each group of rows.
    `needs_champion`: without a champion there is nothing to measure.
    """

    title: str
    better: Literal["higher", "lower"]
    compared: bool = False
    per_group: bool = False
    needs_champion: bool = False


KINDS: Final[dict[str, MeasureKind]] = {
    "roc_auc": MeasureKind("ROC AUC", "higher", compared=True),
    "average_precision": MeasureKind("Average precision", "higher", compared=True),
    "ks": MeasureKind("KS distance", "higher", compared=True),
    "f1": MeasureKind("F1 at the threshold", "higher", compared=True),
    "brier": MeasureKind("Brier score", "lower", compared=True),
    "calibration_error": MeasureKind("Calibration error", "lower", compared=True),
    "selection_rate_difference": MeasureKind("Selection rate difference", "lower", compared=True, per_group=True),
    "true_positive_rate_difference": MeasureKind(
        "True positive rate difference", "lower", compared=True, per_group=True
    ),
    "recorded_difference": MeasureKind("Recorded metrics against ONNX", "lower"),
    "golden_difference": MeasureKind("Golden answers, largest difference", "lower"),
    "golden_decision_changes": MeasureKind("Golden decisions changed", "lower"),
    "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
    "score_drift": MeasureKind("Score drift (PSI)", "lower"),
    "latency_p50_milliseconds": MeasureKind("Latency of a row, p50 (ms)", "lower", compared=True),
    "latency_p99_milliseconds": MeasureKind("Latency of a row, p99 (ms)", "lower", compared=True),
    "package_megabytes": MeasureKind("Package size (MB)", "lower", compared=True),
    "schema_breaks": MeasureKind("Changes that break callers", "lower", needs_champion=True),
    "provenance_gaps": MeasureKind("Gaps in the provenance", "lower"),
    "digest_differences": MeasureKind("Digests that differ", "lower"),
}


def kind_of(measure: str) -> MeasureKind:
    """The kind of a measure, also of `<measure>.<group>`. Raises KeyError for an unknown one."""
    return KINDS[measure.split(GROUP_SEPARATOR, 1)[0]]


def title_of(measure: str) -> str:
    """A measure's name for people; the group's name is data and comes unescaped."""
    _, _, group = measure.partition(GROUP_SEPARATOR)
    title = kind_of(measure).title
    return f"{title} by {group}" if group else title


def group_measure(measure: str, group: str) -> str:
    """The name of a measure taken for one group."""
    return f"{measure}{GROUP_SEPARATOR}{group}"


def known_measures(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Every name a rule may use, given the names of the groups."""
    names: list[str] = []
    for name, kind in KINDS.items():
        names += [group_measure(name, group) for group in groups] if kind.per_group else [name]
    return tuple(names)


class Unmeasurable(Exception):
    """The artefacts do not allow a measure: broken, contradictory, or not there. Blocks every rule on it."""


class NothingToMeasure(Unmeasurable):
    """There is nothing to take a measure from, and nothing is broken. What that is worth, the rule says."""


@dataclass(frozen=True)
class Span:
    """The bounds of an interval; NaN where it is not defined."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """One measure as taken, or why it was not.

    `value` is the challenger's; `difference` is challenger minus champion; spans are None for measures that
    have no interval. `details` are findings one by one. `state` tells a value, even NaN, from none.
    """

    value: float = math.nan
    span: Span | None = None
    champion: float | None = None
    difference: float | None = None
    difference_span: Span | None = None
    details: tuple[str, ...] = ()
    state: Literal["measured", "nothing", "broken"] = "measured"
    reason: str = ""
    champion_problem: str = ""


def not_measured(error: Unmeasurable) -> Measured:
    """What stands in the place of a measure that could not be taken."""
    return Measured(state="nothing" if isinstance(error, NothingToMeasure) else "broken", reason=str(error))
