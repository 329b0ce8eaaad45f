"""The catalogue of what monitoring can measure, and the kind of finding that a broken rule is.

The step monitor_model measures everything except the service, which is measured through Azure Monitor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from mlops.core.documents import KeyPath, Part, YamlFile, read_checked
from mlops.settings.project import named_slice, slices_context
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.rules import (
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
from model_package.errors import did_you_mean
from model_package.measures import SLICE_SEPARATOR
from model_package.schema import Schema
from model_package.tasks import Task, extensions, known_tasks, task_class

Section = Literal["quality", "drift", "performance", "fairness", "service"]

_OF_EVERY_TASK: Final[dict[Section, dict[str, MeasureKind]]] = {
    "quality": {
        "rows": MeasureKind("Rows in the window", "higher"),
        "broken_share": MeasureKind("Rows that cannot be read", "lower"),
        "unanswered_share": MeasureKind("Rows without an answer", "lower"),
        "skewed_share": MeasureKind("Rows filed at the wrong time", "lower"),
        "bad_label_share": MeasureKind("Outcomes that cannot be used", "lower"),
        "missing_features": MeasureKind("Missing features", "lower"),
        "unknown_columns": MeasureKind("Unknown columns", "lower"),
        "constant_features": MeasureKind("Constant features", "lower"),
        "largest_missing_rise": MeasureKind("Missing values, largest increase", "lower"),
        "largest_out_of_range_share": MeasureKind("Out of range, largest share", "lower"),
        "largest_unknown_category_share": MeasureKind("Unknown codes, largest share", "lower"),
        "largest_unseen_category_share": MeasureKind("Codes unseen in training, largest share", "lower"),
    },
    "drift": {
        "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
        "drifted_share": MeasureKind("Drifted features", "lower"),
        "weighted_drift": MeasureKind("Importance-weighted drift (PSI)", "lower"),
        "score_drift": MeasureKind("Score drift (PSI)", "lower"),
    },
    "service": {
        "failure_share": MeasureKind("Failed requests", "lower"),
        "latency_p99_milliseconds": MeasureKind("Latency, p99 (ms)", "lower"),
    },
}


def _sections(task: type[Task]) -> dict[Section, dict[str, MeasureKind]]:
    change = {task.change.name: MeasureKind(task.change.title, "lower")}
    return {
        **_OF_EVERY_TASK,
        "drift": {**_OF_EVERY_TASK["drift"], **change},
        "performance": {each.name: compared_kind(each) for each in task.metrics if each.monitored},
        "fairness": {each.name: slice_kind(each) for each in task.slice_metrics},
    }


def catalogue_of(task: type[Task]) -> Catalogue:
    """What the rules of monitor.yml may name for a task."""
    kinds = {name: kind for kinds in _sections(task).values() for name, kind in kinds.items()}
    return with_own_measures(kinds, extensions().monitor, compared=False)


def catalogue() -> Catalogue:
    """What any task's rules may name, for titles."""
    return joined(catalogue_of(each) for each in known_tasks().values())


def section_of(measure: str) -> Section:
    """The kind of finding that a broken rule on a measure is. Raises KeyError for an unknown measure."""
    name = measure.split(SLICE_SEPARATOR, 1)[0]
    for own in extensions().monitor:
        if own.name == name:
            return own.section
    for task in known_tasks().values():
        for section, kinds in _sections(task).items():
            if name in kinds:
                return section
    raise KeyError(measure)


MONITOR_FILE: Final = RELEASE_FOLDER / "monitor.yml"
_MENDABLE: Final = ("drift", "performance", "fairness")

AtLeastOne = Annotated[int, Field(ge=1)]


def _name(name: str, info: ValidationInfo) -> str:
    return named_slice(name, info.context).name


SliceName = Annotated[str, AfterValidator(_name)]


class Measuring(Part):
    """The inputs of pipelines/monitor.yml that say how to measure."""

    min_rows: AtLeastOne
    min_labels: AtLeastOne
    min_slice_rows: AtLeastOne
    psi_threshold: Annotated[float, Field(gt=0, le=100)]
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_resamples: Annotated[int, Field(ge=50, le=10_000)]
    seed: Annotated[int, Field(ge=0)]


class MonitorFile(YamlFile):
    """The content of monitor.yml. `slices` are named there and defined in schema.yml."""

    renamed_keys: ClassVar = {
        "fewest_rows": "min_rows",
        "fewest_labels": "min_labels",
        "smallest_band": "min_slice_rows",
        "moved_index": "psi_threshold",
        "false_discoveries": "false_discovery_rate",
        "fewest_requests": "min_requests",
        "groups": "slices",
        "asks_for_retraining": "retrain_on",
    }

    measuring: Measuring
    min_requests: AtLeastOne
    slices: Annotated[tuple[SliceName, ...], Field(strict=False)]
    retrain_on: Annotated[tuple[str, ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules of a stage, in file order."""
        return rules_at(self.rules, stage)


def read_monitor_rules(file: Path, order: StageOrder, schema: Schema) -> MonitorFile:
    """Read and check monitor.yml, whose slices the schema defines. Raises ProjectError naming file, line and key."""
    checked = read_checked(file, MonitorFile, {**stage_context(order), **slices_context(schema)})
    found = checked.value
    problems = problems_of(found.rules, catalogue_of(task_class(schema.task)), found.slices, order, has_champions=False)
    checked.refuse([*problems, *_retraining_problems(found)])
    return found


def _retraining_problems(found: MonitorFile) -> list[tuple[KeyPath, str]]:
    judged = {entry.measure for entry in found.rules}
    problems: list[tuple[KeyPath, str]] = []
    for index, measure in enumerate(found.retrain_on):
        if measure not in judged:
            problems.append((("retrain_on", index), f"no rule uses '{measure}'{did_you_mean(measure, judged)}"))
        elif section_of(measure) not in _MENDABLE:
            problems.append((("retrain_on", index), f"a newer model cannot fix '{measure}'"))
    return problems
