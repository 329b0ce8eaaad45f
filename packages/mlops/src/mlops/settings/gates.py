"""releases/gates.yml as frozen objects: the rules, how evidence is collected for them, and their slices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import yaml
from pydantic import Field, PlainValidator, ValidationInfo

from mlops.core.documents import Part, YamlFile, parse_yaml, read_checked
from mlops.settings.project import named_slice, slices_context
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.rules import (
    Bounds,
    Catalogue,
    MeasureKind,
    Rule,
    RuleEntry,
    compared_kind,
    joined,
    problems_of,
    rules_at,
    slice_kind,
    with_own_measures,
)
from mlops.settings.stages import StageName, StageOrder, stage_context
from model_package.evaluation import ONNX
from model_package.measures import SLICE_SEPARATOR
from model_package.schema import Schema, Slice
from model_package.tasks import Task, extensions, known_tasks, task_class

EXTENSION_FAILURES: Final = "extension_failures"
_OF_EVERY_TASK: Final = {
    "recorded_difference": MeasureKind("Recorded metrics against the model", "lower"),
    "golden_difference": MeasureKind("Golden answers, largest difference", "lower"),
    "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
    "score_drift": MeasureKind("Score drift (PSI)", "lower"),
    "latency_p50_milliseconds": MeasureKind("Latency per row, p50 (ms)", "lower", compared=True, by_runtime=True),
    "latency_p99_milliseconds": MeasureKind("Latency per row, p99 (ms)", "lower", compared=True, by_runtime=True),
    "package_megabytes": MeasureKind("Package size (MB)", "lower", compared=True, by_runtime=True),
    "schema_breaks": MeasureKind("Breaking schema changes", "lower", needs_champion=True),
    "provenance_gaps": MeasureKind("Missing provenance", "lower"),
    "digest_differences": MeasureKind("Digest mismatches", "lower"),
}
_OF_EXTENSIONS: Final = {EXTENSION_FAILURES: MeasureKind("Failures of extensions/", "lower")}
# What only a stage that answers single requests has.
OF_REQUESTS: Final = (
    "largest_feature_drift",
    "score_drift",
    "latency_p50_milliseconds",
    "latency_p99_milliseconds",
)
GOLDEN_DECISION_CHANGES: Final = "golden_decision_changes"


def catalogue_of(task: type[Task]) -> Catalogue:
    """What the rules of gates.yml may name for a task."""
    metrics = {each.name: compared_kind(each) for each in task.metrics if each.gated}
    slices = {each.name: slice_kind(each) for each in task.slice_metrics}
    changes = {GOLDEN_DECISION_CHANGES: MeasureKind("Golden-test decisions changed", "lower")}
    kinds = {**metrics, **slices, **(changes if task.decides() else {}), **_OF_EVERY_TASK}
    added = extensions()
    return with_own_measures(kinds | (_OF_EXTENSIONS if added.digest else {}), added.gates, compared=True)


def catalogue() -> Catalogue:
    """What any task's rules may name, for titles."""
    return joined(catalogue_of(each) for each in known_tasks().values())


GATES_FILE: Final = RELEASE_FOLDER / "gates.yml"


def _slice(name: Any, info: ValidationInfo) -> Slice:
    return named_slice(name, info.context)


class BootstrapSettings(Part):
    """How intervals are computed: rounds, confidence, and a seed for reproducibility."""

    rounds: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Annotated[int, Field(ge=0)]


class MinSliceSize(Part):
    """A smaller subgroup is reported, but not counted in a difference between subgroups.

    `positives` are rows with outcome 1, or of the rarest class; a task without classes has no use for them.
    """

    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)] = 1


class GatesFile(YamlFile):
    """The content of gates.yml. `slices` are named there and defined in schema.yml."""

    renamed_keys: ClassVar = {"groups": "slices", "smallest_band": "min_slice_size"}

    bootstrap: BootstrapSettings
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    latency_calls: Annotated[int, Field(ge=100, le=100_000)]
    recent_rows: Annotated[int, Field(ge=1)]
    recent_days: Annotated[int, Field(ge=1, le=90)]
    min_slice_size: MinSliceSize
    slices: Annotated[tuple[Annotated[Slice, PlainValidator(_slice)], ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName, runtime: str = ONNX, *, extended: bool = False) -> tuple[Rule, ...]:
        """The rules of a stage for a model that `runtime` runs, in file order.

        Where code of extensions/ measures there is one more: none of it may fail, whether or not a rule names it.
        """
        rules = rules_at(self.rules, stage, runtime)
        if not extended or any(each.measure == EXTENSION_FAILURES for each in rules):
            return rules
        return (*rules, Rule(EXTENSION_FAILURES, Bounds(max=0), "code that failed may have judged nothing"))


def read_gates(file: Path, order: StageOrder, schema: Schema) -> GatesFile:
    """Read and check gates.yml, whose slices the schema defines. Raises ProjectError naming file, line and key."""
    checked = read_checked(file, GatesFile, {**stage_context(order), **slices_context(schema)})
    gates = checked.value
    names = [each.name for each in gates.slices]
    checked.refuse(problems_of(gates.rules, catalogue_of(task_class(schema.task)), names, order, has_champions=True))
    return gates


def with_featureless_bounds(text: str, task: type[Task], reached: Mapping[str, float]) -> bytes:
    """The file's text with bounds for synthetic rows, which its own bounds, made for the real ones, do not know.

    A metric must be as good as that of a model that ignores its features (`reached`). Calibration, which such a model
    has, and differences between subgroups have no bound. Comparisons with the champion and all other rules stay.
    """
    document = parse_yaml(text).value
    slice_metrics = {each.name for each in task.slice_metrics}
    metrics = {each.name: each for each in task.metrics if each.gated}
    rules = []
    for rule in document["rules"]:
        name = str(rule["measure"]).split(SLICE_SEPARATOR, 1)[0]
        bound: dict[str, float] = {}
        if name not in metrics and name not in slice_metrics:
            rules.append(rule)
            continue
        metric = metrics.get(name)
        if metric and metric.needs_features and math.isfinite(reached.get(name, math.nan)):
            bound = {"min" if metric.better == "higher" else "max": reached[name]}
        changed: dict[str, Any] = {**rule, "missing": "pass"}
        if "every_stage" in rule:
            changed["every_stage"] = _rebounded(rule["every_stage"], bound)
        if "stages" in rule:
            changed["stages"] = {stage: _rebounded(bounds, bound) for stage, bounds in rule["stages"].items()}
        if changed.get("every_stage") or any(changed.get("stages", {}).values()):
            rules.append(changed)
    return yaml.safe_dump({**document, "rules": rules}, sort_keys=False, allow_unicode=True).encode()


def _rebounded(bounds: dict[str, float] | None, absolute: dict[str, float]) -> dict[str, float] | None:
    """A stage's bounds with other absolute ones; None where none is left."""
    if bounds is None:
        return None
    return {**{name: value for name, value in bounds.items() if name not in ("min", "max")}, **absolute} or None
