"""releases/gates.yml as frozen objects: which measure must keep which bound at which stage, and why.

A rule that cannot fail is refused here: no bound, an unknown measure, a bound in the wrong direction.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops.documents import KeyPath, read_checked
from mlops.gates.measures import kind_of, known_measures
from mlops.project import STAGE_NAMES, StageName
from mlops.releases.manifest import RELEASE_FOLDER

GATES_FILE: Final = RELEASE_FOLDER / "gates.yml"

Policy = Literal["pass", "fail"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Label = Annotated[str, Field(min_length=1, max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Bounds(_Part):
    """What a measure must keep; every bound given must hold.

    `max_drop`, `max_rise`: how far the challenger may lie on the bad side of the champion.
    `max_ratio`: challenger divided by champion.
    """

    min: Finite | None = None
    max: Finite | None = None
    max_drop: Margin | None = None
    max_rise: Margin | None = None
    max_ratio: Ratio | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Bounds:
        if not self.model_dump(exclude_none=True):
            raise ValueError("has no bound; give min, max, max_drop, max_rise or max_ratio")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min lies above max; nothing could pass")
        return self

    @property
    def relative(self) -> dict[str, float]:
        """The bounds that need a champion."""
        return self.model_dump(include={"max_drop", "max_rise", "max_ratio"}, exclude_none=True)


class StageBounds(_Part):
    """The bounds at each stage; None says that the stage does not ask for it."""

    dev: Bounds | None
    staging: Bounds | None
    prod: Bounds | None


class RuleEntry(_Part):
    """One rule of the file, for all stages."""

    measure: str
    why: Annotated[str, Field(min_length=1)]
    every_stage: Bounds | None = None
    stages: StageBounds | None = None
    no_champion: Policy | None = None
    missing: Policy = "fail"

    @model_validator(mode="after")
    def _has_bounds_once(self) -> RuleEntry:
        if (self.every_stage is None) == (self.stages is None):
            raise ValueError("needs bounds under either `every_stage` or `stages`")
        if not self.all_bounds():
            raise ValueError("has no bound at any stage; give one, or remove the rule")
        return self

    def bounds_at(self, stage: StageName) -> Bounds | None:
        """The bounds at one stage."""
        return self.every_stage if self.stages is None else getattr(self.stages, stage)

    def all_bounds(self) -> list[Bounds]:
        """The bounds of every stage that has some."""
        if self.stages is None:
            return [self.every_stage] if self.every_stage else []
        given = (self.stages.dev, self.stages.staging, self.stages.prod)
        return [bounds for bounds in given if bounds is not None]


class Group(_Part):
    """A division of the rows by a column: label → [lowest, highest] value, ends included."""

    column: str
    bands: Annotated[dict[Label, Annotated[tuple[Finite, Finite], Field(strict=False)]], Field(min_length=2)]

    @model_validator(mode="after")
    def _bands_are_apart(self) -> Group:
        ordered = sorted(self.bands.items(), key=lambda item: item[1])
        for label, (low, high) in ordered:
            if low > high:
                raise ValueError(f"band '{label}' ends before it begins")
        for (left, (_, end)), (right, (begin, _)) in pairwise(ordered):
            if begin <= end:
                raise ValueError(f"bands '{left}' and '{right}' overlap; a row belongs to one band")
        return self


class Bootstrap(_Part):
    """How intervals are drawn: rounds, their confidence, and the seed that repeats them."""

    rounds: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Annotated[int, Field(ge=0)]


class SmallestBand(_Part):
    """A band below this is reported, and does not count in a difference between bands."""

    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)]


class GatesFile(_Part):
    """What gates.yml says."""

    bootstrap: Bootstrap
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    latency_calls: Annotated[int, Field(ge=100, le=100_000)]
    recent_rows: Annotated[int, Field(ge=1)]
    recent_days: Annotated[int, Field(ge=1, le=90)]
    smallest_band: SmallestBand
    groups: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)], Group]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules that a stage asks for, in the file's order."""
        pairs = [(entry, entry.bounds_at(stage)) for entry in self.rules]
        return tuple(
            Rule(entry.measure, bounds, entry.why, entry.no_champion or "fail", entry.missing)
            for entry, bounds in pairs
            if bounds is not None
        )


@dataclass(frozen=True)
class Rule:
    """One rule at one stage.

    `no_champion` says what a comparison is worth when the stage runs nothing yet, `missing` what the rule is
    worth when there is nothing to measure.
    """

    measure: str
    bounds: Bounds
    why: str
    no_champion: Policy = "fail"
    missing: Policy = "fail"


def read_gates(file: Path) -> GatesFile:
    """Read and check gates.yml. Raises ProjectError naming file, line, key and what to do."""
    checked = read_checked(file, GatesFile)
    gates = checked.value
    known = known_measures(tuple(gates.groups))
    counts = Counter(entry.measure for entry in gates.rules)
    problems: list[tuple[KeyPath, str]] = []
    for index, entry in enumerate(gates.rules):
        sentences = _entry_problems(entry, known)
        if counts[entry.measure] > 1:
            sentences.append(f"{entry.measure} has more than one rule; put all its bounds into one")
        problems += [(("rules", index, "measure"), sentence) for sentence in sentences]
    problems += [
        (("rules",), f"no rule is asked for at {stage}; a stage without gates lets everything through")
        for stage in STAGE_NAMES
        if not gates.rules_at(stage)
    ]
    checked.refuse(problems)
    return gates


def _entry_problems(entry: RuleEntry, known: tuple[str, ...]) -> list[str]:
    if entry.measure not in known:
        return [f"'{entry.measure}' is no known measure; known are {', '.join(known)}"]
    kind = kind_of(entry.measure)
    wrong = {"higher": ("max_rise", "max_ratio"), "lower": ("max_drop",)}[kind.better]
    sentences = []
    relative = {name for bounds in entry.all_bounds() for name in bounds.relative}
    if relative and not kind.compared:
        sentences.append(f"{entry.measure} has no champion's value to compare with; give min or max")
    if relative.intersection(wrong):
        sentences.append(f"{entry.measure} is better {kind.better}: {' and '.join(wrong)} would never block")
    if (relative or kind.needs_champion) and entry.no_champion is None:
        sentences.append("compares with the champion; say with `no_champion: pass` or `fail` what a first release is")
    return sentences
