"""releases/gates.yml as frozen objects: the rules, how evidence is collected for them, and the slices they judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, PlainValidator, ValidationInfo

from mlops.core.documents import Part, YamlFile, read_checked
from mlops.settings.project import named_slice, slices_context
from mlops.settings.releases import RELEASE_FOLDER
from mlops.settings.rules import Catalogue, MeasureKind, Rule, RuleEntry, problems_of, rules_at
from mlops.settings.stages import StageName, StageOrder, stage_context
from model_package.schema import Schema, Slice

CATALOGUE: Final = Catalogue(
    {
        "roc_auc": MeasureKind("ROC AUC", "higher", compared=True),
        "average_precision": MeasureKind("Average precision", "higher", compared=True),
        "ks": MeasureKind("Kolmogorov-Smirnov statistic", "higher", compared=True),
        "f1": MeasureKind("F1 at the threshold", "higher", compared=True),
        "brier": MeasureKind("Brier score", "lower", compared=True),
        "calibration_error": MeasureKind("Calibration error", "lower", compared=True),
        "selection_rate_difference": MeasureKind("Selection rate difference", "lower", compared=True, per_slice=True),
        "true_positive_rate_difference": MeasureKind(
            "True positive rate difference", "lower", compared=True, per_slice=True
        ),
        "recorded_difference": MeasureKind("Recorded metrics against ONNX", "lower"),
        "golden_difference": MeasureKind("Golden answers, largest difference", "lower"),
        "golden_decision_changes": MeasureKind("Golden-test decisions changed", "lower"),
        "largest_feature_drift": MeasureKind("Largest feature drift (PSI)", "lower"),
        "score_drift": MeasureKind("Score drift (PSI)", "lower"),
        "latency_p50_milliseconds": MeasureKind("Latency of a row, p50 (ms)", "lower", compared=True),
        "latency_p99_milliseconds": MeasureKind("Latency of a row, p99 (ms)", "lower", compared=True),
        "package_megabytes": MeasureKind("Package size (MB)", "lower", compared=True),
        "schema_breaks": MeasureKind("Breaking schema changes", "lower", needs_champion=True),
        "provenance_gaps": MeasureKind("Missing provenance", "lower"),
        "digest_differences": MeasureKind("Digest mismatches", "lower"),
    }
)

GATES_FILE: Final = RELEASE_FOLDER / "gates.yml"


def _slice(name: Any, info: ValidationInfo) -> Slice:
    return named_slice(name, info.context)


class BootstrapSettings(Part):
    """How intervals are drawn: rounds, their confidence, and the seed that repeats them."""

    rounds: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: Annotated[int, Field(ge=0)]


class MinSliceSize(Part):
    """A subgroup below this is reported, and does not count in a difference between subgroups."""

    rows: Annotated[int, Field(ge=1)]
    positives: Annotated[int, Field(ge=1)]


class GatesFile(YamlFile):
    """What gates.yml says. `slices` are named there and defined in schema.yml."""

    renamed_keys: ClassVar = {"groups": "slices", "smallest_band": "min_slice_size"}

    bootstrap: BootstrapSettings
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    latency_calls: Annotated[int, Field(ge=100, le=100_000)]
    recent_rows: Annotated[int, Field(ge=1)]
    recent_days: Annotated[int, Field(ge=1, le=90)]
    min_slice_size: MinSliceSize
    slices: Annotated[tuple[Annotated[Slice, PlainValidator(_slice)], ...], Field(strict=False)]
    rules: Annotated[tuple[RuleEntry, ...], Field(min_length=1, strict=False)]

    def rules_at(self, stage: StageName) -> tuple[Rule, ...]:
        """The rules that a stage asks for, in the file's order."""
        return rules_at(self.rules, stage)


def read_gates(file: Path, order: StageOrder, schema: Schema) -> GatesFile:
    """Read and check gates.yml, whose slices the schema defines. Raises ProjectError naming file, line and key."""
    checked = read_checked(file, GatesFile, {**stage_context(order), **slices_context(schema)})
    gates = checked.value
    names = [each.name for each in gates.slices]
    checked.refuse(problems_of(gates.rules, CATALOGUE, names, order, has_champions=True))
    return gates
