"""A measure as it was taken, or why it was not, and what kinds of measures a rule may name. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

GROUP_SEPARATOR: Final = "."


@dataclass(frozen=True)
class MeasureKind:
    """What a measure means.

    `compared`: the champion, or whatever else it is measured against, has a value too. `per_group`: taken once for
    each group of rows. `needs_champion`: without a champion there is nothing to measure.
    """

    title: str
    better: Literal["higher", "lower"]
    compared: bool = False
    per_group: bool = False
    needs_champion: bool = False


@dataclass(frozen=True)
class Catalogue:
    """Every kind of measure that the rules of a file may name; `<measure>.<group>` for those taken once a group."""

    kinds: Mapping[str, MeasureKind]

    def kind(self, measure: str) -> MeasureKind:
        """The kind of a measure. Raises KeyError for an unknown one."""
        return self.kinds[measure.split(GROUP_SEPARATOR, 1)[0]]

    def title(self, measure: str) -> str:
        """A measure's name for people; the group's name is data and comes unescaped."""
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
    """The name of a measure taken for one group."""
    return f"{measure}{GROUP_SEPARATOR}{group}"


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
