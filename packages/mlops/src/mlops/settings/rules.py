"""Rules as data: the bounds of a measure at each stage, and why. Pure: no I/O.

A catalogue says which measures the rules of a file may name. A rule that cannot fail is refused here: no bound, an
unknown measure, a bound in the wrong direction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlops.core.documents import KeyPath, Part
from mlops.settings.stages import ByStage, StageName, StageOrder
from model_package.errors import did_you_mean
from model_package.evaluation import ONNX, PYFUNC
from model_package.isolated_extensions import Limits, use_isolated_extensions
from model_package.measures import SLICE_SEPARATOR, slice_metric
from model_package.tasks import GateMeasure, Metric, MonitorMeasure, SliceMetric
from model_package.tasks.extensions import MEASURES_FILE, refuse_collisions

Policy = Literal["pass", "fail"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ExtensionLimits(Part):
    """What code of extensions/ may take where the command runs it: seconds per measure, and memory of its process."""

    seconds: Annotated[int, Field(ge=1, le=86_400)] = 120
    memory_gigabytes: Annotated[int, Field(ge=1, le=1_024)] = 8

    def use(self, folder: Path) -> None:
        """Take extensions from a folder from now on, within these limits."""
        use_isolated_extensions(folder, Limits(seconds=self.seconds, memory_bytes=self.memory_gigabytes << 30))


@dataclass(frozen=True)
class MeasureKind:
    """What a measure means.

    `compared`: the champion, or whatever else it is compared with, has a value too. `per_slice`: taken once per slice.
    `needs_champion`: without a champion there is nothing to measure. `by_runtime`: it depends on what runs the model.
    `short_title`: for where there is little room.
    """

    title: str
    better: Literal["higher", "lower"]
    compared: bool = False
    per_slice: bool = False
    needs_champion: bool = False
    by_runtime: bool = False
    short_title: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Every kind of measure that the rules of a file may name; `<measure>.<slice>` for those taken per slice."""

    kinds: Mapping[str, MeasureKind]

    def kind(self, measure: str) -> MeasureKind:
        """The kind of a measure. Raises KeyError for an unknown one."""
        return self.kinds[measure.split(SLICE_SEPARATOR, 1)[0]]

    def title(self, measure: str) -> str:
        """A measure's name for people; the slice's name is data and comes unescaped."""
        _, _, name = measure.partition(SLICE_SEPARATOR)
        title = self.kind(measure).title
        return f"{title} by {name}" if name else title

    def short_title(self, measure: str) -> str:
        """A measure's name for people, where there is little room."""
        kind, title = self.kind(measure), self.title(measure)
        return title.replace(kind.title, kind.short_title or kind.title)

    def known(self, slices: Sequence[str]) -> tuple[str, ...]:
        """Every name that a rule may use, given the names of the slices."""
        names: list[str] = []
        for name, kind in self.kinds.items():
            names += [slice_metric(name, each) for each in slices] if kind.per_slice else [name]
        return tuple(names)


def compared_kind(metric: Metric) -> MeasureKind:
    """The kind of measure that a task's metric is."""
    return MeasureKind(metric.title, "higher" if metric.better == "higher" else "lower", compared=True)


def slice_kind(metric: SliceMetric) -> MeasureKind:
    """The kind of measure that a task's metric by slice is."""
    return MeasureKind(metric.title, "lower", compared=True, per_slice=True, short_title=metric.short_title)


def with_own_measures(
    kinds: Mapping[str, MeasureKind], own: Iterable[GateMeasure | MonitorMeasure], *, compared: bool
) -> Catalogue:
    """A catalogue with the measures of extensions/. Raises ExtensionError where a name is built in."""
    added = {each.name: MeasureKind(each.title, each.better, compared=compared) for each in own}
    refuse_collisions(MEASURES_FILE, "measure", added, kinds)
    return Catalogue({**kinds, **added})


def joined(catalogues: Iterable[Catalogue]) -> Catalogue:
    """Every kind of several catalogues."""
    return Catalogue({name: kind for each in catalogues for name, kind in each.kinds.items()})


class Bounds(Part):
    """The bounds of a measure; every bound given must hold.

    `max_drop`, `max_rise`: how much worse than the champion the challenger may be.
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
            raise ValueError("min is above max; nothing could pass")
        return self

    @property
    def relative(self) -> dict[str, float]:
        """The bounds that need a champion."""
        return self.model_dump(include={"max_drop", "max_rise", "max_ratio"}, exclude_none=True)


class RuleEntry(Part):
    """One rule of the file, for all stages; under `stages`, None turns it off for a stage.

    `pyfunc` are its bounds for a model without ONNX, wherever the rule is on.
    """

    measure: str
    why: Annotated[str, Field(min_length=1)]
    every_stage: Bounds | None = None
    stages: ByStage[Bounds | None] | None = None
    pyfunc: Bounds | None = None
    no_champion: Policy | None = None
    missing: Policy = "fail"

    @model_validator(mode="after")
    def _has_bounds_once(self) -> RuleEntry:
        if (self.every_stage is None) == (self.stages is None):
            raise ValueError("needs bounds under either `every_stage` or `stages`")
        if not self.all_bounds():
            raise ValueError("has no bound at any stage; give one, or remove the rule")
        return self

    def bounds_at(self, stage: StageName, runtime: str = ONNX) -> Bounds | None:
        """The bounds at one stage, of a model that `runtime` runs."""
        bounds = self.every_stage if self.stages is None else self.stages[stage]
        return self.pyfunc if bounds and self.pyfunc and runtime == PYFUNC else bounds

    def all_bounds(self) -> list[Bounds]:
        """The bounds of every stage and runtime that has any."""
        stages = [self.every_stage] if self.stages is None else self.stages.values()
        found = [bounds for bounds in stages if bounds is not None]
        return [*found, self.pyfunc] if found and self.pyfunc else found


@dataclass(frozen=True)
class Rule:
    """One rule at one stage.

    `no_champion` is the outcome of a comparison while the stage runs no model, `missing` the outcome of the rule if
    there is nothing to measure.
    """

    measure: str
    bounds: Bounds
    why: str
    no_champion: Policy = "fail"
    missing: Policy = "fail"


def rules_at(entries: Sequence[RuleEntry], stage: StageName, runtime: str = ONNX) -> tuple[Rule, ...]:
    """The rules of a stage for a model that `runtime` runs, in file order."""
    pairs = [(entry, entry.bounds_at(stage, runtime)) for entry in entries]
    return tuple(
        Rule(entry.measure, bounds, entry.why, entry.no_champion or "fail", entry.missing)
        for entry, bounds in pairs
        if bounds is not None
    )


def problems_of(
    entries: Sequence[RuleEntry],
    catalogue: Catalogue,
    slices: Sequence[str],
    order: StageOrder,
    *,
    has_champions: bool,
) -> list[tuple[KeyPath, str]]:
    """Everything wrong with the rules of a file, with the path of each key.

    `has_champions` is false if measures are always compared with the same reference, which always exists.
    """
    known = catalogue.known(slices)
    counts = Counter(entry.measure for entry in entries)
    problems: list[tuple[KeyPath, str]] = []
    for index, entry in enumerate(entries):
        sentences = _entry_problems(entry, catalogue, known, has_champions=has_champions)
        if counts[entry.measure] > 1:
            sentences.append(f"{entry.measure} has more than one rule; put all its bounds into one")
        problems += [(("rules", index, "measure"), sentence) for sentence in sentences]
    return problems + [
        (("rules",), f"{stage} has no rules; a stage without rules lets everything through")
        for stage in order
        if not rules_at(entries, stage)
    ]


def _entry_problems(
    entry: RuleEntry, catalogue: Catalogue, known: tuple[str, ...], *, has_champions: bool
) -> list[str]:
    if entry.measure not in known:
        return [
            f"unknown measure '{entry.measure}'{did_you_mean(entry.measure, known)}; known measures: {', '.join(known)}"
        ]
    kind = catalogue.kind(entry.measure)
    wrong = {"higher": ("max_rise", "max_ratio"), "lower": ("max_drop",)}[kind.better]
    other = "champion's" if has_champions else "release's own"
    sentences = []
    relative = {name for bounds in entry.all_bounds() for name in bounds.relative}
    if entry.pyfunc is not None and not kind.by_runtime:
        sentences.append("does not depend on what runs the model; remove `pyfunc`")
    if relative and not kind.compared:
        sentences.append(f"{entry.measure} has no {other} value to compare with; give min or max")
    if relative.intersection(wrong):
        sentences.append(f"{entry.measure} is better {kind.better}: {' and '.join(wrong)} would never block")
    if not has_champions and entry.no_champion is not None:
        sentences.append("compares with the release itself; `no_champion` has no effect here, remove it")
    if has_champions and (relative or kind.needs_champion) and entry.no_champion is None:
        sentences.append("compares with the champion; set `no_champion: pass` or `fail` for a first release")
    return sentences
