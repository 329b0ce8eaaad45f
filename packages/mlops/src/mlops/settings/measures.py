"""A measure's value or why there is none, and the kinds of measures that a rule may name. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

GROUP_SEPARATOR: Final = "."


@dataclass(frozen=True)
class MeasureKind:
    """What a measure means.

    `compared`: the champion, or whatever it is compared with, has a value too. `per_group`: measured once for
    each group of rows. `needs_champion`: without a champion there is nothing to measure.
    """

    title: str
    better: Literal["higher", "lower"]
    compared: bool = False
    per_group: bool = False
    needs_champion: bool = False


@dataclass(frozen=True)
class Catalogue:
    """Every kind of measure that a file's rules may name; `<measure>.<group>` for those measured per group."""

    kinds: Mapping[str, MeasureKind]

    def kind(self, measure: str) -> MeasureKind:
        """The kind of a measure. Raises KeyError for an unknown one."""
        return self.kinds[measure.split(GROUP_SEPARATOR, 1)[0]]

    def title(self, measure: str) -> str:
        """A measure's name for people; the group's name is data and is not escaped."""
        _, _, group = measure.partition(GROUP_SEPARATOR)
        title = self.kind(measure).title
        return f"{title} by {group}" if group else title

    def known(self, groups: Sequence[str]) -> tuple[str, ...]:
        """Every name a rule may use, given the names of the groups."""
        names: list[str] = []
        for name, kind in self.kinds.items():
            names += [group_measure(name, group) for group in groups] if kind.per_group else [name]
        return tuple(names)


def group_measure(measure: str, group: str) -> str:
    """The name of a measure for one group."""
    return f"{measure}{GROUP_SEPARATOR}{group}"


class Unmeasurable(Exception):
    """The artefacts do not allow a measurement: broken, contradictory, or missing. Blocks every rule on the measure."""


class NothingToMeasure(Unmeasurable):
    """There is nothing to measure, and nothing is broken. The rule decides what that means."""


@dataclass(frozen=True)
class Span:
    """The bounds of an interval; NaN if it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """One measured value, or why there is none.

    `value` is the challenger's; `difference` is challenger minus champion; intervals are None for measures that
    have none. `details` are single findings. `state` tells a value, even NaN, from none.
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
    """The placeholder for a measure without a value."""
    return Measured(state="nothing" if isinstance(error, NothingToMeasure) else "broken", reason=str(error))
